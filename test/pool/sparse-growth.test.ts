/** Files that grow by leaps have blocks where something was written, and nowhere else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

test('a write that leaves a hole behind it allocates nothing ahead', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
  await using file = await pool.open('/sparse', 'w+')
  const leaps = Array.from({ length: 12 }, (_, nth) => (nth + 1) * 1000 * BLOCK)
  for (const position of leaps) await file.write('x', { position })
  assert.equal((await file.stat()).blocks, leaps.length * 8)
})
