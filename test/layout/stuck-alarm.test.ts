import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Limits } from '../../src/layout/waiting.ts'
import { StuckWaits } from '../../src/layout/stuck-waits.ts'
import { Waiting } from '../../src/layout/waiting.ts'
import { World } from './world.ts'

const AFTER_MS = 1000
const never = (): undefined => undefined
const named = (name: string) => (): Error => new Error(name)

/** Waits of a participant, and what was told of them. */
function alarmed() {
  const world = new World()
  const told: [name: string, waitedMs: number][] = []
  const tell = (error: Error, waitedMs: number): void => void told.push([error.message, waitedMs])
  const stuck = new StuckWaits(world.clock, { afterMs: AFTER_MS, tell })
  const waiting = new Waiting(world.join().table, stuck)
  return { world, told, waiting }
}

test('a wait that lasts is told of once, with what it would end with and how long it has lasted', async () => {
  const { world, told, waiting } = alarmed()
  const limits = { deadlineMs: Infinity }
  let isDone = false
  const wait = waiting.until(() => (isDone ? true : undefined), limits, named('held by pid 7'))
  world.clock.pass(AFTER_MS - 1)
  assert.deepEqual([told, waiting.stuck], [[], 0])
  world.clock.pass(1)
  assert.deepEqual([told, waiting.stuck], [[['held by pid 7', AFTER_MS]], 1])
  world.clock.pass(10 * AFTER_MS)
  isDone = true
  world.clock.pass(250)
  await wait
  const again = waiting.until(never, { ...limits, deadlineMs: world.clock.nowMs() + AFTER_MS - 1 }, named('late'))
  world.clock.pass(AFTER_MS)
  await assert.rejects(again, /late/)
  assert.equal(told.length, 1, 'another operation begins anew, and a short one is not told of')
  assert.equal(world.clock.timers, 0)
})

test('waits of one operation add up, slices too; what it does in between does not', async () => {
  const { world, told, waiting } = alarmed()
  const limits = { deadlineMs: Infinity }
  for (let nth = 0; nth < 5; nth++) {
    const slice: Limits = {
      deadlineMs: world.clock.nowMs() + 400,
      partOf: { limits, onTimeout: named('the whole') },
    }
    const wait = waiting.until(never, slice, named('the slice'))
    world.clock.pass(400)
    await assert.rejects(wait, /the slice/)
    world.clock.pass(5 * AFTER_MS)
    assert.equal(told.length, nth < 2 ? 0 : 1, `slice ${nth}`)
  }
  assert.deepEqual([told, waiting.stuck], [[['the whole', AFTER_MS]], 1])
})

test('a wait that is due to be told of when its slice ends is told of in the next one', async () => {
  const { world, told, waiting } = alarmed()
  const partOf = { limits: { deadlineMs: Infinity }, onTimeout: named('the whole') }
  for (let nth = 0; nth < 4; nth++) {
    const wait = waiting.until(never, { deadlineMs: world.clock.nowMs() + AFTER_MS / 2, partOf }, named('the slice'))
    world.clock.pass(AFTER_MS / 2)
    await assert.rejects(wait, /the slice/)
  }
  assert.deepEqual([told, waiting.stuck], [[['the whole', AFTER_MS]], 1])
})
