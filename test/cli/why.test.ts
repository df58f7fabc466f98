/** Who pins what: this process and others hold; the program says who, also to somebody who may only read the pool. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { File, FileHold, Holder, Pool } from '../../src/index.ts'
import { createPool } from '../../src/index.ts'
import { bucketOf } from '../../src/layout/format.ts'
import { ended, holdfast, mustJson, mustRun, startHoldfast, temporaryDirectory, until } from './run-holdfast.ts'

const BLOCK = 4096
const READER = join(import.meta.dirname, 'reader-main.ts')

async function poolWithFile(t: TestContext): Promise<{ path: string; pool: Pool; file: File }> {
  const path = join(temporaryDirectory(t), 'pool')
  const pool = await createPool(path, { sizeBytes: 16 << 20 })
  t.after(() => pool.close({ force: true }))
  await pool.writeFile('/file', Buffer.alloc(25 * BLOCK, 'held'))
  return { path, pool, file: await pool.open('/file', 'r+') }
}

const seen = ({ pid, kind, offset, length }: Holder): unknown[] => [pid, kind, offset, length]

test('promise 11: leases lists who has one, on what, and whether it was asked to let go', async (t) => {
  const { path, pool, file } = await poolWithFile(t)
  const { pid } = process
  assert.equal((await mustRun(['leases', path])).text, 'no leases\n')
  await using shared = await file.lease({ type: 'layout', offset: 10, length: 5000, onRecall: () => {} })
  assert.match(
    (await mustRun(['leases', path, '/file'])).text,
    new RegExp(`^ *PID +WHAT +OFFSET +LENGTH +AGE +FILE +COMMAND\\n *${pid} +lease +10 +5000 +[\\d.]+m?s +/file +\\S`),
  )
  const change = startHoldfast(['truncate', '-s', '0', path, '/file'])
  await until('the change asks', async () => (await pool.leases())[0].lease === 'recalled')
  const { leases } = await mustJson<{ leases: Holder[] }>(['leases', path])
  assert.deepEqual(
    leases.map((lease) => [seen(lease), lease.lease, lease.path]),
    [[[pid, 'lease', 10, 5000], 'recalled', '/file']],
  )
  assert.match((await mustRun(['leases', path])).text, /^ *\d+ +recalled lease +10 /m)
  await shared.release()
  assert.equal((await ended(change)).code, 0)

  await using _ = await file.lease({ type: 'layout', exclusive: true, onRecall: () => {} })
  assert.match((await mustRun(['leases', path])).text, /^ *\d+ +exclusive lease /m)
  const missing = await holdfast(['leases', path, '/missing'])
  assert.deepEqual([missing.code, missing.text], [1, ''])
  assert.match(missing.errors, /^holdfast: leases: ENOENT: /)
})

test('promise 11: why says on one screen what a truncate waits for: pins, leases, other changes, who has it open', async (t) => {
  const { path, pool, file } = await poolWithFile(t)
  const { pid } = process
  assert.match(
    (await mustRun(['why', path, '/file'])).text,
    /^\/file: inode \d+, size 100k\na truncate to 0: goes on at once\n/,
  )
  await pool.configure('/file', { busy: 'wait' })
  using pin = await file.pin({ offset: 8192, length: 5000, mode: 'read', stable: true })
  using late = await file.pin({ offset: 20 * BLOCK, length: BLOCK, mode: 'write' })
  await using lease = await file.lease({ type: 'layout', offset: 0, length: BLOCK, onRecall: () => {} })
  await file.truncate(20 * BLOCK, { busy: 'sequester' })
  const change = startHoldfast(['punch', path, '/file', '--offset', '8k', '--length', '4k'])
  await until('the change waits', () => pool.fileSystem.table.breakCount(bucketOf(file.ino)) > 0)

  const { text } = await mustRun(['why', path, '/file'])
  assert.match(
    text,
    /^\/file: inode \d+, size 80k\na truncate to 0: waits until 1 lease is .*, and until 2 pins are released\n4k have/,
  )
  assert.match(
    text,
    new RegExp(`^pins:\\n.*\\n *${pid} +stable read pin +8192 +5000 .*\\n *${pid} +write pin +81920 .* 4k `, 'm'),
  )
  assert.match(text, new RegExp(`^leases:\\n.*\\n *${pid} +lease +0 +4096 `, 'm'))
  assert.match(text, new RegExp(`^layout changes:\\n.*\\n *${change.pid} +waiting change +8192 +4096 .* punch `, 'm'))
  assert.match(text, new RegExp(`^open in:\\n.*\\n *${pid} +open file +/file `, 'm'))
  assert.match(text, new RegExp(`^lost\\+found:\\n.*\\n\\S+ +4k .* file at 81920 +pid ${pid} `, 'm'))
  assert.ok(text.split('\n').length < 35, 'one screen')

  const hold = await mustJson<FileHold>(['why', path, '/file'])
  assert.deepEqual([hold.exists, hold.inodes, hold.busy, hold.heldBackBytes], [true, [file.ino], 'wait', BLOCK])
  assert.deepEqual(hold.pins.map(seen), [
    [pid, 'pin', 8192, 5000],
    [pid, 'pin', 20 * BLOCK, BLOCK],
  ])
  assert.deepEqual(
    hold.changes.map((each) => [seen(each), each.state]),
    [[[change.pid, 'change', 8192, 4096], 'waiting']],
  )
  pin.release()
  late.release()
  await lease.release()
  assert.equal((await ended(change)).code, 0)
})

test('why knows of a file that is gone what lost+found has of it; a name that never was is ENOENT', async (t) => {
  const { path, pool, file } = await poolWithFile(t)
  using _ = await file.pin({ offset: 0, length: 10, mode: 'read' })
  await file.close()
  await pool.unlink('/file')
  const hold = await mustJson<FileHold>(['why', path, '/file'])
  assert.deepEqual([hold.exists, hold.inodes, hold.heldBackBytes], [false, [file.ino], BLOCK])
  assert.deepEqual(hold.pins.map(seen), [[process.pid, 'pin', 0, 10]])
  assert.deepEqual(
    hold.lostAndFound.map(({ originName, holders }) => [originName, holders[0].pid]),
    [['file', process.pid]],
  )
  const { text } = await mustRun(['why', path, '/file'])
  assert.match(text, new RegExp(`^/file: gone; it was inode ${file.ino}\\n4k have left it`))

  const [missing, directory] = await Promise.all([
    holdfast(['why', path, '/missing', '--json']),
    holdfast(['why', path, '/']),
  ])
  assert.deepEqual([missing.code, directory.code], [1, 1])
  assert.equal((JSON.parse(missing.errors) as { error: { code: string } }).error.code, 'ENOENT')
  assert.match(directory.errors, /^holdfast: why: EISDIR: /)
})

test('pins --watch looks each second until it is interrupted; with --json each look is a line', async (t) => {
  const { path, file } = await poolWithFile(t)
  const child = startHoldfast(['pins', path, '--watch', '--json'])
  const result = ended(child)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const nextPins = async (): Promise<number> => {
    const { time, pins } = JSON.parse((await lines.next()).value ?? '') as { time: string; pins: Holder[] }
    assert.ok(!Number.isNaN(Date.parse(time)))
    return pins.length
  }
  assert.equal(await nextPins(), 0)
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  await until('the pin is seen', async () => (await nextPins()) === 1)
  pin.release()
  await until('the release is seen', async () => (await nextPins()) === 0)
  child.kill('SIGINT')
  const { code, errors } = await result
  assert.deepEqual([code, errors], [130, ''])
})

test('pins --watch as text is one table after the other where there is no terminal', async (t) => {
  const { path, file } = await poolWithFile(t)
  using _ = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  const child = startHoldfast(['pins', path, '/file', '--watch'])
  let text = ''
  child.stdout.on('data', (chunk) => (text += String(chunk)))
  await until('two looks', () => text.split('pins: 1, pinned: 4k, held back: 0\n').length > 2)
  assert.match(text, /^[\d-]+ [\d:]+ {2}pins: .*\n *PID +WHAT .*\n *\d+ +read pin .*\n\n\d/)
  child.stdout.destroy()
  const code = await new Promise((resolve) => child.on('close', resolve))
  assert.equal(code, 141, 'a reader that goes away ends it')
})

test('leases, why and pins work for who may only read the pool', async (t) => {
  const { path, file } = await poolWithFile(t)
  await using _lease = await file.lease({ type: 'layout', offset: 0, length: BLOCK, onRecall: () => {} })
  using _pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read', longTerm: true })
  await file.truncate(BLOCK)
  chmodSync(join(path, '..'), 0o755)
  execFileSync('chmod', ['-R', 'go-w,go+rX', path])
  for (const [args, expected] of [
    [['leases', path], /^ *\d+ +lease +0 +4096 /m],
    [['pins', path, '/file'], /^ *\d+ +long-term read pin +0 +4096 /m],
    [['why', path, '/file'], /^\/file: inode[^]*^pins:\n[^]*^leases:\n[^]*^open in:\n/m],
  ] as const) {
    const { code, text, errors } = await holdfast(args, '', READER)
    assert.deepEqual([code, errors], [0, ''], args[0])
    assert.match(text, expected)
  }
})
