/** `fsck`: what it says, asks and ends with. What it finds and repairs: test/pool/fsck.test.ts. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import { LockByte, poolDirectory } from '../../src/pool/pool-directory.ts'
import { SharedTable } from '../../src/pool/shared-table.ts'
import { ended, holdfast, mustRun, startHoldfast, temporaryDirectory, until } from './run-holdfast.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const stepsOfProgress = join(import.meta.dirname, 'steps-of-progress.ts')

async function soundPool(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'pool')
  await using pool = await createPool(path, { sizeBytes: 4 << 20 })
  await pool.writeFile('/file', Buffer.alloc(10_000, 1))
  return path
}

function miscount(path: string): void {
  const db = new DatabaseSync(join(path, 'meta.db'))
  db.exec('PRAGMA foreign_keys = OFF; UPDATE inodes SET blocks = blocks + 7 WHERE size = 10000')
  db.close()
}

async function damagedPool(t: TestContext): Promise<string> {
  const path = await soundPool(t)
  miscount(path)
  return path
}

const codeOf = async (...args: string[]): Promise<number | null> => (await holdfast(['fsck', ...args])).code

test('-n ends with 0 for a sound pool and with 4 and the findings for a damaged one, which it leaves as it is', async (t) => {
  const path = await soundPool(t)
  assert.equal((await mustRun(['fsck', '-n', path])).text, `${path}: sound\n`)
  miscount(path)
  for (let time = 0; time < 2; time++) {
    const [text, json] = await Promise.all([holdfast(['fsck', '-n', path]), holdfast(['fsck', '-n', path, '--json'])])
    assert.deepEqual([text.code, json.code], [4, 4])
    assert.match(text.text, /^inode-blocks: inode \d+ says 10 blocks and has 3\n.*: 1 error\n$/s)
    const { isSound, isRepaired, findings, repairs, left } = JSON.parse(json.text) as Record<string, unknown>
    assert.deepEqual([isSound, isRepaired, repairs], [false, false, []])
    assert.deepEqual(findings, left)
    assert.equal((findings as { code: string }[])[0].code, 'inode-blocks')
  }
})

test('-y ends with 1 when all is repaired, the next run with 0', async (t) => {
  const path = await damagedPool(t)
  truncateSync(join(path, 'device'), 4096)
  const short = await holdfast(['fsck', '-n', path])
  assert.equal(short.code, 4, 'damage that keeps the pool from being opened is a finding, too')
  assert.match(short.text, /^device-size: /)
  const repaired = await holdfast(['fsck', '-y', path])
  assert.equal(repaired.code, 1)
  assert.match(repaired.text, /repaired: .*2 errors, all repaired\n$/s)
  for (const flag of ['-n', '-y', '--online'])
    assert.equal((await mustRun(['fsck', flag, path])).text, `${path}: sound\n`)
  miscount(path)
  const json = JSON.parse((await holdfast(['fsck', '-y', path, '--json'])).text) as Record<string, unknown[]>
  assert.deepEqual(
    [json['isRepaired'], json['findings'].length, json['repairs'].length, json['left']],
    [true, 1, 1, []],
  )
})

test('--online looks at a pool in use and changes nothing, -n does too, -y ends with 8 beside others', async (t) => {
  const path = await soundPool(t)
  await using pool = await openPool(path)
  assert.deepEqual([await codeOf('--online', path), await codeOf('-n', path), await codeOf('-y', path)], [0, 0, 8])
  miscount(path)
  assert.deepEqual([await codeOf('--online', path), await codeOf('-n', path), await codeOf('-y', path)], [4, 4, 8])
  assert.equal((await pool.check()).length, 1)
})

test('what cannot be checked ends with 8, what is typed wrong with 16', async (t) => {
  const path = await soundPool(t)
  assert.equal(await codeOf('-n', `${path}-none`), 8)
  assert.equal(await codeOf(path), 16, 'without a terminal there is nobody to ask')
  assert.equal(await codeOf('-n', '-y', path), 16)
  assert.equal(await codeOf('-y', '--online', path), 16)
  assert.equal(await codeOf('-n'), 16)
})

test('an interruption ends it with 32, also while it waits for somebody who opens the pool', async (t) => {
  const path = await damagedPool(t)
  const table = new SharedTable(poolDirectory(path))
  t.after(() => table.close())
  const opening = table.lock(LockByte.opening)
  assert.ok(opening.tryLock())
  const child = startHoldfast(['fsck', '-y', path])
  const end = ended(child)
  child.stdin.end()
  // It listens once it has loaded what it needs.
  await until('it waits', () => hasOpen(child.pid, 'pins/table'))
  child.kill('SIGINT')
  const { code, errors } = await end
  assert.equal(code, 32, errors)
  assert.match(errors, /nothing has changed/)
  opening.unlock()
  assert.equal(await codeOf('-n', path), 4)
})

function hasOpen(pid: number | undefined, file: string): boolean {
  const { stdout } = spawnSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' })
  return stdout.includes(file)
}

/** Runs a program on a terminal of its own; `answer` is typed once it has said `after`. */
async function onTerminal(
  args: readonly string[],
  after?: RegExp,
  answer?: string,
): Promise<{ code: number | null; text: string }> {
  // exec: a shell in between, as dash is, would get Ctrl-C as well, and die of it.
  const command = `exec ${[process.execPath, ...args].map((word) => `'${word}'`).join(' ')}`
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'], timeout: 30_000 })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    const isNew = after?.test(text) !== true
    text += piece
    if (isNew && after?.test(text) === true && answer !== undefined) child.stdin.write(answer)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, text }
}

const hasTerminals = spawnSync('script', ['--version']).status === 0
const skip = hasTerminals ? false : 'there is no script(1)'

test('on a terminal it asks before it changes anything', { skip }, async (t) => {
  const path = await damagedPool(t)
  const ask = (answer: string): ReturnType<typeof onTerminal> =>
    onTerminal([main, 'fsck', path], /Make this repair\? \[y\/N\] $/, answer)
  for (const [answer, code] of [
    ['n\n', 4],
    ['\n', 4],
    ['\u0004', 4],
    ['\u0003', 32],
  ] as const) {
    const asked = await ask(answer)
    assert.equal(asked.code, code, `${JSON.stringify(answer)}: ${asked.text}`)
    assert.equal(await codeOf('-n', path), 4, 'nothing is changed')
  }
  const { code, text } = await ask('y\n')
  assert.equal(code, 1, text)
  assert.match(text, /1 error, all repaired/)
  assert.equal(await codeOf('-n', path), 0)
})

test('on a terminal, what takes more than a second shows how far it is', { skip }, async () => {
  const { text } = await onTerminal([stepsOfProgress])
  assert.ok(text.includes('fsck  2 of 3: second'), text)
  assert.ok(!text.includes('first'), 'not at once')
  assert.ok(text.endsWith('\r\u001B[K'), 'and takes it back')
})
