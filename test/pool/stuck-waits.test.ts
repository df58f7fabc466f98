/** The alarm about waits that last: who waits, for whom, counted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { holdLease, letGo } from '../support/lease-holder.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

/** The next alarm of this process. */
function nextAlarm(t: TestContext): Promise<Error & { code?: string }> {
  const { promise, resolve } = Promise.withResolvers<Error & { code?: string }>()
  const onWarning = (warning: Error & { code?: string }): void => {
    if (warning.code === 'HOLDFAST_STUCK') resolve(warning)
  }
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  return promise
}

test('promise 4: a truncate that waits for a pin longer than stuckAfterMs says so, once, and is counted', async (t) => {
  const pool = await temporaryPool(t, { busy: 'wait', stuckAfterMs: 30 })
  const elsewhere = await openedAgain(t, pool)
  await pool.writeFile('/file', Buffer.alloc(2 * BLOCK, 1))
  const holder = await startProcess(t, pool)
  await holder.run(async (here) => {
    const file = await here.pool.open('/file', 'r')
    here.kept.pin = await file.pin({ offset: 100, length: 50, mode: 'read' })
  })
  const alarm = nextAlarm(t)
  const truncated = pool.truncate('/file', 0)
  const { name, message } = await alarm
  assert.equal(name, 'HoldfastWarning')
  assert.match(message, /^ftruncate '\/file' has been waiting for \d+ ms: the blocks are still pinned/)
  assert.match(message, new RegExp(`pin of pid ${holder.pid} .*bytes 100-150`))
  await holder.run((here) => here.kept.pin.release())
  await truncated
  assert.equal((await pool.stats()).stuckWaits, 1)
  assert.equal((await elsewhere.stats()).stuckWaits, 0, 'each participant counts its own')
})

test('a truncate that waits for a process stopped in a copy is told of, although it waits in slices', async (t) => {
  const pool = await temporaryPool(t, { busy: 'wait', stuckAfterMs: 250 })
  await pool.writeFile('/file', Buffer.alloc(2 * BLOCK, 1))
  const stopped = await startProcess(t, pool)
  void stopped.run(async (here) => {
    const fs = here.pool.fileSystem
    const { ino } = await here.pool.open('/file', 'r')
    const open = fs.openInodes.get(ino as never)!
    here.inside.withCopyClaim(fs, open, 0, 4096, 0, true, () => here.hang())
  })
  await stopped.hung()
  const alarm = nextAlarm(t)
  const truncated = pool.truncate('/file', 0)
  assert.match((await alarm).message, new RegExp(`copy of pid ${stopped.pid} `))
  await stopped.kill()
  await truncated
  assert.equal((await pool.stats()).stuckWaits, 1)
})

test('a change that waits for a lease whose holder does not answer names the lease', async (t) => {
  const pool = await temporaryPool(t, { stuckAfterMs: 30 })
  await pool.writeFile('/file', Buffer.alloc(2 * BLOCK, 1))
  const holder = await startProcess(t, pool)
  await holdLease(holder, { path: '/file', answer: 'nothing' })
  const alarm = nextAlarm(t)
  const truncated = pool.truncate('/file', 0)
  assert.match(
    (await alarm).message,
    new RegExp(`a lease on the layout was not given back \\(lease of pid ${holder.pid} `),
  )
  assert.equal((await pool.leases())[0]?.lease, 'recalled')
  await letGo(holder)
  await truncated
  assert.equal((await pool.stats()).stuckWaits, 1)
})

test('promise 4: what waits for the lock of the metadata longer than stuckAfterMs says who has it, once, and is counted', async (t) => {
  const pool = await temporaryPool(t, { stuckAfterMs: 150 })
  await pool.writeFile('/file', Buffer.alloc(2 * BLOCK, 1))
  await using file = await pool.open('/file', 'r+')
  const stopped = await startProcess(t, pool)
  void stopped.run(async (here, ino) => {
    await here.pool.fileSystem.metadata.extend(ino as never, 0n, () => here.hang())
  }, file.ino)
  await stopped.hung()
  const alarm = nextAlarm(t)
  const truncated = file.truncate(BLOCK)
  const { message } = await alarm
  assert.match(message, /^\w+ '.*meta\.db' has been waiting for \d+ ms: the metadata was locked for \d+ ms by slot \d+/)
  assert.match(message, new RegExp(`process ${stopped.pid}, thread 0`))
  await stopped.kill()
  await truncated
  assert.equal((await pool.stats()).stuckWaits, 1)
})

test('stuckAfterMs is checked', async (t) => {
  const pool = await temporaryPool(t)
  await assert.rejects(openedAgain(t, pool, { stuckAfterMs: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(openedAgain(t, pool, { stuckAfterMs: '1' as never }), TypeError)
  await openedAgain(t, pool, { stuckAfterMs: Infinity })
})
