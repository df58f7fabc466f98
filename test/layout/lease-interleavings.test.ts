/**
 * Every schedule of layout leases against the changes that recall them (docs/internals/leases.md, "The protocol"), with
 * deaths between any two operations, and the faults that must be found by it. HOLDFAST_EXPLORE=large explores larger
 * casts.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chunkOf, recordAt } from '../../src/layout/own-slot.ts'
import { Bucket, bucketOf, Record, SEQUENCE_SHIFT } from '../../src/layout/format.ts'
import { publishLease } from '../../src/layout/leases.ts'
import type { LeaseCast, LeaseProtocol } from './lease-protocol.ts'
import { change, exploreLeases, holder } from './lease-protocol.ts'

type Casts = Record<string, LeaseCast>

const CASTS: Record<string, Casts> = {
  'a holder that answers and a change that asks twice': {
    holder: { role: holder([0], { answers: true, pins: false }) },
    change: { role: change(0, { looks: 1, reuses: false }) },
  },
  'a mortal holder that pins and answers, and a change': {
    holder: { role: holder([0], { answers: true }), isMortal: true },
    change: { role: change(0) },
  },
  'a silent holder that pins, and a change that waits for pins': {
    holder: { role: holder([0]) },
    change: { role: change(0, { waits: true }) },
  },
  'a holder and a change, both mortal': {
    holder: { role: holder([0], { answers: true, pins: false }), isMortal: true },
    change: { role: change(0, { looks: 1, reuses: false }), isMortal: true },
  },
  'two exclusive holders, one of them mortal': {
    'first holder': { role: holder([0], { exclusive: true, pins: false, tries: 2 }), isMortal: true },
    'second holder': { role: holder([0], { exclusive: true, pins: false, tries: 2 }) },
  },
  'a holder that tries again and a change that dies': {
    holder: { role: holder([0], { tries: 2, pins: false }) },
    change: { role: change(0, { reuses: false }), isMortal: true },
  },
  'a holder whose next lease has the record of its last, and a change of the first': {
    holder: { role: holder([0, 1], { safe: [1], pins: false }) },
    change: { role: change(0, { looks: 1, reuses: false }) },
  },
  'a holder and two changes': {
    holder: { role: holder([0], { pins: false }) },
    'first change': { role: change(0, { reuses: false }) },
    'second change': { role: change(0, { reuses: false }) },
  },
}

const LARGE_CASTS: Record<string, Casts> = {
  'an exclusive holder, another holder and a change': {
    'exclusive holder': { role: holder([0], { exclusive: true, pins: false }) },
    'other holder': { role: holder([0], { pins: false }) },
    change: { role: change(0, { reuses: false }) },
  },
  'two holders and a change': {
    'first holder': { role: holder([0], { pins: false }) },
    'second holder': { role: holder([0], { pins: false, answers: true }) },
    change: { role: change(0, { reuses: false }) },
  },
}

const isLarge = process.env['HOLDFAST_EXPLORE'] === 'large'

describe('promise 1 holds, no change is committed under a lease, an exclusive one is alone, and only the one that is meant is revoked in every schedule of', () => {
  for (const [name, casts] of Object.entries({ ...CASTS, ...(isLarge ? LARGE_CASTS : {}) })) {
    test(name, (t) => {
      const { states, transitions, hotWords, violation } = exploreLeases(casts)
      const story = violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n')
      assert.equal(violation, undefined, story)
      t.diagnostic(`${states} states, ${transitions} transitions, ${hotWords} words that others change`)
    })
  }
})

/** A revoker that takes the record for the lease, whatever use it is in by now. */
const revokesWhoeverIsThere: LeaseProtocol['revoke'] = (table, { slot, record }) => {
  const chunk = table.memory.chunk(slot, chunkOf(record))
  chunk.store(recordAt(record) + Record.revoked, chunk.load(recordAt(record) + Record.state) >>> SEQUENCE_SHIFT)
}

/** A holder whose lease its bucket does not count. */
const uncounted: LeaseProtocol['publishLease'] = (table, request) => {
  const record = publishLease(table, request)
  table.memory.table.add(bucketOf(request.ino) + Bucket.leases, -1)
  return record
}

const with_ = (casts: Casts, protocol: Partial<LeaseProtocol>): Casts =>
  Object.fromEntries(Object.entries(casts).map(([name, cast]) => [name, { ...cast, protocol }]))

const PAIR = CASTS['a holder that answers and a change that asks twice']
const UNDER_LEASE = /committed under a lease/

const FAULTS: Record<string, { casts: Casts; message: RegExp }> = {
  'a holder looks at the breaks before it publishes its lease': {
    casts: with_(PAIR, { takeOrder: ['look', 'publish', 'look at others'] }),
    message: UNDER_LEASE,
  },
  'a holder looks for exclusive leases before it publishes its own': {
    casts: with_(CASTS['two exclusive holders, one of them mortal'], {
      takeOrder: ['look at others', 'publish', 'look'],
    }),
    message: /one is exclusive/,
  },
  'a change looks at the leases before it publishes its break': {
    casts: with_(PAIR, { changeOrder: ['recall', 'publish', 'commit', 'advance', 'take back'] }),
    message: UNDER_LEASE,
  },
  'a change takes revoking for having been answered': {
    casts: with_(PAIR, { revoke: () => undefined }),
    message: UNDER_LEASE,
  },
  'a lease is not counted in its bucket': {
    casts: with_(PAIR, { publishLease: uncounted }),
    message: UNDER_LEASE,
  },
  'a revoker minds the record and not its use': {
    casts: with_(CASTS['a holder whose next lease has the record of its last, and a change of the first'], {
      revoke: revokesWhoeverIsThere,
    }),
    message: /nobody asked for/,
  },
  'revoking takes the protection with the view': {
    casts: with_(CASTS['a silent holder that pins, and a change that waits for pins'], { sequesters: false }),
    message: /promise [12]/,
  },
}

describe('the explorer finds that', () => {
  for (const [name, { casts, message }] of Object.entries(FAULTS)) {
    test(name, (t) => {
      const { states, violation } = exploreLeases(casts)
      assert.match(violation?.message ?? 'nothing', message)
      t.diagnostic(`after ${states} states: ${violation?.message}, in ${violation?.schedule.length} steps`)
    })
  }
})
