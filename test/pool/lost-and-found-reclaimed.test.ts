import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

test('a file of lost+found that is reclaimed while it is open is ENOENT, not a damaged pool', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', new Uint8Array(BLOCK).fill(1))
  await using file = await pool.open('/file', 'r+')
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  await file.truncate(0)
  pin.release()
  const [{ name }] = await pool.lostAndFound.list()
  await using lost = await pool.open(`/lost+found/${name}`, 'r')
  await pool.lostAndFound.reclaim(name)
  await assert.rejects(lost.read(new Uint8Array(BLOCK), { position: 0 }), { code: 'ENOENT' })
})
