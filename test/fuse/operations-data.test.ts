/** Content through the mount's operations: reads without a copy, writes, holes, ranges, copies. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { operations } from '../../src/fuse/operations.ts'
import type { Reply } from '../../src/fuse/request.ts'
import { Opcode } from '../../src/fuse/wire/opcodes.ts'
import type { InodeNumber } from '../../src/units.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import { pattern, Requests, struct, u32, u64, Valid } from './requests.ts'

const O_WRONLY = 1
const O_RDWR = 2
const O_DSYNC = 0o10000
const O_APPEND = 0o2000
const O_TRUNC = 0o1000
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16
const TOO_FAR = 2n ** 62n

const fallocate = (handle: number, offset: number | bigint, length: number, mode: number): Buffer =>
  struct(u64(handle), u64(offset), u64(length), u32(mode), u32(0))
const lseek = (handle: number, offset: number, whence: number): Buffer =>
  struct(u64(handle), u64(offset), u32(whence), u32(0))

describe('a read', () => {
  test('gives the blocks themselves, claimed until the kernel has them, in one piece for each extent', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const content = pattern(3 * BLOCK + 17)
    await pool.writeFile('/f', content)
    const { nodeId } = await requests.lookup(1, 'f')
    const handle = await requests.open(nodeId, 0)
    const body = struct(u64(handle), u64(0), u32(1 << 20), u32(0), u64(0), u32(0), u32(0))
    const signal = new AbortController().signal
    const ask = (): unknown =>
      operations[Opcode.read]?.(requests.mounted, {
        opcode: Opcode.read,
        unique: 1n,
        nodeId: nodeId as InodeNumber,
        uid: 0,
        gid: 0,
        pid: 1,
        body,
        signal,
      })
    await requests.read(nodeId, handle, 0, 10)
    const reply = ask() as Reply
    assert.ok(!(reply instanceof Promise), 'what is known is answered at once')
    assert.deepEqual([reply.parts.length, reply.parts[0].length], [1, content.length])
    const seen = new Uint8Array(reply.parts[0].buffer, reply.parts[0].byteOffset, content.length)
    const other = await openedAgain(t, pool)
    await using writer = await other.open('/f', 'r+')
    await writer.write('changed', { position: 0 })
    assert.equal(Buffer.from(seen.subarray(0, 7)).toString(), 'changed', 'no copy was made')
    const holders = await other.why('/f')
    assert.ok(JSON.stringify(holders).includes('"copy"'), 'the claim stands until the reply is written')
    reply.done?.()
    assert.ok(!JSON.stringify(await other.why('/f')).includes('"copy"'))
  })

  test('ends at EOF, fills holes with zeros, and is empty behind the end, however far', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId, handle } = await requests.create(1, 'f')
    await requests.write(nodeId, handle, 3 * BLOCK, pattern(BLOCK + 5, 2))
    await requests.write(nodeId, handle, BLOCK, pattern(10))
    const expected = Buffer.alloc(4 * BLOCK + 5)
    pattern(10).copy(expected, BLOCK)
    pattern(BLOCK + 5, 2).copy(expected, 3 * BLOCK)
    assert.deepEqual(await requests.read(nodeId, handle, 0, 1 << 20), expected)
    assert.deepEqual(await requests.read(nodeId, handle, BLOCK + 3, 9000), expected.subarray(BLOCK + 3, BLOCK + 9003))
    assert.deepEqual(await requests.read(nodeId, handle, 4 * BLOCK, 4096), expected.subarray(4 * BLOCK))
    assert.equal((await requests.read(nodeId, handle, 4 * BLOCK + 5, 4096)).length, 0)
    assert.equal((await requests.read(nodeId, handle, TOO_FAR, 4096)).length, 0)
  })

  test('sees at once what another participant has written, grown and cut', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const other = await openedAgain(t, pool)
    const { nodeId, handle } = await requests.create(1, 'f')
    assert.equal((await requests.read(nodeId, handle, 0, 100)).length, 0)
    await other.writeFile('/f', 'longer than nothing')
    assert.equal((await requests.read(nodeId, handle, 0, 100)).toString(), 'longer than nothing')
    assert.equal((await requests.getattr(nodeId)).size, 19)
    await other.truncate('/f', 6)
    assert.equal((await requests.read(nodeId, handle, 0, 100)).toString(), 'longer')
    await other.truncate('/f', 9)
    assert.equal((await requests.read(nodeId, handle, 0, 100)).toString(), 'longer\0\0\0')
  })

  test('of a pool that is open for reading only gets a copy', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/f', 'content')
    const requests = new Requests(t, await openedAgain(t, pool, { readOnly: true }))
    const { nodeId } = await requests.lookup(1, 'f')
    const handle = await requests.open(nodeId, 0)
    assert.equal((await requests.read(nodeId, handle, 3, 100)).toString(), 'tent')
    await requests.refuses('EROFS', 'unlink', 1, struct(['text', 'f']))
  })
})

describe('a write', () => {
  test('appends where the end is now, whatever offset the kernel believes in', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const { nodeId, handle } = await requests.create(1, 'f', { flags: O_WRONLY | O_APPEND })
    await requests.write(nodeId, handle, 0, 'one ', { flags: O_WRONLY | O_APPEND })
    await using other = await (await openedAgain(t, pool)).open('/f', 'a')
    await other.write('two ')
    await requests.write(nodeId, handle, 4, 'three', { flags: O_WRONLY | O_APPEND })
    assert.equal(await pool.readFile('/f', 'utf8'), 'one two three')
  })

  test('in place is seen in the times of the next stat', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.writeFile('/f', 'content')
    await pool.utimes('/f', 1, 1)
    const { nodeId, mtimeNs } = await requests.lookup(1, 'f')
    assert.equal(mtimeNs, 1_000_000_000n)
    const handle = await requests.open(nodeId)
    await requests.write(nodeId, handle, 0, 'C')
    const after = await requests.getattr(nodeId)
    assert.ok(after.mtimeNs > mtimeNs && after.ctimeNs === after.mtimeNs)
    await requests.write(nodeId, handle, 0, 'c')
    await requests.setattr(nodeId, { valid: Valid.mtime, mtime: [5, 6] })
    assert.equal((await requests.getattr(nodeId)).mtimeNs, 5_000_000_006n, 'what was set last counts')
  })

  test('through a shared mapping neither grows the file nor fails when it has become shorter', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const { nodeId, handle } = await requests.create(1, 'f')
    await requests.write(nodeId, handle, 0, pattern(BLOCK + 100))
    const page = Buffer.alloc(BLOCK, 'm')
    assert.equal(await requests.write(nodeId, handle, BLOCK, page, { writeFlags: 1 }), BLOCK)
    await pool.truncate('/f', 50)
    assert.equal(await requests.write(nodeId, handle, BLOCK, page, { writeFlags: 1 }), BLOCK)
    assert.equal((await requests.getattr(nodeId)).size, 50)
  })

  test('beyond 2^53 - 1 is EFBIG', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId, handle } = await requests.create(1, 'f')
    await assert.rejects(requests.write(nodeId, handle, TOO_FAR, 'x'), { code: 'EFBIG' })
    await assert.rejects(requests.write(nodeId, handle, Number.MAX_SAFE_INTEGER, 'x'), { code: 'EFBIG' })
    await assert.rejects(requests.setattr(nodeId, { valid: Valid.size, size: TOO_FAR }), { code: 'EFBIG' })
    await requests.refuses('EFBIG', 'fallocate', nodeId, fallocate(handle, TOO_FAR, BLOCK, 0))
    const { size } = await requests.setattr(nodeId, { valid: Valid.size, size: Number.MAX_SAFE_INTEGER })
    assert.equal(size, Number.MAX_SAFE_INTEGER)
  })

  test('into blocks that a stable pin holds leaves them what they are', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.writeFile('/f', pattern(BLOCK))
    await using file = await (await openedAgain(t, pool)).open('/f')
    using pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read', stable: true })
    const { nodeId } = await requests.lookup(1, 'f')
    const handle = await requests.open(nodeId)
    await requests.write(nodeId, handle, 0, 'changed')
    assert.equal((await requests.read(nodeId, handle, 0, 7)).toString(), 'changed')
    assert.deepEqual(Buffer.from(pin.buffer), pattern(BLOCK))
  })

  test('stops where space ends, and the next one says so', async (t) => {
    const requests = new Requests(t, await temporaryPool(t, { sizeBytes: 1 << 20 }))
    const { nodeId, handle } = await requests.create(1, 'f')
    let written = 0
    await assert.rejects(
      async () => {
        for (;;) written += await requests.write(nodeId, handle, written, pattern(64 << 10))
      },
      { code: 'ENOSPC' },
    )
    assert.equal((await requests.getattr(nodeId)).size, written)
  })

  test('that is larger than what is left stores what there is room for', async (t) => {
    const pool = await temporaryPool(t, { sizeBytes: 1 << 20 })
    const requests = new Requests(t, pool)
    const { nodeId, handle } = await requests.create(1, 'f')
    const content = pattern(1 << 20)
    let written = 0
    await assert.rejects(
      async () => {
        for (;;) written += await requests.write(nodeId, handle, written, content.subarray(written))
      },
      { code: 'ENOSPC' },
    )
    assert.ok((await pool.stats()).availableBytes < BLOCK)
    assert.deepEqual(await pool.readFile('/f'), content.subarray(0, written))
  })
})

describe('a range', () => {
  test('is allocated, punched and zeroed, and holes are found', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId, handle } = await requests.create(1, 'f')
    await requests.ask('fallocate', nodeId, fallocate(handle, 0, 2 * BLOCK, KEEP_SIZE))
    assert.deepEqual([(await requests.getattr(nodeId)).size, (await requests.getattr(nodeId)).blocks], [0, 16])
    await requests.ask('fallocate', nodeId, fallocate(handle, 0, 4 * BLOCK, 0))
    assert.equal((await requests.getattr(nodeId)).size, 4 * BLOCK)
    await requests.write(nodeId, handle, 0, pattern(4 * BLOCK))
    await requests.ask('fallocate', nodeId, fallocate(handle, BLOCK, BLOCK, KEEP_SIZE | PUNCH_HOLE))
    await requests.ask('fallocate', nodeId, fallocate(handle, 3 * BLOCK, 3 * BLOCK, ZERO_RANGE))
    const expected = Buffer.concat([pattern(4 * BLOCK), Buffer.alloc(2 * BLOCK)])
    expected.fill(0, BLOCK, 2 * BLOCK).fill(0, 3 * BLOCK)
    assert.deepEqual(await requests.read(nodeId, handle, 0, 1 << 20), expected)
    const found = async (offset: number, whence: number): Promise<number> =>
      Number((await requests.ask('lseek', nodeId, lseek(handle, offset, whence))).readBigUInt64LE(0))
    assert.deepEqual(
      [await found(10, 4), await found(BLOCK, 3), await found(2 * BLOCK, 4)],
      [BLOCK, 2 * BLOCK, 6 * BLOCK],
    )
    await requests.refuses('ENXIO', 'lseek', nodeId, lseek(handle, 6 * BLOCK, 3))
    await requests.refuses('EOPNOTSUPP', 'fallocate', nodeId, fallocate(handle, 0, BLOCK, 8))
    await requests.refuses('EOPNOTSUPP', 'fallocate', nodeId, fallocate(handle, 0, BLOCK, PUNCH_HOLE))
  })

  test('is copied from file to file, holes as holes', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const from = await requests.create(1, 'from')
    const to = await requests.create(1, 'to')
    await requests.write(from.nodeId, from.handle, 0, pattern(BLOCK))
    await requests.write(from.nodeId, from.handle, 9 * BLOCK, pattern(BLOCK, 3))
    const copy = (length: number): Buffer =>
      struct(u64(from.handle), u64(0), u64(to.nodeId), u64(to.handle), u64(0), u64(length), u64(0))
    const copied = await requests.ask('copyFileRange', from.nodeId, copy(1 << 30))
    assert.equal(copied.readUInt32LE(0), 10 * BLOCK)
    assert.deepEqual(await pool.readFile('/to'), await pool.readFile('/from'))
    // What was allocated ahead goes back with the last close.
    await requests.release(to.nodeId, to.handle)
    assert.equal((await requests.getattr(to.nodeId)).blocks, 16)
  })
})

test('what is opened with O_DSYNC is durable after a write, a copy and an allocation', async (t) => {
  const requests = new Requests(t, await temporaryPool(t))
  const { nodeId, handle } = await requests.create(1, 'f', { flags: O_RDWR | O_DSYNC })
  const plain = await requests.open(nodeId, O_RDWR)
  const syncs = t.mock.method(requests.mounted.fs.metadata, 'sync')
  const copy = (to: number): Buffer => struct(u64(plain), u64(0), u64(nodeId), u64(to), u64(BLOCK), u64(BLOCK), u64(0))
  const steps: ((to: number, flags: number) => Promise<unknown>)[] = [
    (to, flags) => requests.write(nodeId, to, 0, pattern(BLOCK), { flags }),
    (to) => requests.ask('copyFileRange', nodeId, copy(to)),
    (to) => requests.ask('fallocate', nodeId, fallocate(to, 0, 3 * BLOCK, 0)),
    (to) => requests.ask('fallocate', nodeId, fallocate(to, 0, BLOCK, KEEP_SIZE | PUNCH_HOLE)),
  ]
  for (const step of steps) {
    syncs.mock.resetCalls()
    await step(plain, O_RDWR)
    assert.equal(syncs.mock.callCount(), 0)
    await step(handle, O_RDWR | O_DSYNC)
    assert.equal(syncs.mock.callCount(), 1)
  }
})

test('open with O_TRUNC empties the file, and setattr sets sizes both ways', async (t) => {
  const pool = await temporaryPool(t)
  const requests = new Requests(t, pool)
  await pool.writeFile('/f', pattern(5000))
  const { nodeId } = await requests.lookup(1, 'f')
  assert.equal((await requests.setattr(nodeId, { valid: Valid.size, size: 6000 })).size, 6000)
  const cut = await requests.setattr(nodeId, { valid: Valid.size, size: 100 })
  assert.deepEqual([cut.size, cut.blocks], [100, 8])
  const handle = await requests.open(nodeId, 2 | O_TRUNC)
  assert.equal((await requests.getattr(nodeId)).size, 0)
  await requests.write(nodeId, handle, 0, 'new')
  const grown = await requests.setattr(nodeId, { valid: Valid.size | Valid.handle, handle, size: 5 })
  assert.equal(grown.size, 5)
  assert.equal(await pool.readFile('/f', 'utf8'), 'new\0\0')
})
