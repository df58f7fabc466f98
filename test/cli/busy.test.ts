/** This process holds pins; the program is the other one. */
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { File, Holder, Pool } from '../../src/index.ts'
import { createPool } from '../../src/index.ts'
import { bucketOf } from '../../src/layout/format.ts'
import { tryLock } from '../../src/platform/file-lock.ts'
import { ended, holdfast, mustJson, mustRun, startHoldfast, temporaryDirectory, until } from './run-holdfast.ts'

const CONTENT = Buffer.alloc(100_000, 'held')

async function poolWithFile(t: TestContext): Promise<{ path: string; pool: Pool; file: File }> {
  const path = join(temporaryDirectory(t), 'pool')
  const pool = await createPool(path, { sizeBytes: 16 << 20 })
  t.after(() => pool.close({ force: true }))
  await pool.writeFile('/file', CONTENT)
  return { path, pool, file: await pool.open('/file', 'r+') }
}

/** Until another process has a change of the file under way. */
const untilBreak = ({ fileSystem: { table } }: Pool, { ino }: File): Promise<void> =>
  until('a break of the file', () => table.breakCount(bucketOf(ino)) > 0)

interface ErrorJson {
  error: { code: string; message: string; syscall: string; path: string; holders: Holder[] }
}

test('promise 11: EBUSY lists the holders, readable and as JSON, and the file is unchanged', async (t) => {
  const { path, pool, file } = await poolWithFile(t)
  using _ = await file.pin({ offset: 8192, length: 5000, mode: 'read' })
  const [text, json] = await Promise.all([
    holdfast(['truncate', '-s', '0', path, '/file', '--busy', 'fail']),
    holdfast(['truncate', '-s', '0', path, '/file', '--busy', 'fail', '--json']),
  ])
  assert.deepEqual([text.code, json.code, text.text, json.text], [1, 1, '', ''])
  const [message, held, titles, holder, end] = text.errors.split('\n')
  assert.match(message, /^holdfast: truncate: EBUSY: .* '\/file'$/)
  assert.equal(held, 'held by:')
  assert.match(titles, /^ *PID +WHAT +OFFSET +LENGTH +AGE +FILE +COMMAND$/)
  assert.match(holder, new RegExp(`^ *${process.pid} +read pin +8192 +5000 +[\\d.]+m?s +/file +\\S.*node`))
  assert.equal(end, '')

  const { error } = JSON.parse(json.errors) as ErrorJson
  assert.deepEqual([error.code, error.syscall, error.path, error.holders.length], ['EBUSY', 'ftruncate', '/file', 1])
  const { pid, kind, mode, offset, length, path: heldPath } = error.holders[0]
  assert.deepEqual([pid, kind, mode, offset, length, heldPath], [process.pid, 'pin', 'read', 8192, 5000, '/file'])

  const { pins } = await mustJson<{ pins: Holder[] }>(['pins', path, '/file'])
  assert.deepEqual(
    pins.map((pin) => [pin.pid, pin.offset]),
    [[process.pid, 8192]],
  )
  assert.deepEqual(await pool.readFile('/file'), CONTENT)
})

test('promise 4: a wait ends with its time, 1 and the holders', async (t) => {
  const { path, file } = await poolWithFile(t)
  using _ = await file.pin({ offset: 0, length: 1, mode: 'write' })
  for (const [verb, ...args] of [['truncate', '-s', '0', '--busy', 'wait'], ['flush-dma']]) {
    const { code, errors } = await holdfast([verb, path, '/file', ...args, '--timeout', '50ms', '--json'])
    const { error } = JSON.parse(errors) as ErrorJson
    assert.deepEqual([code, error.code, error.holders[0].pid], [1, 'ETIMEDOUT', process.pid])
  }
})

test('Ctrl-C ends a wait with 130, SIGTERM with 143, and the file is unchanged', async (t) => {
  const { path, pool, file } = await poolWithFile(t)
  using pin = await file.pin({ offset: 0, length: 4096, mode: 'read' })
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const child = startHoldfast(['truncate', '-s', '0', path, '/file', '--busy', 'wait'])
    await untilBreak(pool, file)
    child.kill(signal)
    const { code, errors } = await ended(child)
    assert.deepEqual([code, errors], [expected, 'holdfast: truncate: interrupted; nothing has changed\n'])
    assert.equal(pool.fileSystem.table.breakCount(bucketOf(file.ino)), 0, 'the pool was closed properly')
  }
  assert.deepEqual(await pool.readFile('/file'), CONTENT)

  const child = startHoldfast(['truncate', '-s', '0', path, '/file', '--busy', 'wait'])
  await untilBreak(pool, file)
  pin.release()
  assert.equal((await ended(child)).code, 0)
  assert.equal((await pool.stat('/file')).size, 0)
})

test('an interrupted put leaves what was there, and nothing else', async (t) => {
  const { path, pool, file } = await poolWithFile(t)
  const child = startHoldfast(['put', path, '-', '/file'])
  child.stdin.on('error', () => {})
  child.stdin.write(Buffer.alloc(1 << 20))
  const { usedBytes } = await pool.stats()
  await until('the copy has begun', async () => (await pool.stats()).usedBytes > usedBytes)
  assert.deepEqual(await pool.readdir('/'), ['file', 'lost+found'], 'nobody sees it before it is whole')
  child.kill('SIGINT')
  assert.equal((await ended(child)).code, 130)

  // The other place where it can be interrupted: before the rename, waiting for who has the old file pinned.
  using _ = await file.pin({ offset: 0, length: 4096, mode: 'read' })
  const waiting = startHoldfast(['put', path, '-', '/file', '--busy', 'wait'])
  waiting.stdin.end('new')
  await untilBreak(pool, file)
  waiting.kill('SIGINT')
  assert.equal((await ended(waiting)).code, 130)

  assert.deepEqual(await pool.readFile('/file'), CONTENT)
  assert.deepEqual(await pool.readdir('/'), ['file', 'lost+found'])
})

test('Ctrl-C works while another process keeps the pool from being opened', async (t) => {
  const { path } = await poolWithFile(t)
  const fd = openSync(join(path, 'pins', 'table'), 'r+')
  t.after(() => closeSync(fd))
  assert.ok(tryLock(fd, 0, 'exclusive'))
  const child = startHoldfast(['ls', path])
  const opened = (): string[] =>
    readdirSync(`/proc/${child.pid}/fd`).map((name) => linkOf(`/proc/${child.pid}/fd/${name}`))
  await until('the program is opening the pool', () => opened().some((name) => name.endsWith('pins/table')))
  child.kill('SIGINT')
  assert.equal((await ended(child)).code, 130)
})

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

test('a reader that goes away ends the program without a word', async (t) => {
  const { path, pool } = await poolWithFile(t)
  await pool.writeFile('/large', Buffer.alloc(8 << 20))
  const child = startHoldfast(['cat', path, '/large'])
  child.stdout.once('data', () => child.stdout.destroy())
  const { code, errors } = await new Promise<{ code: number | null; errors: string }>((resolve) => {
    let text = ''
    child.stderr.on('data', (chunk) => (text += String(chunk)))
    child.on('close', (status) => resolve({ code: status, errors: text }))
  })
  assert.deepEqual([code, errors], [141, ''])
})

test('lost+found is listed with its holders, read, and reclaimed when idle', async (t) => {
  const { path, file } = await poolWithFile(t)
  using pin = await file.pin({ offset: 4096, length: 4096, mode: 'write' })
  const late = Buffer.alloc(4096, 'late')
  await mustRun(['truncate', '-s', '0', path, '/file'])
  pin.buffer.set(late)

  const { files } = await mustJson<{ files: { name: string; originName: string; holders: Holder[] }[] }>([
    'lost+found',
    'ls',
    path,
  ])
  assert.deepEqual(
    files.map(({ originName, holders }) => [originName, holders[0].pid]),
    [['file', process.pid]],
  )
  const [{ name }] = files
  assert.match(
    (await mustRun(['lost+found', 'ls', path])).text,
    new RegExp(`^${name} +4k .* file at 4096 +pid ${process.pid} `, 'm'),
  )
  assert.deepEqual((await mustRun(['lost+found', 'cat', path, name])).output, late)

  const busy = await holdfast(['lost+found', 'reclaim', path, name, '--json'])
  assert.deepEqual([busy.code, (JSON.parse(busy.errors) as ErrorJson).error.code], [1, 'EBUSY'])
  pin.release()
  await mustRun(['lost+found', 'reclaim', path, name])
  assert.equal((await mustRun(['lost+found', 'ls', path])).text, 'nothing in lost+found\n')
})
