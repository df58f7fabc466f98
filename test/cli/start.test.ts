/** `npm start`: a pool with files in the present directory, served. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { holdfast, mustRun, temporaryDirectory } from './run-holdfast.ts'
import { answer } from './serving.ts'

const START = join(import.meta.dirname, '..', '..', 'scripts', 'start.ts')

/** Starts it, asks for a file, and ends it; resolves with what the file holds. */
async function startAndFetch(t: TestContext, cwd: string, file: string): Promise<string> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', START, '--port', '0', '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const { url, token } = JSON.parse(line) as { url: string; token: string }
  const put = { method: 'PUT', body: 'by hand', headers: { authorization: `Bearer ${token}` } }
  assert.ok([201, 204].includes((await answer(`${url}mine`, put)).status))
  const { body } = await answer(url + file)
  child.kill('SIGINT')
  assert.deepEqual(await exited, [0, null])
  return body
}

test('it makes ./pool and serves it; the next time it is the same pool', async (t) => {
  const directory = temporaryDirectory(t)
  assert.match(await startAndFetch(t, directory, 'README.md'), /^# Holdfast/)
  assert.ok(existsSync(join(directory, 'pool', 'meta.db')))
  const pool = join(directory, 'pool')
  assert.equal((await mustRun(['cat', pool, '/mine'])).text, 'by hand')
  await mustRun(['rm', pool, '/README.md'])
  assert.equal(await startAndFetch(t, directory, 'mine'), 'by hand')
  assert.equal((await holdfast(['stat', pool, '/README.md'])).code, 1)
})

test('a ./pool that is something else is left alone', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'pool', 'mine'), { recursive: true })
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', START], { cwd: directory })
  let errors = ''
  child.stderr.on('data', (part: Buffer) => (errors += part.toString()))
  assert.deepEqual(await once(child, 'close'), [1, null])
  assert.match(errors, /^holdfast: E[A-Z]+: .*pool/)
  assert.ok(existsSync(join(directory, 'pool', 'mine')))
})
