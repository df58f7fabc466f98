/** The events of the API: what changes in any process reaches every reader, and readers that go leave nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiRoutes } from '../../src/http/api/index.ts'
import type { PoolState } from '../../src/http/api/pool-state.ts'
import { PoolWatch } from '../../src/http/api/pool-watch.ts'
import type { Pool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'
import { eventsOf } from './events-of.ts'

async function* statesOf(pool: Pool): AsyncGenerator<PoolState> {
  const app = apiRoutes(pool, { mayChange: () => false })
  for await (const { event, data } of eventsOf(await app.request('/events'))) {
    assert.equal(event, 'state')
    yield JSON.parse(data) as PoolState
  }
}

/** The first state for which `wanted` is true. */
async function until(states: AsyncGenerator<PoolState>, wanted: (state: PoolState) => boolean): Promise<PoolState> {
  for (;;) {
    const { value, done } = await states.next()
    assert.ok(done !== true, 'the events ended')
    if (wanted(value)) return value
  }
}

test('a pin in another process is told within a second, to each of several readers', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', Buffer.alloc(4 * BLOCK))
  const other = await startProcess(t, pool)
  const readers = [statesOf(pool), statesOf(pool), statesOf(pool)]
  for (const states of readers) assert.equal((await states.next()).value?.stats.pins, 0)
  await other.run(async (here) => {
    here.kept.file = await here.pool.open('/a', 'r+')
  })
  const times: number[] = []
  // A machine that has too much to do is slow now and then, not each time.
  for (let round = 0; round < 3; round++) {
    await other.run(async (here, block) => {
      here.kept.pin = await here.kept.file.pin({ offset: 0, length: block, mode: 'write' })
    }, BLOCK)
    const pinnedAt = performance.now()
    for (const states of readers) {
      const { pins, stats } = await until(states, (state) => state.stats.pins === 1)
      assert.deepEqual([pins[0].pid, pins[0].path, pins[0].mode, stats.pinnedBytes], [other.pid, '/a', 'write', BLOCK])
    }
    times.push(performance.now() - pinnedAt)
    await other.run((here) => here.kept.pin.release())
    for (const states of readers) await until(states, (state) => state.stats.pins === 0)
  }
  assert.ok(Math.min(...times) < 1000, `took ${times.join(', ')} ms`)
  for (const states of readers) await states.return(undefined)
})

test('the death of a process, a change of space and a change that waits are told', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', Buffer.alloc(4 * BLOCK))
  const other = await startProcess(t, pool)
  const states = statesOf(pool)
  await until(states, (state) => state.stats.participants === 2)
  await pool.writeFile('/b', Buffer.alloc(2 * BLOCK))
  await until(states, ({ stats }) => stats.usedBytes === 6 * BLOCK)
  const file = await pool.open('/a', 'r+')
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  const changing = other.run((here) => here.pool.truncate('/a', 0, { busy: 'wait' }))
  const { changes } = await until(states, (state) => state.changes.some((change) => change.state === 'waiting'))
  assert.deepEqual([changes[0].pid, changes[0].path], [other.pid, '/a'])
  pin.release()
  await changing
  await until(states, (state) => state.changes.length === 0)
  await other.run(async (here) => {
    here.kept.file = await here.pool.open('/b', 'r')
    here.kept.pin = await here.kept.file.pin({ offset: 0, length: 4096, mode: 'read' })
  })
  await until(states, (state) => state.stats.pins === 1)
  await other.kill()
  await until(states, (state) => state.stats.pins === 0)
  await states.return(undefined)
})

test('while nothing happens nothing is told, and never more than four times a second', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', Buffer.alloc(4 * BLOCK))
  const seen: number[] = []
  const stop = new AbortController()
  const reading = (async () => {
    for await (const { sequence } of new PoolWatch(pool).states(stop.signal)) seen.push(sequence)
  })()
  // The file's close and what it leaves to be done may come late.
  await sleep(700)
  const before = seen.length
  await sleep(700)
  assert.equal(seen.length, before)
  const startedAt = performance.now()
  for (let i = 0; performance.now() - startedAt < 1500; i++) {
    await pool.writeFile('/b', Buffer.alloc(BLOCK, i))
    await sleep(2)
  }
  const most = Math.ceil((performance.now() - startedAt) / 250) + 1
  const told = seen.length - before
  assert.ok(told >= 1 && told <= most, `${told} times, at most ${most}`)
  stop.abort()
  await reading
})

test('a reader that comes later is told how old pins are by then, and so are the others', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', Buffer.alloc(BLOCK))
  await using file = await pool.open('/a', 'r')
  using _ = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  const watch = new PoolWatch(pool)
  const stop = new AbortController()
  const ages = async function* agesOf(): AsyncGenerator<number> {
    for await (const { json } of watch.states(stop.signal)) yield (JSON.parse(json) as PoolState).pins[0].ageMs ?? 0
  }
  const first = ages()
  const early = (await first.next()).value as number
  await sleep(600)
  const second = ages()
  for (const reader of [second, first]) assert.ok(((await reader.next()).value as number) >= early + 500)
  stop.abort()
  for (const reader of [first, second]) await reader.return(undefined)
})

test('readers that go are forgotten, and a closed pool ends the others', async (t) => {
  const pool = await temporaryPool(t)
  const watch = new PoolWatch(pool)
  const stops = Array.from({ length: 20 }, () => new AbortController())
  const readings = stops.map(async ({ signal }) => {
    for await (const state of watch.states(signal)) void state
  })
  assert.equal(watch.readers, 20)
  for (const stop of stops.slice(1)) stop.abort()
  await Promise.all(readings.slice(1))
  assert.equal(watch.readers, 1)
  await pool.close()
  await readings[0]
  assert.equal(watch.readers, 0)
})
