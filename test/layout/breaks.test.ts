import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasBreak, NEVER, releaseClaim, tryClaim } from '../../src/layout/claims.ts'
import { Break, BREAKS, breakAt, BreakState, bucketOf, BUCKETS } from '../../src/layout/format.ts'
import type { InodeNumber } from '../../src/units.ts'
import { claimOf, run, World } from './world.ts'

const INO = 7 as InodeNumber
const bucket = bucketOf(INO)

test('a break is found by its bytes and its inode, from its publication until it is taken back', () => {
  const world = new World()
  const { table } = world.join()
  const other = world.join().table
  const index = table.publishBreak(INO, 4096, 8192, BreakState.waiting)!
  const found = (start: number, length: number, ino = INO): boolean =>
    hasBreak(other, ino, start, length, BreakState.waiting)
  assert.equal(other.breakCount(bucket), 1)
  assert.deepEqual([found(0, 4096), found(4095, 2), found(8191, 1), found(8192, 1)], [false, true, true, false])
  assert.equal(found(4096, 1, (INO + BUCKETS) as InodeNumber), false, 'another inode of the bucket')
  assert.equal(hasBreak(other, INO, 4096, 1, BreakState.committing), false, 'copies go on while it waits')
  table.setBreakState(index, BreakState.committing)
  assert.equal(hasBreak(other, INO, 4096, 1, BreakState.committing), true)
  table.takeBreakBack(index)
  assert.equal(found(4096, 1), false)
  assert.equal(other.breakCount(bucket), 0)
})

test('promise 3: a pin of the range is refused while a change waits, a copy and a pin elsewhere are not', () => {
  const world = new World()
  const { table } = world.join()
  table.publishBreak(INO, 4096, 8192, BreakState.waiting)
  const basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
  assert.equal(tryClaim(table, claimOf({ ino: INO, offset: 4096 }), [run(1)], basis), 'break')
  assert.equal(typeof tryClaim(table, claimOf({ ino: INO, offset: 8192 }), [run(2)], basis), 'number')
  assert.equal(typeof tryClaim(table, claimOf({ ino: INO, offset: 4096, kind: 0x20 }), [run(1)], basis), 'number')
  table.advanceGeneration(bucket)
  assert.equal(tryClaim(table, claimOf({ ino: INO, offset: 8192 }), [run(2)], basis), 'stale')
})

test('promise 3: a pin under a layout that served before is refused by a break that came since, and served when it has gone', () => {
  const world = new World()
  const { table } = world.join()
  const other = world.join().table
  const basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
  const pin = (): number | string => {
    const outcome = tryClaim(table, claimOf({ ino: INO }), [run(1)], basis)
    if (typeof outcome === 'number') releaseClaim(table, outcome, INO)
    return outcome
  }
  assert.equal(typeof pin(), 'number')
  assert.equal(basis.arrivals, table.arrivals(bucket), 'nobody was there: the next pin need not look')
  for (const isCommitted of [false, true]) {
    const index = other.publishBreak(INO, 0, 4096, BreakState.waiting)!
    assert.equal(pin(), 'break')
    other.setBreakState(index, BreakState.watching)
    assert.equal(typeof pin(), 'number')
    assert.notEqual(basis.arrivals, table.arrivals(bucket), 'a break is there: the next pin looks again')
    if (isCommitted) other.advanceGeneration(bucket)
    other.takeBreakBack(index)
    assert.equal(pin(), isCommitted ? 'stale' : 0)
  }
})

test('the thirty-third break of a participant is refused until one is taken back', () => {
  const { table } = new World().join()
  const indexes = Array.from({ length: BREAKS }, () => table.publishBreak(INO, 0, 1, BreakState.committing))
  assert.equal(new Set(indexes).size, BREAKS)
  assert.equal(table.publishBreak(INO, 0, 1, BreakState.committing), undefined)
  assert.equal(table.breakCount(bucket), BREAKS)
  table.takeBreakBack(17)
  assert.equal(table.publishBreak(INO, 0, 1, BreakState.committing), 17)
})

test('a dead breaker’s break goes only after the generation of its inode went up', () => {
  const world = new World()
  const { table } = world.join()
  const dead = world.join()
  dead.table.publishBreak(INO, 0, 4096, BreakState.committing)
  world.kill(dead)
  const before = table.generation(bucket)
  const slot = world.memory.slot(dead.slot)
  const seen: string[] = []
  const { store } = slot
  slot.store = (index, value) => {
    if (index === breakAt(0) + Break.state && value === BreakState.free)
      seen.push(`free at ${table.generation(bucket) - before}`)
    store.call(slot, index, value)
  }
  assert.equal(table.reap(), 1)
  assert.equal(seen[0], 'free at 1')
  assert.equal(table.breakCount(bucket), 0)
})

test('the count of a bucket is never below the breaks in it, wherever their owner died', () => {
  for (const state of [
    BreakState.preparing,
    BreakState.watching,
    BreakState.waiting,
    BreakState.committing,
    BreakState.leaving,
  ]) {
    const world = new World()
    const { table } = world.join()
    table.publishBreak(INO, 0, 4096, BreakState.committing)
    const dead = world.join()
    const index = dead.table.publishBreak(INO, 0, 4096, BreakState.committing)!
    dead.table.setBreakState(index, state)
    world.kill(dead)
    table.reap()
    assert.ok(table.breakCount(bucket) >= 1, `died in state ${state}`)
    assert.equal(hasBreak(table, INO, 0, 1, BreakState.waiting), true)
  }
})

test('what a dead owner left is cleared by the next owner of its slot, whose claims are its own', () => {
  const world = new World()
  const { table } = world.join()
  const dead = world.join()
  dead.table.own.publishRun(claimOf({ ino: INO }), 3, 1)
  dead.table.publishBreak(INO, 0, 4096, BreakState.committing)
  world.kill(dead)
  const before = table.generation(bucket)
  const next = world.join()
  assert.equal(next.slot, dead.slot)
  assert.equal(table.generation(bucket), before + 1)
  assert.equal(table.breakCount(bucket), 0)
  assert.equal(table.reap(), 0, 'it is alive')
  next.table.own.publishRun(claimOf({ ino: INO }), 4, 1)
  assert.deepEqual([...table.attached()], [0, 1])
})
