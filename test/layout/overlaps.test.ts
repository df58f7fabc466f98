import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecordKind, REGION_SHIFT } from '../../src/layout/format.ts'
import { edgesOf } from '../../src/layout/own-slot.ts'
import { deviceBytesOf, heldParts, overlappingClaims } from '../../src/layout/overlaps.ts'
import type { Extent } from '../../src/units.ts'
import { MAX_DEVICE_BLOCKS } from '../../src/units.ts'
import { SEED } from '../support/seed.ts'
import { claimOf, run, World } from './world.ts'

const INO = 7
const B = 4096

test('claims count by the byte, at both edges of their range', () => {
  const { table } = new World().join()
  const length = 2 * B - 200
  table.own.publish(claimOf({ ino: INO, offset: 100, length, edges: edgesOf(100, length) }), [run(10, 2)])
  const isHeld = (start: number, end: number): boolean => overlappingClaims(table, [{ start, end }]).length > 0
  const first = 10 * B + 100
  const end = first + length
  assert.equal(isHeld(10 * B, first), false)
  assert.equal(isHeld(first, first + 1), true)
  assert.equal(isHeld(end - 1, end), true)
  assert.equal(isHeld(end, 12 * B), false)
})

test('open files are no claims, copies are', () => {
  const { table } = new World().join()
  table.own.publish(claimOf({ ino: INO, kind: RecordKind.open }), [])
  assert.deepEqual(overlappingClaims(table, [{ start: 0, end: 100 * B }]), [])
  table.own.publishRun(claimOf({ ino: INO, kind: RecordKind.copy }), 3, 1)
  assert.equal(overlappingClaims(table, [{ start: 0, end: 100 * B }])[0].kind, 'copy')
})

test('promise 1: a scan finds exactly the live claims that overlap, whatever was published, released and tidied before', () => {
  const MOST_BLOCKS = 700
  const block = fc.oneof(
    fc.nat(40),
    fc.nat(40).map((near) => near + (3 << REGION_SHIFT)),
    fc.nat(MAX_DEVICE_BLOCKS - MOST_BLOCKS),
  )
  const someRun = fc.record({ start: block, count: fc.integer({ min: 1, max: MOST_BLOCKS }) })
  const command = fc.oneof(
    fc.record({
      what: fc.constant('claim' as const),
      slot: fc.nat(2),
      runs: fc.array(someRun, { minLength: 1, maxLength: 14 }),
    }),
    fc.record({ what: fc.constant('release' as const), which: fc.nat() }),
    fc.record({ what: fc.constant('tidy' as const), slot: fc.nat(2) }),
    fc.record({ what: fc.constant('scan' as const), targets: fc.array(someRun, { minLength: 1, maxLength: 5 }) }),
  )
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
      const world = new World()
      const tables = [0, 1, 2].map(() => world.join().table)
      const live: { slot: number; record: number; runs: { start: number; count: number }[] }[] = []
      for (const step of commands) {
        if (step.what === 'claim') {
          const record = tables[step.slot].own.publish(
            claimOf({ ino: INO }),
            step.runs.map(({ start, count }) => run(start, count)),
          )
          live.push({ slot: step.slot, record, runs: step.runs })
        } else if (step.what === 'release') {
          const [gone] = live.splice(step.which % Math.max(live.length, 1), 1)
          if (gone !== undefined) tables[gone.slot].own.release(gone.record)
        } else if (step.what === 'tidy') {
          tables[step.slot].own.tidy()
        } else {
          const targets = disjoint(step.targets).map(({ start, count }) => ({
            start: start * B,
            end: (start + count) * B,
          }))
          const found = overlappingClaims(tables[0], targets).map(({ slot, record }) => `${slot}/${record}`)
          const expected = live
            .filter(({ runs }) =>
              runs.some((r) => targets.some((t) => r.start * B < t.end && t.start < (r.start + r.count) * B)),
            )
            .map(({ slot, record }) => `${slot}/${record}`)
          assert.deepEqual(found.toSorted(), expected.toSorted())
        }
      }
    }),
    { seed: SEED, numRuns: 200 },
  )
})

const disjoint = (runs: readonly { start: number; count: number }[]): { start: number; count: number }[] => {
  const out: { start: number; count: number }[] = []
  for (const next of runs.toSorted((a, b) => a.start - b.start)) {
    const last = out.at(-1)
    if (last === undefined || last.start + last.count <= next.start) out.push(next)
  }
  return out
}

test('what is held of leaving extents is whole blocks of exactly the claimed ones', () => {
  const { table } = new World().join()
  const extents = [
    { fileBlock: 0, deviceBlock: 100, count: 10 },
    { fileBlock: 20, deviceBlock: 50, count: 4 },
  ] as unknown as Extent[]
  table.own.publishRun(claimOf({ ino: INO, offset: 10, edges: edgesOf(10, B) }), 103, 2)
  table.own.publishRun(claimOf({ ino: INO }), 104, 3)
  table.own.publishRun(claimOf({ ino: INO }), 40, 11)
  const targets = deviceBytesOf(extents)
  assert.deepEqual(heldParts(extents, overlappingClaims(table, targets), targets), [
    { fileBlock: 3, deviceBlock: 103, count: 2 },
    { fileBlock: 5, deviceBlock: 105, count: 2 },
    { fileBlock: 20, deviceBlock: 50, count: 1 },
  ])
})

test('claims of the dead count for nothing, and are gone afterwards', () => {
  const world = new World()
  const { table } = world.join()
  const other = world.join()
  other.table.own.publishRun(claimOf({ ino: INO }), 5, 1)
  assert.equal(overlappingClaims(table, [{ start: 5 * B, end: 6 * B }]).length, 1)
  world.kill(other)
  assert.deepEqual(overlappingClaims(table, [{ start: 5 * B, end: 6 * B }]), [])
  assert.deepEqual([...table.attached()], [0])
})
