/** Blocks allocated ahead of appends go at the close; blocks somebody allocated on purpose stay. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { moved, newBlocks, without } from '../../src/files/preallocation.ts'
import type { Extent, FileBlock, FileRange } from '../../src/units.ts'
import { checkSound } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const extent = (fileBlock: number, count: number): Extent => ({ fileBlock, deviceBlock: 1000, count }) as Extent
const range = (start: number, end: number): FileRange => ({ start, end }) as FileRange

test('new blocks are those that a layout has and the one before had not', () => {
  const before = [extent(2, 3), extent(10, 2)]
  const after = [extent(0, 6), extent(8, 8)]
  assert.deepEqual(newBlocks(before, after, 0 as FileBlock), [range(0, 2), range(5, 6), range(8, 10), range(12, 16)])
  assert.deepEqual(newBlocks(before, after, 9 as FileBlock), [range(9, 10), range(12, 16)])
  assert.deepEqual(newBlocks(after, after, 0 as FileBlock), [])
  assert.deepEqual(without([range(0, 10), range(20, 30)], range(5, 22)), [range(0, 5), range(22, 30)])
  assert.deepEqual(moved([range(1, 2), range(5, 9)], 5, -3), [range(1, 2), range(2, 6)])
})

const blocksOf = async (pool: Pool): Promise<number> => ((await pool.stat('/file')).blocks * 512) / BLOCK

/** Appends so many bytes in pieces of a block. */
async function append(pool: Pool, bytes: number): Promise<void> {
  await using file = await pool.open('/file', 'a')
  for (let done = 0; done < bytes; done += BLOCK) await file.write(Buffer.alloc(BLOCK, 7))
}

test('what appends allocated ahead goes at the close, what was allocated past EOF with keepSize stays', async (t) => {
  const pool = await temporaryPool(t)
  await append(pool, 3 * BLOCK)
  assert.equal(await blocksOf(pool), 3, 'nothing past EOF')
  {
    await using file = await pool.open('/file', 'r+')
    await file.allocate(100 * BLOCK, 5 * BLOCK, { keepSize: true })
  }
  assert.equal(await blocksOf(pool), 8)
  await append(pool, 4 * BLOCK)
  assert.deepEqual([(await pool.stat('/file')).size, await blocksOf(pool)], [7 * BLOCK, 12])
  {
    // One handle does both, and wants some of what was allocated ahead.
    await using file = await pool.open('/file', 'a')
    await file.write(Buffer.alloc(BLOCK, 7))
    await file.allocate(10 * BLOCK, 2 * BLOCK, { keepSize: true })
  }
  assert.deepEqual([(await pool.stat('/file')).size, await blocksOf(pool)], [8 * BLOCK, 15])
  {
    await using file = await pool.open('/file', 'r+')
    await file.write(Buffer.alloc(BLOCK, 7), { position: 8 * BLOCK })
    await file.insertRange(0, BLOCK)
    await file.truncate(5 * BLOCK)
  }
  assert.equal(await blocksOf(pool), 4, 'a truncate takes everything behind it')
  await checkSound(pool)
})

test('an append that fails gives back what it allocated, and keeps what was there', async (t) => {
  const pool = await temporaryPool(t)
  await append(pool, 2 * BLOCK)
  {
    await using file = await pool.open('/file', 'a')
    await file.allocate(2 * BLOCK, BLOCK, { keepSize: true })
    t.mock.method(pool.fileSystem.metadata, 'extend', () => Promise.reject(new Error('the store fails')))
    await assert.rejects(file.write(Buffer.alloc(3 * BLOCK, 7)), /the store fails/)
    t.mock.restoreAll()
  }
  assert.deepEqual([(await pool.stat('/file')).size, await blocksOf(pool)], [2 * BLOCK, 3])
  await checkSound(pool)
})
