/** Pins of ranges that were pinned before: what is kept of a range says what its file says, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { File } from '../../src/index.ts'
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
  const revocable = file.pinSync({ ...range, revocable: true })
  const view = revocable.buffer
  assert.ok(view !== one.buffer)
  revocable.release()
  assert.equal(view.length, 0)
  assert.equal(one.buffer.length, BLOCK)
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
