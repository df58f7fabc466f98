/** dump and load as programs: pipes, files, exit codes, and what an interruption leaves. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { ended, holdfast, mustJson, mustRun, startHoldfast, until } from './run-holdfast.ts'

async function smallPool(t: TestContext): Promise<{ directory: string; path: string }> {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'pool')
  await using pool = await createPool(path, { sizeBytes: 32 << 20 })
  await pool.mkdir('/logs')
  await pool.writeFile('/logs/today', 'a line\n')
  await pool.writeFile('/long', Buffer.alloc(20 << 20, 'long '))
  return { directory, path }
}

test('a dump goes through a pipe or a file, and becomes the pool again', async (t) => {
  const { directory, path } = await smallPool(t)
  const piped = await mustRun(['dump', path])
  const [copy, second] = [join(directory, 'copy'), join(directory, 'second')]
  assert.equal((await mustRun(['load', '-', copy], piped.output)).text, `${copy}: 32M, 2 files\n`)
  const file = join(directory, 'pool.tar')
  const tally = await mustJson<Record<string, unknown>>(['dump', path, file])
  assert.deepEqual([tally['hostFile'], tally['files'], tally['directories'], tally['gone']], [file, 2, 2, 0])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const loaded = await mustJson<Record<string, unknown>>(['load', file, second, '--size', '64M'])
  assert.deepEqual([loaded['path'], loaded['sizeBytes'], loaded['files']], [second, 64 << 20, 2])
  for (const pool of [copy, second]) assert.equal((await mustRun(['cat', pool, '/logs/today'])).text, 'a line\n')
  assert.equal((await mustRun(['dump', path, directory])).text, `${join(directory, 'pool.tar')}: 2 files, 20M\n`)
  const { code, errors } = await holdfast(['load', file, copy])
  assert.deepEqual([code, /EEXIST/.test(errors)], [1, true])
  const mistake = await holdfast(['load', file, join(directory, 'x'), '--size', '1000'])
  assert.equal(mistake.code, 2, mistake.errors)
  const inside = await holdfast(['dump', path, join(path, 'pool.tar')])
  assert.equal(inside.code, 2)
})

test('what is in /lost+found is left out, with a warning', async (t) => {
  const { directory, path } = await smallPool(t)
  await using pool = await openPool(path)
  await using file = await pool.open('/long', 'r+')
  using _pin = await file.pin({ offset: 0, length: 4096, mode: 'read' })
  await file.truncate(0, { busy: 'sequester' })
  const { code, errors, text } = await holdfast(['dump', path, join(directory, 'pool.tar'), '--json'])
  const message = 'left out: 1 file; move elsewhere what is to be kept'
  assert.deepEqual([code, JSON.parse(errors)], [0, { warning: { message, path: '/lost+found' } }])
  const { files, lost } = JSON.parse(text) as { files: number; lost: number }
  assert.deepEqual([files, lost], [2, 1])
})

test('a damaged archive leaves nothing, and says what is wrong with it', async (t) => {
  const { directory, path } = await smallPool(t)
  const file = join(directory, 'pool.tar')
  await mustRun(['dump', path, file])
  const archive = readFileSync(file)
  archive[10 << 20] ^= 1
  writeFileSync(file, archive)
  const { code, errors } = await holdfast(['load', file, join(directory, 'copy'), '--json'])
  assert.equal(code, 1)
  assert.equal((JSON.parse(errors) as { error: { code: string } }).error.code, 'EBADMSG')
  assert.deepEqual(readdirSync(directory).toSorted(), ['pool', 'pool.tar'])
})

test('Ctrl-C during either of the two leaves no half of anything, and 130', async (t) => {
  const { directory, path } = await smallPool(t)
  const file = join(directory, 'pool.tar')
  await mustRun(['dump', path, file])
  const archive = readFileSync(file)
  const loading = startHoldfast(['load', '-', join(directory, 'copy')])
  const end = ended(loading)
  // Not to its end: it waits for the rest.
  loading.stdin.on('error', () => {})
  loading.stdin.write(archive.subarray(0, 5 << 20))
  await until('something is made', () => readdirSync(directory).some((name) => name.startsWith('.holdfast-')))
  loading.kill('SIGINT')
  const { code, errors } = await end
  assert.deepEqual([code, errors], [130, 'holdfast: load: interrupted; nothing has changed\n'])
  assert.deepEqual(readdirSync(directory).toSorted(), ['pool', 'pool.tar'])

  // Somebody keeps it from going on.
  await using pool = await openPool(path)
  await using busy = await pool.open('/long', 'r+')
  using _pin = await busy.pin({ offset: 0, length: 1, mode: 'write' })
  const before = statSync(file).ino
  const dumping = startHoldfast(['dump', path, file])
  const dumped = ended(dumping)
  await until('something is made', () => readdirSync(directory).some((name) => name.startsWith('.holdfast-')))
  dumping.kill('SIGINT')
  assert.equal((await dumped).code, 130)
  assert.deepEqual([statSync(file).ino, existsSync(file)], [before, true], 'the archive before is still there')
  assert.deepEqual(readdirSync(directory).toSorted(), ['pool', 'pool.tar'])
})

test('a reader that goes away ends a dump without a word', async (t) => {
  const { path } = await smallPool(t)
  const dumping = startHoldfast(['dump', path])
  const { promise, resolve } = Promise.withResolvers<number | null>()
  dumping.on('close', resolve)
  let errors = ''
  dumping.stderr.on('data', (text) => (errors += String(text)))
  dumping.stdout.once('data', () => dumping.stdout.destroy())
  assert.deepEqual([await promise, errors], [141, ''])
})
