/** Arithmetic on extents against the same on single blocks. Seeded: HOLDFAST_SEED repeats a failure. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'

import {
  holes,
  joinedExtents,
  joinedRanges,
  joinedRuns,
  makeExtent,
  makeRun,
  split,
} from '../../src/metadata/extent-arithmetic.ts'
import type { Extent, FileRange } from '../../src/units.ts'
import { SEED } from '../support/seed.ts'
import { range } from './subject.ts'

/** Extents of gaps and lengths; device blocks run on, or jump where `jumps`. */
const layout = fc
  .array(fc.record({ gap: fc.nat(3), count: fc.integer({ min: 1, max: 4 }), jump: fc.nat(2) }), { maxLength: 8 })
  .map((parts) => {
    const extents: Extent[] = []
    let block = 0
    let device = 100
    for (const { gap, count, jump } of parts) {
      extents.push(makeExtent(block + gap, device + jump, count))
      block += gap + count
      device += jump + count
    }
    return extents
  })
const ranges = fc
  .array(fc.record({ start: fc.nat(40), count: fc.nat(8) }), { maxLength: 5 })
  .map((list) => list.map(({ start, count }) => range(start, start + count)))

const blocks = (extents: readonly Extent[]) =>
  extents.flatMap(({ fileBlock, deviceBlock, count }) =>
    Array.from({ length: count }, (_, index) => [fileBlock + index, deviceBlock + index]),
  )
const isIn = (block: number, list: readonly FileRange[]) => list.some(({ start, end }) => block >= start && block < end)

test('split parts every block to the side it belongs to, in order', (t) => {
  t.diagnostic(`HOLDFAST_SEED=${SEED}`)
  const property = fc.property(layout, ranges, (extents, list) => {
    const { inside, outside } = split(extents, joinedRanges(list))
    assert.deepEqual(
      blocks(inside),
      blocks(extents).filter(([block]) => isIn(block, list)),
    )
    assert.deepEqual(
      blocks(outside),
      blocks(extents).filter(([block]) => !isIn(block, list)),
    )
  })
  fc.assert(property, { seed: SEED, numRuns: 2000 })
})

test('holes are the blocks of a range that no extent has', () => {
  const property = fc.property(layout, fc.nat(40), fc.nat(12), (extents, start, count) => {
    const mapped = new Set(blocks(extents).map(([block]) => block))
    const expected = Array.from({ length: count }, (_, index) => start + index).filter((block) => !mapped.has(block))
    const found = holes(extents, range(start, start + count))
    assert.deepEqual(
      found.flatMap((hole) => Array.from({ length: hole.end - hole.start }, (_, index) => hole.start + index)),
      expected,
    )
    assert.deepEqual(found, joinedRanges(found))
  })
  fc.assert(property, { seed: SEED, numRuns: 2000 })
})

test('joining keeps every block and leaves nothing to join', () => {
  const property = fc.property(layout, (extents) => {
    const joined = joinedExtents(extents.toReversed())
    assert.deepEqual(blocks(joined), blocks(extents))
    for (const [index, extent] of joined.slice(1).entries()) {
      const before = joined[index]
      const isTouching =
        before.fileBlock + before.count === extent.fileBlock && before.deviceBlock + before.count === extent.deviceBlock
      assert.ok(!isTouching)
    }
  })
  fc.assert(property, { seed: SEED, numRuns: 1000 })
  assert.deepEqual(joinedRuns([makeRun(5, 1), makeRun(3, 2), makeRun(9, 1)]), [makeRun(3, 3), makeRun(9, 1)])
})
