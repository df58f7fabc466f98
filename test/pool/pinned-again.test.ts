/** Pins of ranges that were pinned before: what is kept of a range says what its file says, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { File, PinOptions, Pool } from '../../src/index.ts'
import { BreakState } from '../../src/layout/format.ts'
import type { PinTable } from '../../src/layout/pin-table.ts'
import type { InodeNumber } from '../../src/units.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const filled = (byte: number, length = BLOCK): Buffer => Buffer.alloc(length, byte)

const firstByte = (file: File, offset: number, length = BLOCK): number => {
  using pin = file.pinSync({ offset, length, mode: 'read', revocable: false })
  assert.equal(pin.buffer.length, length)
  return pin.buffer[0]
}

test('pins of one range that are not revocable have one view; those of other ranges and revocable ones have their own', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  await file.write(filled(1, 4 * BLOCK))
  const range = { offset: BLOCK, length: BLOCK, mode: 'read', revocable: false } as const
  using one = file.pinSync(range)
  using two = await file.pin(range)
  using written = file.pinSync({ ...range, mode: 'write' })
  using longer = file.pinSync({ ...range, length: BLOCK + 1 })
  assert.ok(two.buffer === one.buffer)
  assert.ok(written.buffer === one.buffer)
  assert.ok(two.buffers.length === 1 && two.buffers[0] === one.buffer)
  assert.equal(longer.buffer.length, BLOCK + 1)
  using again = file.pinSync(range)
  const revocable = file.pinSync({ ...range, revocable: true })
  const view = revocable.buffer
  assert.ok(view !== one.buffer && view !== again.buffer)
  revocable.release()
  assert.deepEqual([view.length, one.buffer.length, again.buffer.length], [0, BLOCK, BLOCK])
  two.release()
  assert.equal(one.buffer[0], 1, 'the release of one leaves the view of the other')
})

test('promise 2: a range pinned before is pinned where its blocks are now, after a change here or by another participant', async (t) => {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await using file = await pool.open('/file', 'w+')
  await file.write(filled(1, 4 * BLOCK))
  await using elsewhere = await other.open('/file', 'r+')
  for (const [byte, changing] of [file, elsewhere].entries()) {
    assert.equal(firstByte(file, BLOCK), byte + 1)
    // Pinned, so that the hole gets other blocks when it is written.
    using held = file.pinSync({ offset: BLOCK, length: BLOCK, mode: 'read', revocable: false })
    await changing.punchHole(BLOCK, BLOCK)
    await changing.write(filled(byte + 2), { position: BLOCK })
    assert.equal(firstByte(file, BLOCK), byte + 2)
    assert.equal(held.buffer[0], byte + 1)
  }
})

test('a range that is not in the file any more is refused although it was pinned before', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  await file.write(filled(1, 4 * BLOCK))
  assert.equal(firstByte(file, 2 * BLOCK), 1)
  await file.truncate(2 * BLOCK)
  assert.throws(() => firstByte(file, 2 * BLOCK), { code: 'ERANGE' })
  await file.truncate(4 * BLOCK)
  assert.equal(firstByte(file, 2 * BLOCK), 0, 'a hole')
})

test('ranges that meet in one place, and those beyond 2 GiB, keep apart', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  const offsets = [0, 1021, 2 * 1021, 2 ** 19 + 1021, 2 ** 19 + 2 * 1021].map((block) => block * BLOCK)
  await file.truncate(2 ** 32)
  for (const [index, offset] of offsets.entries()) await file.write(filled(index + 1), { position: offset })
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(
      offsets.map((offset) => firstByte(file, offset)),
      offsets.map((_, index) => index + 1),
    )
  }
})

const refused: readonly [why: string, code: string, change: (file: File, pool: Pool) => unknown, asked?: object][] = [
  ['of a file cut in its last block', 'ERANGE', (file) => file.truncate(2 * BLOCK - 1)],
  ['of a file without direct access any more', 'EAGAIN', (file) => file.configure({ dax: 'never' })],
  ['of a closed file', 'EBADF', (file) => file.close()],
  ['under a break', 'EAGAIN', (file, { fileSystem: { table } }) => breakOf(table, file.ino)],
  ['and asked for with a BigInt', 'ERR_INVALID_ARG_TYPE', () => {}, { offset: BigInt(BLOCK) }],
  ['and asked for with a text', 'ERR_INVALID_ARG_TYPE', () => {}, { offset: String(BLOCK) }],
  ['and asked for as a stable pin', 'EAGAIN', () => {}, { stable: true }],
  ['and asked for as a long-term pin', 'EINVAL', () => {}, { longTerm: true }],
  ['and asked for in another mode', 'ERR_INVALID_ARG_VALUE', () => {}, { mode: 'execute' }],
]

const breakOf = (table: PinTable, ino: number): number | undefined =>
  table.publishBreak(ino as InodeNumber, 0, 2 * BLOCK, BreakState.waiting)

for (const [why, code, change, asked] of refused) {
  test(`a range pinned before ${why} is refused, and nothing stays claimed`, async (t) => {
    const pool = await temporaryPool(t)
    await using file = await pool.open('/file', 'w+')
    await file.write(filled(1, 2 * BLOCK))
    assert.equal(firstByte(file, BLOCK), 1)
    await change(file, pool)
    const options = { offset: BLOCK, length: BLOCK, mode: 'read', revocable: false, ...asked } as PinOptions
    // What the first look finds is known to the second.
    assert.throws(() => file.pinSync(options), { code })
    assert.throws(() => file.pinSync(options), { code })
    assert.deepEqual(await pool.pins(), [])
  })
}

test('a range pinned before is refused to a handle that was not opened for reading', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  await file.write(filled(1))
  assert.equal(firstByte(file, 0), 1)
  await using writer = await pool.open('/file', 'a')
  assert.throws(() => firstByte(writer, 0), { code: 'EBADF' })
})

test('promise 8: pins that are held while thousands come and go lose their views when the pool is closed by force', async (t) => {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await using file = await pool.open('/file', 'w+')
  await file.write(filled(1, 4 * BLOCK))
  const held = [0, 1, 2].map((block) => file.pinSync({ offset: block * BLOCK, length: BLOCK, mode: 'read' }))
  const views = held.map((pin) => pin.buffer)
  for (let i = 0; i < 5000; i++) assert.equal(firstByte(file, 3 * BLOCK), 1)
  assert.equal((await pool.pins()).length, held.length)
  await pool.close({ force: true })
  assert.deepEqual(
    views.map((view) => view.length),
    [0, 0, 0],
  )
  assert.equal((await other.pins()).length, held.length, 'the blocks stay pinned')
  for (let left = held.length - 1; left >= 0; left--) {
    held[left].release()
    assert.equal((await other.pins()).length, left)
  }
})
