/** Stamps: content that says where it belongs, so that a block in the wrong place is noticed. */
import assert from 'node:assert/strict'
import type { Pool } from '../../src/index.ts'

const BLOCK = 4096

/** `blocks` blocks, every 32 bit word of each saying whose it is and which. */
export function stamped(owner: number, blocks: number): Buffer {
  const words = new Uint32Array((blocks * BLOCK) / 4)
  for (let block = 0; block < blocks; block++) {
    words.fill((owner << 16) | (block + 1), (block * BLOCK) / 4, ((block + 1) * BLOCK) / 4)
  }
  return Buffer.from(words.buffer)
}

const FILL_BLOCKS = 64

/** Fills the whole pool with stamped files in /full; returns how many bytes it took. */
export async function fillPool(pool: Pool): Promise<number> {
  await pool.mkdir('/full', { recursive: true })
  let total = 0
  for (let blocks = FILL_BLOCKS; blocks >= 1;) {
    const owner = (await pool.readdir('/full')).length + 1
    const path = `/full/${owner}-${blocks}`
    try {
      await using file = await pool.open(path, 'wx')
      await file.allocate(0, blocks * BLOCK)
      await file.write(stamped(owner, blocks), { position: 0 })
      total += blocks * BLOCK
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error
      await pool.unlink(path)
      blocks >>= 1
    }
  }
  return total
}

/** Every file of `fillPool` is as it was written. */
export async function checkFilled(pool: Pool): Promise<void> {
  for (const name of await pool.readdir('/full')) {
    const [owner, blocks] = name.split('-').map(Number) as [number, number]
    assert.ok(stamped(owner, blocks).equals(await pool.readFile(`/full/${name}`)), `${name} has been changed`)
  }
}

/** Counts add up, and the check of the metadata finds nothing. */
export async function checkSound(pool: Pool): Promise<void> {
  const stats = await pool.stats()
  const sum = stats.freeBytes + stats.usedBytes + stats.busyBytes + stats.sequesteredBytes
  assert.equal(sum, stats.sizeBytes, `the parts make up the pool: ${JSON.stringify(stats)}`)
  assert.deepEqual(await pool.check(), [])
}
