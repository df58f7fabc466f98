import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CHUNK_RECORDS,
  FILTER_WORDS,
  filterOf,
  MORE_RUNS,
  RecordKind,
  REGION_SHIFT,
  Slot,
} from '../../src/layout/format.ts'
import { edgesOf } from '../../src/layout/own-slot.ts'
import { claimsOf } from '../../src/layout/overlaps.ts'
import type { Run } from '../../src/units.ts'
import { claimOf, run, World } from './world.ts'

const INO = 7

/** Runs apart from each other. */
const scattered = (count: number): Run[] => Array.from({ length: count }, (_, index) => run(10 + index * 3, 2))

test('promise 9: a claim of any number of runs is seen as a whole, and nothing of it before its head is published', () => {
  for (const count of [0, 1, 2, MORE_RUNS, MORE_RUNS + 1, MORE_RUNS + 2, 3 * MORE_RUNS, 3 * MORE_RUNS + 3]) {
    const { table } = new World().join()
    const runs = scattered(count)
    const record = table.own.publish(claimOf({ ino: INO }), runs)
    const [view, ...others] = claimsOf(table, table.own.index)
    assert.deepEqual(others, [])
    assert.equal(view.record, record)
    assert.deepEqual(
      view.bytes,
      runs.map(({ start, count: blocks }) => ({ start: start * 4096, end: (start + blocks) * 4096 })),
    )
    assert.equal(view.isTentative, true)
    table.own.grant(record)
    assert.equal(claimsOf(table, table.own.index)[0].isTentative, false)
    table.own.release(record)
    assert.deepEqual(claimsOf(table, table.own.index), [])
    assert.equal(table.own.live, 0)
  }
})

test('records outgrow a chunk, keep their claims, and shrink back when they are tidied', () => {
  const { table } = new World().join()
  const records = Array.from({ length: CHUNK_RECORDS + 50 }, (_, index) =>
    table.own.publishRun(claimOf({ ino: INO }), index, 1),
  )
  const views = claimsOf(table, 0)
  assert.deepEqual(
    views.map((view) => view.bytes[0].start / 4096),
    records.map((_, index) => index),
  )
  for (const record of records.slice(1)) table.own.release(record)
  table.own.tidy()
  assert.equal(table.own.words.load(Slot.recordCount), 1)
  assert.equal(claimsOf(table, 0).length, 1)
  table.own.publishRun(claimOf({ ino: INO }), 5, 1)
  assert.equal(claimsOf(table, 0).length, 2)
})

test('a claim that finds no room for its records leaves nothing behind', () => {
  const { table, world } = new World().join()
  let isFull = false
  const chunk = world.memory.chunk.bind(world.memory)
  world.memory.chunk = (slot, index) => {
    if (isFull && index > 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    return chunk(slot, index)
  }
  const held = Array.from({ length: CHUNK_RECORDS - 2 }, () => table.own.publishRun(claimOf({ ino: INO }), 1, 1))
  isFull = true
  assert.throws(() => table.own.publish(claimOf({ ino: INO }), scattered(3 * MORE_RUNS)), { code: 'ENOSPC' })
  assert.equal(table.own.live, held.length)
  assert.equal(claimsOf(table, 0).length, held.length)
})

test('a filter mark goes only when the last run in its regions has gone and the slot is tidied', () => {
  const { table } = new World().join()
  const block = 5 << REGION_SHIFT
  const mark = (): number => table.own.words.load(filterOf(block))
  const one = table.own.publish(claimOf({ ino: INO }), [run(block), run(0), run(block + 7)])
  // The same word, a filter's length further on.
  const two = table.own.publishRun(claimOf({ ino: INO }), block + (FILTER_WORDS << REGION_SHIFT), 1)
  table.own.release(one)
  table.own.tidy()
  assert.notEqual(mark(), 0)
  table.own.release(two)
  assert.notEqual(mark(), 0, 'a release leaves it')
  table.own.tidy()
  assert.equal(mark(), 0)
})

test('the filter mark of a copy goes with it, unless another claim has a run in its region', () => {
  const { table } = new World().join()
  const block = 5 << REGION_SHIFT
  const mark = (): number => table.own.words.load(filterOf(block))
  const copy = (): number => table.own.publish(claimOf({ ino: INO, kind: RecordKind.copy }), [run(block)])
  table.own.release(copy())
  assert.equal(mark(), 0)
  const pin = table.own.publishRun(claimOf({ ino: INO }), block + 3, 1)
  table.own.release(copy())
  assert.notEqual(mark(), 0)
  table.own.release(pin)
  table.own.release(copy())
  assert.equal(mark(), 0)
})

test('edges are the bytes of the first and last block that a range leaves out', () => {
  assert.equal(edgesOf(0, 4096), 0)
  assert.equal(edgesOf(100, 4096), 100 | ((4096 - 100) << 12))
  assert.equal(edgesOf(4095, 1), 4095)
})
