/** Space that is allocated ahead of appends is there for whoever needs it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { File } from '../../src/index.ts'
import { checkSound, fillPool } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

test('files that are open for appending hold back nothing that another one of their participant needs', async (t) => {
  const pool = await temporaryPool(t)
  const files: File[] = []
  t.after(async () => {
    for (const file of files) await file.close()
  })
  let written = 0
  for (let i = 0; i < 24; i++) {
    const file = await pool.open(`/appended-${i}`, 'a')
    files.push(file)
    for (const blocks of [10, 1]) written += (await file.write(Buffer.alloc(blocks * BLOCK, i + 1))).bytesWritten
  }
  assert.ok((await pool.stats()).usedBytes > written, 'some is allocated ahead')
  await fillPool(pool)
  const { availableBytes, usedBytes, reserveBytes, sizeBytes } = await pool.stats()
  assert.equal(availableBytes, 0)
  assert.equal(usedBytes, sizeBytes - reserveBytes, 'all of it is content')
  await checkSound(pool)
})

test('what another participant has allocated ahead is at most an eighth of what was left', async (t) => {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await using file = await other.open('/appended', 'a')
  for (let i = 0; i < 100; i++) await file.write(Buffer.alloc(BLOCK, 1))
  const { availableBytes, usedBytes } = await pool.stats()
  const ahead = usedBytes - 100 * BLOCK
  assert.ok(ahead > 0 && ahead <= (availableBytes + usedBytes) / 8, `${ahead} bytes ahead, ${availableBytes} left`)
})
