/**
 * Every schedule of stable pins against who writes (src/layout/stable.ts, copy-on-write.ts), with deaths between any two
 * operations, and the faults that must be found by it. HOLDFAST_EXPLORE=large explores larger casts: minutes.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { releaseClaim, tryClaim } from '../../src/layout/claims.ts'
import { bucketOf, Bucket } from '../../src/layout/format.ts'
import { isStable } from '../../src/layout/stable.ts'
import { bytesOfBlock } from './pin-protocol.ts'
import type { StableCast, StableProtocol } from './stable-protocol.ts'
import {
  copier,
  copyWriter,
  exploreStable,
  stableHolder,
  stableKeeper,
  stablePinner,
  writePinner,
  writerThenPinner,
} from './stable-protocol.ts'

type Casts = Record<string, StableCast>

const once = { tries: 1, looks: 0 }

const CASTS: Record<string, Casts> = {
  'a stable pin and a write by copy that copies the block': {
    pinner: { role: stablePinner(once) },
    writer: { role: copyWriter() },
  },
  'a stable pin and two writes under one layout': {
    pinner: { role: stablePinner(once) },
    writer: { role: copyWriter({ writes: 2, tries: 1 }) },
  },
  'a stable pin and a write pin': {
    pinner: { role: stablePinner(once) },
    writer: { role: writePinner() },
  },
  'a stable pin that is held, a write by copy and a copy-on-write': {
    holder: { role: stableHolder },
    writer: { role: copyWriter({ tries: 1 }) },
    copy: { role: copier() },
  },
  'a stable pin that is kept, a write by copy that copies the block and a write by copy': {
    keeper: { role: stableKeeper },
    writer: { role: copyWriter() },
    other: { role: copyWriter({ tries: 1 }) },
  },
  'a stable pin, and a copy-on-write that reuses the block, both mortal': {
    pinner: { role: stablePinner(once), isMortal: true },
    copy: { role: copier({ reuses: true }), isMortal: true },
  },
  'a stable pin and a write by copy, both mortal': {
    pinner: { role: stablePinner(once), isMortal: true },
    writer: { role: copyWriter(), isMortal: true },
  },
  'a stable pin and a write pin, both mortal': {
    pinner: { role: stablePinner(once), isMortal: true },
    writer: { role: writePinner(), isMortal: true },
  },
  'a stable pin that is held, a write pin and a copy-on-write': {
    holder: { role: stableHolder },
    writer: { role: writePinner({ tries: 1 }) },
    copy: { role: copier() },
  },
}

const isLarge = process.env['HOLDFAST_EXPLORE'] === 'large'
const LARGE_CASTS: Record<string, Casts> = {
  'a stable pin that looks twice, and a write by copy': {
    pinner: { role: stablePinner({ tries: 1, looks: 1, watches: true }) },
    writer: { role: copyWriter() },
  },
  'a stable pin that is held, a write by copy that copies the block and a write by copy': {
    holder: { role: stableHolder },
    writer: { role: copyWriter() },
    other: { role: copyWriter({ tries: 1 }) },
  },
}

describe('the bytes of a stable pin stay, no write is lost and no write pin loses its block in every schedule of', () => {
  for (const [name, casts] of Object.entries({ ...CASTS, ...(isLarge ? LARGE_CASTS : {}) })) {
    test(name, (t) => {
      const { states, transitions, hotWords, violation } = exploreStable(casts)
      assert.equal(
        violation,
        undefined,
        violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n'),
      )
      t.diagnostic(`${states} states, ${transitions} transitions, ${hotWords} words that others change`)
    })
  }
})

/** A writer that looks for stable pins, and then publishes its claim. */
const looksFirst: StableProtocol['tryClaim'] = (table, claim, runs, basis) => {
  if (claim.flags === 1 && isStable(table, claim.ino as never, bytesOfBlock(runs[0].start))) return 'stable'
  const record = table.own.publish(claim, runs)
  const isBroken = table.breakCount(basis.bucket) > 0
  if (isBroken || table.generation(basis.bucket) !== basis.generation) {
    releaseClaim(table, record, claim.ino)
    return isBroken ? 'break' : 'stale'
  }
  table.own.grant(record)
  return record
}

/** A writer that remembers the arrivals although a stable pin is counted. */
const remembersTooSoon: StableProtocol['tryClaim'] = (table, claim, runs, basis) => {
  const arrivals = table.arrivals(basis.bucket)
  const record = tryClaim(table, claim, runs, basis)
  if (typeof record === 'number') basis.arrivals = arrivals
  return record
}

const arrivesBeforeItCounts: StableProtocol['beginStable'] = (table, ino) => {
  table.countArrival(bucketOf(ino))
  table.memory.table.add(bucketOf(ino) + Bucket.stables, 1)
}

const with_ = (casts: Casts, protocol: Partial<StableProtocol>): Casts =>
  Object.fromEntries(Object.entries(casts).map(([name, cast]) => [name, { ...cast, protocol }]))

const COPYING = CASTS['a stable pin and a write by copy that copies the block']
const TWICE = CASTS['a stable pin and two writes under one layout']
const PINNING = CASTS['a stable pin and a write pin']

const HELD = CASTS['a stable pin that is held, a write by copy and a copy-on-write']

const CHANGED = /a stable pin has changed/

const FAULTS: Record<string, { casts: Casts; broken: RegExp }> = {
  'a stable pin does not scan': { casts: with_(COPYING, { scans: false }), broken: CHANGED },
  'a stable pin scans before it is granted': { casts: with_(COPYING, { scansGranted: false }), broken: CHANGED },
  'a stable pin is counted when it has scanned': { casts: with_(COPYING, { countsAt: 'scanned' }), broken: CHANGED },
  'a stable pin is published before it is counted, and who buries it takes another’s count': {
    casts: {
      dying: { role: stableHolder, isMortal: true, protocol: { countsAt: 'published' } },
      holder: { role: stableHolder },
      writer: { role: copyWriter({ tries: 1, reaps: true }) },
    },
    broken: CHANGED,
  },
  'arrivals go up before a stable pin is counted': {
    casts: with_(TWICE, { beginStable: arrivesBeforeItCounts }),
    broken: CHANGED,
  },
  'arrivals are remembered although a stable pin is counted': {
    casts: with_(TWICE, { tryClaim: remembersTooSoon }),
    broken: CHANGED,
  },
  'a writer looks for stable pins before it publishes its claim': {
    casts: with_(COPYING, { tryClaim: looksFirst }),
    broken: CHANGED,
  },
  'a stable pin and a copy-on-write ignore write pins': {
    casts: with_(PINNING, { writers: (claims) => claims.filter((claim) => claim.isWrite && claim.kind === 'copy') }),
    broken: /stable pin has changed|has left the file/,
  },
  'a copy-on-write ignores write pins': {
    casts: {
      holder: { role: stableHolder },
      writer: { role: writePinner({ tries: 1 }) },
      copy: { role: copier(), protocol: { writers: () => [] } },
    },
    broken: /has left the file/,
  },
  'a copy-on-write copies the bytes before its break': {
    casts: {
      writer: { role: writerThenPinner },
      copy: { role: copier(), protocol: { copyOrder: ['copy', 'publish', 'commit', 'advance', 'take back'] } },
    },
    broken: /a write is lost/,
  },
  'a copy-on-write takes its break back before the generation goes up': {
    casts: with_(HELD, { copyOrder: ['publish', 'copy', 'commit', 'take back', 'advance'] }),
    broken: /a write is lost/,
  },
}

describe('the explorer finds that', () => {
  for (const [name, { casts, broken }] of Object.entries(FAULTS)) {
    test(name, (t) => {
      const { states, violation } = exploreStable(casts)
      assert.match(violation?.message ?? 'nothing', broken)
      t.diagnostic(`after ${states} states: ${violation?.message}, in ${violation?.schedule.length} steps`)
    })
  }
})
