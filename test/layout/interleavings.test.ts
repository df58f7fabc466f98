/**
 * Every schedule of the pin protocol (design, section 5), with deaths between any two operations, and the faults that
 * must be found by it. HOLDFAST_EXPLORE=large explores larger casts: minutes, and some GiB of memory.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { breakInTheWayOf, hasBreak, releaseClaim, tryClaim } from '../../src/layout/claims.ts'
import { BreakState, bucketOf } from '../../src/layout/format.ts'
import { PinTable } from '../../src/layout/pin-table.ts'
import type { Cast, Protocol } from './pin-protocol.ts'
import { breaker, exploreCast, pinner, reaper } from './pin-protocol.ts'

type Casts = Record<string, Cast>

const CASTS: Record<string, Casts> = {
  'a pinner and a change, both mortal': {
    pinner: { role: pinner([0]), isMortal: true },
    change: { role: breaker(0), isMortal: true },
  },
  'a pinner that comes back and a change that waits': {
    pinner: { role: pinner([0], { pins: 2, tries: 2 }) },
    change: { role: breaker(0, { waits: true, reclaims: false }) },
  },
  'a pinner that tidies between its pins and a change': {
    pinner: { role: pinner([0], { pins: 2, tries: 1, tidies: true }) },
    change: { role: breaker(0) },
  },
  'two pinners and a change': {
    'first pinner': { role: pinner([0], { tries: 1 }) },
    'second pinner': { role: pinner([0], { tries: 1 }) },
    change: { role: breaker(0, { reclaims: false }) },
  },
  'a pinner and two changes': {
    pinner: { role: pinner([0], { tries: 1 }) },
    'first change': { role: breaker(0, { reclaims: false }) },
    'second change': { role: breaker(0, { reclaims: false }) },
  },
  'a pinner, a change that dies and a reaper': {
    pinner: { role: pinner([0], { tries: 1 }) },
    change: { role: breaker(0, { reclaims: false }), isMortal: true },
    reaper: { role: reaper },
  },
  'a pinner that dies, a change and a reaper': {
    pinner: { role: pinner([0], { tries: 1 }), isMortal: true },
    change: { role: breaker(0, { reclaims: false }) },
    reaper: { role: reaper },
  },
  'a pinner of two runs and a change of the second, both mortal': {
    pinner: { role: pinner([0, 1]), isMortal: true },
    change: { role: breaker(1), isMortal: true },
  },
  'a pinner that pins twice under one layout and a change': {
    pinner: { role: pinner([0], { pins: 2, tries: 1, caches: true }) },
    change: { role: breaker(0) },
  },
  'a pinner of a block that a collapse moves and a punch takes': {
    pinner: { role: pinner([1]), isMortal: true },
    change: { role: breaker(0, { collapses: true }) },
  },
}

const LARGE_CASTS: Record<string, Casts> = {
  'a pinner that pins twice under one layout, a change that dies and a reaper': {
    pinner: { role: pinner([0], { pins: 2, tries: 1, caches: true }) },
    change: { role: breaker(0, { reclaims: false }), isMortal: true },
    reaper: { role: reaper },
  },
  'two mortal pinners and a mortal change': {
    'first pinner': { role: pinner([0]), isMortal: true },
    'second pinner': { role: pinner([0], { tries: 1 }), isMortal: true },
    change: { role: breaker(0), isMortal: true },
  },
  'a mortal pinner, two mortal changes': {
    pinner: { role: pinner([0], { tries: 1 }), isMortal: true },
    'first change': { role: breaker(0), isMortal: true },
    'second change': { role: breaker(0), isMortal: true },
  },
}

const isLarge = process.env['HOLDFAST_EXPLORE'] === 'large'

describe('promises 1, 2, 3, 5 and 9 hold in every schedule of', () => {
  for (const [name, casts] of Object.entries({ ...CASTS, ...(isLarge ? LARGE_CASTS : {}) })) {
    test(name, (t) => {
      const asksPromise3 = name in CASTS
      const { states, transitions, hotWords, violation } = exploreCast(casts, { asksPromise3 })
      assert.equal(
        violation,
        undefined,
        violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n'),
      )
      t.diagnostic(`${states} states, ${transitions} transitions, ${hotWords} words that others change`)
    })
  }
})

/** Claims, with a fault. */
const withoutRecheck: Protocol['tryClaim'] = (table, claim, runs) => {
  const record = table.own.publish(claim, runs)
  table.own.grant(record)
  return record
}

const generationBeforeBreaks: Protocol['tryClaim'] = (table, claim, runs, { generation }) => {
  const record = table.own.publish(claim, runs)
  const isSame = table.generation(bucketOf(claim.ino)) === generation
  const isBroken = hasBreak(table, claim.ino as never, claim.offset, claim.length, breakInTheWayOf(claim.kind))
  if (isSame && !isBroken) {
    table.own.grant(record)
    return record
  }
  releaseClaim(table, record, claim.ino)
  return 'stale'
}

/** A pinner that minds changes which are being committed, and none that waits. */
const pastWhoWaits: Protocol['tryClaim'] = (table, claim, runs, { bucket, generation }) => {
  const record = table.own.publish(claim, runs)
  const isBroken = hasBreak(table, claim.ino as never, claim.offset, claim.length, BreakState.committing)
  if (!isBroken && table.generation(bucket) === generation) {
    table.own.grant(record)
    return record
  }
  releaseClaim(table, record, claim.ino)
  return 'break'
}

const onlyFirstRun: Protocol['tryClaim'] = (table, claim, runs, { generation }) => {
  const record = table.own.publish(claim, runs.slice(0, 1))
  const bucket = bucketOf(claim.ino)
  if (table.breakCount(bucket) === 0 && table.generation(bucket) === generation) {
    table.own.grant(record)
    return record
  }
  releaseClaim(table, record, claim.ino)
  return 'stale'
}

/** A pinner that remembers the arrivals although a break is published. */
const rememberedTooSoon: Protocol['tryClaim'] = (table, claim, runs, basis) => {
  const arrivals = table.arrivals(basis.bucket)
  const record = tryClaim(table, claim, runs, basis)
  if (typeof record === 'number') basis.arrivals = arrivals
  return record
}

/** A pinner that looks at the breaks first, and at the arrivals to remember afterwards. */
const rememberedTooLate: Protocol['tryClaim'] = (table, claim, runs, basis) => {
  const isCalm = table.breakCount(basis.bucket) === 0
  const record = tryClaim(table, claim, runs, basis)
  if (typeof record === 'number' && isCalm) basis.arrivals = table.arrivals(basis.bucket)
  return record
}

/** A table whose breaks come without being counted among the arrivals. */
class SilentTable extends PinTable {
  override countArrival(): number {
    return 0
  }
}

/** A table that clears a dead owner's break as if nothing could have been committed. */
class ForgetfulTable extends PinTable {
  override advanceGeneration(): void {}
}

const with_ = (casts: Casts, protocol: Partial<Protocol>): Casts =>
  Object.fromEntries(Object.entries(casts).map(([name, cast]) => [name, { ...cast, protocol }]))

const PAIR: Casts = { pinner: { role: pinner([0]) }, change: { role: breaker(0) } }
const CACHING = CASTS['a pinner that pins twice under one layout and a change']
const REAPED = CASTS['a pinner, a change that dies and a reaper']

const FAULTS: Record<string, { casts: Casts; promise: RegExp }> = {
  'a pin is granted without looking again': {
    casts: with_(PAIR, { tryClaim: withoutRecheck }),
    promise: /promise [12]/,
  },
  'the generation is checked before the breaks': {
    casts: with_(PAIR, { tryClaim: generationBeforeBreaks }),
    promise: /promise [12]/,
  },
  'a change arrives uncounted': {
    casts: { ...CACHING, change: { ...CACHING['change'], protocol: { Table: SilentTable } } },
    promise: /promise [12]/,
  },
  'arrivals are remembered while a break is published': {
    casts: with_(CACHING, { tryClaim: rememberedTooSoon }),
    promise: /promise [12]/,
  },
  'arrivals are remembered that came after the look at the breaks': {
    casts: with_(CACHING, { tryClaim: rememberedTooLate }),
    promise: /promise [12]/,
  },
  'a dead change’s break is cleared and the generation left as it is': {
    casts: {
      ...REAPED,
      pinner: { ...REAPED['pinner'], protocol: { Table: ForgetfulTable } },
      reaper: { ...REAPED['reaper'], protocol: { Table: ForgetfulTable } },
    },
    promise: /promise [12]/,
  },
  'a change scans before it publishes its break': {
    casts: with_(PAIR, { changeOrder: ['scan', 'publish', 'commit', 'advance', 'take back'] }),
    promise: /promise [12]/,
  },
  'a change takes its break back before the generation goes up': {
    casts: with_(PAIR, { changeOrder: ['publish', 'scan', 'commit', 'take back', 'advance'] }),
    promise: /promise [12]/,
  },
  'a change compares offsets of the file instead of blocks': {
    casts: with_(CASTS['a pinner of a block that a collapse moves and a punch takes'], {
      counted: (claims, offset) => claims.filter((claim) => claim.offset === offset * 4096).length,
    }),
    promise: /promise [12]/,
  },
  'a pin goes past a change that waits': {
    casts: with_(CASTS['a pinner that comes back and a change that waits'], { tryClaim: pastWhoWaits }),
    promise: /promise 3/,
  },
  'a change frees its blocks before it commits': {
    casts: with_(REAPED, { changeOrder: ['publish', 'scan', 'free', 'commit', 'advance', 'take back'] }),
    promise: /promise [125]/,
  },
  'blocks are reused before what freed them is durable': {
    casts: with_(PAIR, { syncsBeforeReuse: false }),
    promise: /promise 5/,
  },
  'blocks are reused without a scan': { casts: with_(PAIR, { scansBeforeReuse: false }), promise: /promise 1/ },
  'a count goes from 0 to 1': { casts: with_(PAIR, { resurrects: true }), promise: /promise [12]/ },
  'a record of two runs names only the first': {
    casts: with_(CASTS['a pinner of two runs and a change of the second, both mortal'], { tryClaim: onlyFirstRun }),
    promise: /promise [12]/,
  },
}

describe('the explorer finds that', () => {
  for (const [name, { casts, promise }] of Object.entries(FAULTS)) {
    test(name, (t) => {
      const { states, violation } = exploreCast(casts)
      assert.match(violation?.message ?? 'nothing', promise)
      t.diagnostic(`after ${states} states: ${violation?.message}, in ${violation?.schedule.length} steps`)
    })
  }
})
