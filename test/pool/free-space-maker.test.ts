/** Space that was freed, in the making. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../support/pinned-content.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

test('what is freed while a pass is under way is free when the next one that was asked for is over', async (t) => {
  const pool = await temporaryPool(t)
  for (const name of ['early', 'late']) await pool.writeFile(`/${name}`, Buffer.alloc(BLOCK))
  const { metadata } = pool.fileSystem
  const sync = metadata.sync.bind(metadata)
  const looked = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  // A pass looks for what is busy, and makes it durable then.
  metadata.sync = async () => {
    metadata.sync = sync
    looked.resolve()
    await goOn.promise
    await sync()
  }
  await pool.unlink('/early')
  const first = pool.reap()
  await looked.promise
  await pool.unlink('/late')
  const later = [pool.reap(), pool.reap()]
  goOn.resolve()
  assert.equal((await first).blocks, 1)
  for (const { blocks } of await Promise.all(later)) assert.equal(blocks, 2)
  const { usedBytes, busyBytes } = await pool.stats()
  assert.deepEqual({ usedBytes, busyBytes }, { usedBytes: 0, busyBytes: 0 })
})

test('what was freed by who ended before it was given back is given back by who opens the pool next', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', Buffer.alloc(8 * BLOCK))
  await pool.close()
  // A pass comes a second after something was freed: these are gone by then.
  const first = await openedAgain(t, pool)
  await first.unlink('/a')
  await first.close()
  const next = await openedAgain(t, pool)
  assert.equal((await next.stats()).busyBytes, 8 * BLOCK)
  await until('it is free', async () => (await next.stats()).busyBytes === 0)
})
