/**
 * More changes that wait in one participant than its slot has room for: they wait in line, and nothing else does (promises 3
 * and 4).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { BREAKS } from '../../src/layout/format.ts'
import { PLACES } from '../../src/layout/own-break.ts'
import type { Pin, Pool } from '../../src/index.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const MANY = BREAKS + 8
const names = Array.from({ length: MANY }, (_, nth) => `/pinned-${nth}`)

/** A pool whose files are pinned by another participant than `pool`. */
async function pinnedFiles(t: TestContext): Promise<{ pool: Pool; holder: Pool; pins: Pin[] }> {
  const holder = await temporaryPool(t)
  const pool = await openedAgain(t, holder)
  const pins: Pin[] = []
  for (const name of names) {
    await holder.writeFile(name, Buffer.alloc(BLOCK, 1))
    await using file = await holder.open(name, 'r+')
    pins.push(await file.pin({ offset: 0, length: BLOCK, mode: 'write' }))
  }
  return { pool, holder, pins }
}

/** The files whose changes wait without a break. */
async function inLine(pool: Pool): Promise<string[]> {
  const found = await Promise.all(names.map(async (name) => ({ name, ...(await pool.why(name)) })))
  return found.filter(({ changes }) => changes.length === 0).map(({ name }) => name)
}

/**
 * Resolves when so many wait in line and all places are taken: until then who will have a place may be looked at while it
 * has no break yet. Fails, with the file, when that does not come.
 */
async function untilInLine(pool: Pool, count: number, isSo = (_line: string[]): boolean => true): Promise<string[]> {
  for (;;) {
    const line = await inLine(pool)
    if (pool.fileSystem.table.breaksKept === PLACES && line.length === count && isSo(line)) return line
    await delay(5)
  }
}

/** Everything that takes blocks from a file that nobody pins. */
async function ordinaryChanges(pool: Pool): Promise<void> {
  const wait = { busy: 'wait', timeoutMs: 5000 } as const
  await pool.writeFile('/free', Buffer.alloc(4 * BLOCK, 2))
  await pool.truncate('/free', BLOCK, wait)
  await using file = await pool.open('/free', 'r+')
  await file.punchHole(0, BLOCK, wait)
  await file.flushDma({ timeoutMs: 5000 })
  await pool.writeFile('/other', Buffer.alloc(BLOCK, 3))
  await pool.rename('/other', '/free', wait)
  await pool.unlink('/free', wait)
}

test('forty truncates wait, all else goes on, and each is done when its pin goes', async (t) => {
  const { pool, pins } = await pinnedFiles(t)
  const done: string[] = []
  const truncates = names.map(async (name) => {
    await pool.truncate(name, 0, { busy: 'wait' })
    done.push(name)
  })
  const line = await untilInLine(pool, MANY - PLACES)
  await ordinaryChanges(pool)
  assert.deepEqual(done, [])
  const nth = (name: string): number => names.indexOf(name)
  // One in line has no place, and needs none any more.
  const last = nth(line.at(-1)!)
  pins[last].release()
  await truncates[last]
  assert.deepEqual(done, [names[last]])
  // A place that is free is for one in line.
  const placed = names.findIndex((name) => !line.includes(name))
  pins[placed].release()
  await truncates[placed]
  const gone = [names[last], names[placed]]
  await untilInLine(
    pool,
    MANY - PLACES,
    (then) =>
      line.filter((name) => !then.includes(name) && !gone.includes(name)).length === 1 &&
      gone.every((name) => then.includes(name)),
  )
  for (const [index, pin] of pins.entries()) if (index !== last && index !== placed) pin.release()
  await Promise.all(truncates)
  for (const name of names) assert.equal((await pool.stat(name)).size, 0)
  assert.deepEqual(await pool.check(), [])
})

test('who waits in line without a break has an end, and can be called off (promise 4)', async (t) => {
  const { pool, pins } = await pinnedFiles(t)
  const unlinks = names.slice(0, PLACES).map((name) => pool.unlink(name, { busy: 'wait' }))
  await delay(20)
  const [late, called] = names.slice(PLACES)
  await assert.rejects(
    pool.truncate(late, 0, { busy: 'wait', timeoutMs: 30 }),
    (error: { code: string; holders: [] }) => {
      assert.equal(error.code, 'ETIMEDOUT')
      assert.equal(error.holders.length, 1)
      return true
    },
  )
  const abort = new AbortController()
  const waiting = pool.unlink(called, { busy: 'wait', signal: abort.signal })
  await delay(20)
  abort.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  for (const name of [late, called]) assert.equal((await pool.stat(name)).size, BLOCK)
  for (const pin of pins) pin.release()
  await Promise.all(unlinks)
  assert.equal((await pool.readdir('/')).length, MANY - PLACES + 1)
  await ordinaryChanges(pool)
})

test('flushes wait in line as changes do, and recalls of leases', async (t) => {
  const { pool, holder, pins } = await pinnedFiles(t)
  await holder.writeFile('/leased', Buffer.alloc(BLOCK, 1))
  await using leased = await holder.open('/leased', 'r+')
  const answer = Promise.withResolvers<void>()
  const lease = await leased.lease({ type: 'layout', onRecall: () => answer.promise })
  const files = await Promise.all(names.map((name) => pool.open(name, 'r')))
  const flushes = files.map((file) => file.flushDma())
  await delay(20)
  let isCut = false
  const cut = pool.truncate('/leased', 0).then(() => {
    isCut = true
  })
  await delay(50)
  assert.ok(!isCut, 'the lease is in its way, asked or not')
  await ordinaryChanges(pool)
  for (const pin of pins.slice(0, MANY - PLACES + 1)) pin.release()
  await delay(20)
  answer.resolve()
  await lease.release()
  await cut
  for (const pin of pins.slice(MANY - PLACES + 1)) pin.release()
  await Promise.all(flushes)
  for (const file of files) await file.close()
})
