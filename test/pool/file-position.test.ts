/** The position of a file, as node:fs has it: reads and writes without one go on where the last one ended, also at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const COUNT = 20

test('reads at the position that are asked for at once read one part after the other', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', Buffer.from(Array.from({ length: COUNT }, (_, nth) => nth)))
  await using file = await pool.open('/file', 'r')
  const reads = await Promise.all(Array.from({ length: COUNT + 1 }, () => file.read(Buffer.alloc(1))))
  assert.deepEqual(
    reads.map(({ bytesRead, buffer }) => (bytesRead === 0 ? 'end' : buffer[0])),
    [...Array(COUNT).keys(), 'end'],
  )
})

test('writes at the position that are asked for at once lie one behind the other, reads between them go on there', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  const parts = Array.from({ length: COUNT }, (_, nth) => Buffer.alloc(BLOCK - 7, nth))
  const writes = parts.map((part) => file.write(part))
  const end = file.read(Buffer.alloc(1))
  const elsewhere = file.write('x', { position: 0 })
  await Promise.all([...writes, elsewhere])
  assert.equal((await end).bytesRead, 0)
  const expected = Buffer.concat(parts)
  expected.set(Buffer.from('x'))
  assert.deepEqual(await pool.readFile('/file'), expected)
})

test('a write that fails leaves the position, and those behind it go on', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  await file.write('ab')
  const writes = [file.write('late', { signal: AbortSignal.abort() }), file.write('c')]
  const [refused, next] = await Promise.allSettled(writes)
  assert.deepEqual([refused.status, next.status], ['rejected', 'fulfilled'])
  assert.equal(await pool.readFile('/file', 'utf8'), 'abc')
})
