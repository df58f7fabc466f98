import assert from 'node:assert/strict'
import { test } from 'node:test'
import { releaseClaim } from '../../src/layout/claims.ts'
import { BreakState, Slot } from '../../src/layout/format.ts'
import { overlappingClaims } from '../../src/layout/overlaps.ts'
import { Waiting } from '../../src/layout/waiting.ts'
import type { InodeNumber } from '../../src/units.ts'
import { claimOf, World } from './world.ts'

const INO = 7 as InodeNumber
const FAR = { deadlineMs: Infinity }
const late = (): Error => new Error('late')
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** A change of one participant waits for a pin of another. */
function waiting() {
  const world = new World()
  const breaker = world.join()
  const pinner = world.join()
  const record = pinner.table.own.publishRun(claimOf({ ino: INO }), 5, 1)
  breaker.table.publishBreak(INO, 0, 4096, BreakState.waiting)
  const door = new Waiting(breaker.table)
  const isIdle = (): true | undefined =>
    overlappingClaims(breaker.table, [{ start: 5 * 4096, end: 6 * 4096 }]).length === 0 ? true : undefined
  return { world, breaker, pinner, record, door, isIdle }
}

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  promise.then(
    () => (done = true),
    () => (done = true),
  )
  await settled()
  return done
}

test('the release that makes a range idle wakes the change that waits for it, and no time passes', async () => {
  const { world, pinner, record, door, isIdle } = waiting()
  const wait = door.until(isIdle, FAR, late)
  assert.equal(await isDone(wait), false)
  releaseClaim(pinner.table, record, INO)
  assert.equal(await isDone(wait), true)
  assert.equal(world.clock.timers, 0)
})

test('a ring that comes while another is not answered is not lost', async () => {
  const { world, breaker, pinner, record, door, isIdle } = waiting()
  let looks = 0
  const wait = door.until(
    () => {
      looks++
      // The release comes between this look and its end.
      if (looks === 2) releaseClaim(pinner.table, record, INO)
      return looks === 2 ? undefined : isIdle()
    },
    FAR,
    late,
  )
  pinner.table.ring(breaker.slot)
  assert.equal(await isDone(wait), true)
  assert.ok((world.rings[breaker.slot] ?? 0) >= 2)
})

test('who dies between its change and its ring is found by the tick, within 250 ms', async () => {
  const { world, breaker, pinner, record, door, isIdle } = waiting()
  const wait = door.until(isIdle, FAR, late)
  // The ringer has said that it would ring.
  breaker.table.own.words.store(Slot.rung, 1)
  pinner.table.own.release(record)
  world.kill(pinner)
  world.clock.pass(249)
  assert.equal(await isDone(wait), false)
  world.clock.pass(1)
  assert.equal(await isDone(wait), true)
  assert.equal(breaker.table.own.words.load(Slot.rung), 0, 'the next ring comes through')
})

test('the death of a holder is found within 250 ms', async () => {
  const { world, pinner, door, isIdle } = waiting()
  const wait = door.until(isIdle, FAR, late)
  world.kill(pinner)
  assert.equal(await isDone(wait), false)
  world.clock.pass(250)
  assert.equal(await isDone(wait), true)
})

test('promise 4: a wait ends at its deadline with what the caller says', async () => {
  const { world, door, isIdle } = waiting()
  const wait = door.until(isIdle, { deadlineMs: world.clock.nowMs() + 1000 }, late)
  wait.catch(() => {})
  world.clock.pass(999)
  assert.equal(await isDone(wait), false)
  world.clock.pass(1)
  await assert.rejects(wait, /late/)
  assert.equal(world.clock.timers, 0)
})

test('promise 4: an aborted wait rejects with the reason, before it begins and while it lasts', async () => {
  const { breaker, door, isIdle } = waiting()
  const reason = new Error('enough')
  await assert.rejects(door.until(isIdle, { ...FAR, signal: AbortSignal.abort(reason) }, late), reason)
  const abort = new AbortController()
  const wait = door.until(isIdle, { ...FAR, signal: abort.signal }, late)
  assert.equal(breaker.table.own.words.load(Slot.waiters), 1)
  abort.abort(reason)
  await assert.rejects(wait, reason)
  assert.equal(breaker.table.own.words.load(Slot.waiters), 0)
})

test('pins that queue behind a break are woken when it is taken back', async () => {
  const world = new World()
  const breaker = world.join()
  const pinner = world.join()
  const index = breaker.table.publishBreak(INO, 0, 4096, BreakState.committing)!
  const door = new Waiting(pinner.table)
  const wait = door.until(
    () => ([...pinner.table.breaks(INO, 0, 1, BreakState.waiting)].length === 0 ? true : undefined),
    FAR,
    late,
  )
  assert.equal(await isDone(wait), false)
  breaker.table.takeBreakBack(index)
  assert.equal(await isDone(wait), true)
})

test('what the condition throws is what the wait rejects with', async () => {
  const { door } = waiting()
  const broken = new Error('broken')
  await assert.rejects(
    door.until(
      () => {
        throw broken
      },
      FAR,
      late,
    ),
    broken,
  )
})

test('who has left waits no more, not even who begins to wait after that', async () => {
  const { world, door, isIdle } = waiting()
  const wait = door.until(isIdle, FAR, late)
  const left = new Error('left')
  door.end(() => left)
  await assert.rejects(wait, left)
  await assert.rejects(door.until(isIdle, FAR, late), left)
  assert.equal(world.clock.timers, 0, 'nothing looks at a table that may be gone')
})

test('a wait lasts as long as it was to last, whatever the clock is set to meanwhile', async () => {
  const { world, door, isIdle } = waiting()
  const limits = { deadlineMs: world.clock.steadyMs() + 1000 }
  const wait = door.until(isIdle, limits, late)
  const expectation = assert.rejects(wait, /late/)
  world.clock.setTo(99_000_000)
  world.clock.pass(999)
  assert.equal(await isDone(wait), false)
  world.clock.setTo(0)
  world.clock.pass(1)
  assert.equal(await isDone(wait), true)
  await expectation
})
