/** Promise 11: what is listed about holders, and that errors list those who matter. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HoldfastError, Holder } from '../../src/index.ts'
import { fillPool } from '../support/stamps.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const failure = (action: Promise<unknown>): Promise<HoldfastError> =>
  action.then(
    () => assert.fail('it went well'),
    (error: HoldfastError) => error,
  )

test('promise 11: pins tell whether they are stable, long-term, under which lease, and what they hold back', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', Buffer.alloc(10 * BLOCK, 1))
  await using file = await pool.open('/file', 'r+')
  const elsewhere = await openedAgain(t, pool)
  const mode = 'read'
  using stable = await file.pin({ offset: 0, length: BLOCK, mode, stable: true })
  await using lease = await file.lease({ type: 'layout', offset: BLOCK, length: BLOCK, onRecall: () => {} })
  using lasting = await file.pin({ offset: BLOCK, length: 10, mode, longTerm: true })
  using plain = await file.pin({ offset: 2 * BLOCK + 10, length: 4 * BLOCK, mode })
  const listed = async (): Promise<Partial<Holder>[]> =>
    (await elsewhere.pins()).map(({ offset, isStable, isLongTerm, lease: state, heldBackBytes }) =>
      JSON.parse(JSON.stringify({ offset, isStable, isLongTerm, lease: state, heldBackBytes })),
    )
  assert.deepEqual(await listed(), [
    { offset: 0, isStable: true },
    { offset: BLOCK, isLongTerm: true, lease: 'held' },
    { offset: 2 * BLOCK + 10 },
  ])
  await file.write(Buffer.alloc(BLOCK, 2), { position: 0 })
  await file.truncate(4 * BLOCK)
  assert.deepEqual(await listed(), [
    { offset: 0, isStable: true, heldBackBytes: BLOCK },
    { offset: BLOCK, isLongTerm: true, lease: 'held' },
    { offset: 2 * BLOCK + 10, heldBackBytes: 3 * BLOCK },
  ])
  for (const pin of [stable, lasting, plain]) pin.release()
  await lease.release()
  assert.deepEqual(await listed(), [])
})

test('promise 11: ENOSPC names who holds space back, by pins or by files without a name, and nobody else', async (t) => {
  const pool = await temporaryPool(t)
  const elsewhere = await startProcess(t, pool)
  await pool.writeFile('/innocent', Buffer.alloc(BLOCK, 1))
  await using innocent = await pool.open('/innocent', 'r')
  using _ = await innocent.pin({ offset: 0, length: BLOCK, mode: 'read' })
  await pool.writeFile('/pinned', Buffer.alloc(40 * BLOCK, 2))
  await pool.writeFile('/open', Buffer.alloc(20 * BLOCK, 3))
  await fillPool(pool)
  const none = await failure(pool.writeFile('/more', Buffer.alloc(BLOCK)))
  assert.deepEqual([none.code, none.holders], ['ENOSPC', []])

  await elsewhere.run(async (here) => {
    const pinned = await here.pool.open('/pinned', 'r')
    here.kept.pin = await pinned.pin({ offset: 0, length: 30 * 4096, mode: 'read' })
    await pinned.close()
    here.kept.file = await here.pool.open('/open', 'r')
  })
  await pool.unlink('/pinned', { busy: 'sequester' })
  await pool.unlink('/open')
  await using large = await pool.open('/large', 'w+')
  const error = await failure(large.allocate(0, 60 * BLOCK))
  assert.equal(error.code, 'ENOSPC')
  assert.deepEqual(
    error.holders?.map(({ pid, kind, heldBackBytes }) => [pid, kind, heldBackBytes]),
    [
      [elsewhere.pid, 'pin', 30 * BLOCK],
      [elsewhere.pid, 'open', 20 * BLOCK],
    ],
  )
  assert.ok(error.message.includes(`pin of pid ${elsewhere.pid} `), error.message)
  await elsewhere.run(async (here) => {
    here.kept.pin.release()
    await here.kept.file.close()
  })
  await large.allocate(0, 60 * BLOCK)
})

test('promise 11: ETXTBSY names who has the layout leased exclusively', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', Buffer.alloc(BLOCK, 1))
  const elsewhere = await startProcess(t, pool)
  await elsewhere.run(async (here) => {
    here.kept.file = await here.pool.open('/file', 'r+')
    here.kept['lease'] = await here.kept.file.lease({ type: 'layout', exclusive: true, onRecall: () => {} })
  })
  const error = await failure(pool.truncate('/file', 0))
  assert.deepEqual(
    [error.code, error.holders?.map(({ pid, kind, isExclusive, lease }) => [pid, kind, isExclusive, lease])],
    ['ETXTBSY', [[elsewhere.pid, 'lease', true, 'held']]],
  )
})
