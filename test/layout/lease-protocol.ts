/**
 * Layout leases as actors for the explorer: a file of two blocks, holders that lease one and pin it for long, changes that
 * recall, revoke and take the block out. Leases, claims, breaks, scans and reaping are the real code; what waits in it
 * (`take`, `untilRecalled`) is asynchronous, so the roles here make the same calls in the same order, and where the real
 * code waits they look again so many times: then a holder gives up, and a change's deadline has passed.
 */
import { NEVER, releaseClaim, tryClaim } from '../../src/layout/claims.ts'
import {
  BREAK_WORDS,
  Break,
  BREAKS_START,
  BreakState,
  bucketOf,
  Record,
  RECORD_WORDS,
  RecordFlag,
  RecordKind,
  RecordStatus,
  SEQUENCE_SHIFT,
  STATUS_MASK,
} from '../../src/layout/format.ts'
import type { LeaseView } from '../../src/layout/leases.ts'
import {
  grantLease,
  isFenced,
  isRevoked,
  leasesOf,
  publishLease,
  revoke,
  withdrawLease,
} from '../../src/layout/leases.ts'
import { overlappingClaims } from '../../src/layout/overlaps.ts'
import { PinTable } from '../../src/layout/pin-table.ts'
import { BLOCK_SIZE } from '../../src/units.ts'
import type { ActorContext, ActorDefinition, Exploration, ModelMemory } from './explorer.ts'
import { Broken, explore } from './explorer.ts'
import {
  blockState,
  bytesOfBlock,
  CHUNK_BASE,
  FILE,
  initialWords,
  lockOf,
  mappedAt,
  MODEL,
  State,
  tableOf,
  TRANSACTION,
} from './pin-protocol.ts'
import { claimOf, run } from './world.ts'

const BLOCKS = [1, 2]
const OFFSETS = [0, 1]
/** Records of a slot that an actor may use. */
const RECORDS = 3
/** By actor: 1 + record, sequence and block offset of a lease that is granted, and neither given back nor revoked; or 0. */
const recordOf = (actor: number): number => MODEL + 80 + actor
const sequenceOf = (actor: number): number => MODEL + 90 + actor
const leasedAt = (actor: number): number => MODEL + 100 + actor
/** The block of a pin that was returned, or 0. */
const pinnedBy = (actor: number): number => MODEL + 110 + actor

/** 1 + number of the message below: what an actor found broken. */
const BROKEN = MODEL + 120
const UNDER_LEASE = 'a change is committed under a lease that is neither gone nor revoked'
const NOT_MEANT = 'a lease is revoked that nobody asked for'
const MESSAGES = [UNDER_LEASE, NOT_MEANT]

const firstWordOf = (actor: number, record: number): number => CHUNK_BASE(actor, 0) + record * RECORD_WORDS

/** The real code, and where a test puts a fault into it. */
export interface LeaseProtocol {
  /** What a holder does, in order. */
  takeOrder: readonly ('publish' | 'look at others' | 'look')[]
  publishLease: typeof publishLease
  withdrawLease: typeof withdrawLease
  /** What a change does, in order. */
  changeOrder: readonly ('publish' | 'recall' | 'commit' | 'advance' | 'take back')[]
  leasesOf: typeof leasesOf
  revoke: typeof revoke
  isRevoked: typeof isRevoked
  isFenced: typeof isFenced
  /** Whether blocks that are claimed become lost+found's. */
  sequesters: boolean
}

export const REAL: LeaseProtocol = {
  takeOrder: ['publish', 'look at others', 'look'],
  publishLease,
  withdrawLease,
  changeOrder: ['publish', 'recall', 'commit', 'advance', 'take back'],
  leasesOf,
  revoke,
  isRevoked,
  isFenced,
  sequesters: true,
}

interface Role {
  (protocol: LeaseProtocol): (actor: ActorContext) => void
  /** No record is used again under the eyes of others. */
  readonly usesRecordsOnce?: boolean
  readonly isExclusive?: boolean
}

const rangeOf = (offset: number): { offset: number; length: number } => ({
  offset: offset * BLOCK_SIZE,
  length: BLOCK_SIZE,
})

/**
 * Leases the block at each of some offsets, one after the other; pins it for long; gives both back. `answers`: it looks
 * whether it is asked, and gives the lease back before the pin. Nobody breaks a lease at an offset in `safe`. With
 * `exclusive` it has its leases alone, or not.
 */
export function holder(
  offsets: readonly number[],
  { answers = false, tries = 1, pins = true, exclusive = false, safe = [] as readonly number[] } = {},
): Role {
  const role: Role = (protocol) => (actor) => {
    const table = tableOf(actor, PinTable)
    actor.start()
    for (const offset of offsets) {
      let lease: number | undefined
      for (let attempt = 0; lease === undefined && attempt < tries; attempt++)
        lease = taken(protocol, table, offset, exclusive)
      if (lease === undefined) return
      const pin = pins ? pinnedForLong(protocol, actor, table, lease, offset) : undefined
      const isAsked = answers && [...breaksOf(table, offset)].length > 0
      if (isAsked) protocol.withdrawLease(table, lease, FILE)
      else if (protocol.isRevoked(table, lease) && safe.includes(offset))
        actor.step('find it revoked', (memory) => {
          memory.set(BROKEN, 1 + MESSAGES.indexOf(NOT_MEANT))
          return 0
        })
      if (pin !== undefined) {
        actor.step('let go', (memory) => {
          memory.set(pinnedBy(actor.index), 0)
          return 0
        })
        releaseClaim(table, pin, FILE)
      }
      if (!isAsked) protocol.withdrawLease(table, lease, FILE)
    }
  }
  return Object.assign(role, { usesRecordsOnce: offsets.length * tries === 1, isExclusive: exclusive })
}

const breaksOf = (table: PinTable, offset: number): ReturnType<PinTable['breaks']> =>
  table.breaks(FILE, offset * BLOCK_SIZE, (offset + 1) * BLOCK_SIZE, BreakState.waiting)

/** As `OwnLeases.take`, one attempt. */
function taken(protocol: LeaseProtocol, table: PinTable, offset: number, isExclusive: boolean): number | undefined {
  let record: number | undefined
  let isBroken = false
  let isLeased = false
  for (const step of protocol.takeOrder) {
    if (step === 'publish') {
      record = protocol.publishLease(table, { ino: FILE, ...rangeOf(offset), isExclusive, breakTimeMs: 1 })
    } else if (step === 'look at others') {
      const start = offset * BLOCK_SIZE
      isLeased = protocol
        .leasesOf(table, FILE, start, start + BLOCK_SIZE)
        .some((lease) => lease.slot !== table.own.index && !lease.isRevoked && (isExclusive || lease.isExclusive))
    } else {
      isBroken = [...breaksOf(table, offset)].length > 0
    }
  }
  if (record === undefined) return undefined
  if (!isBroken && !isLeased) {
    grantLease(table, record)
    return record
  }
  protocol.withdrawLease(table, record, FILE)
  for (const { slot } of breaksOf(table, offset)) table.reapIfDead(slot)
  return undefined
}

/** As `file.pin({ longTerm })`, one attempt. */
function pinnedForLong(
  protocol: LeaseProtocol,
  actor: ActorContext,
  table: PinTable,
  lease: number,
  offset: number,
): number | undefined {
  if (protocol.isRevoked(table, lease)) return undefined
  const bucket = bucketOf(FILE)
  const basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
  const block = actor.step('resolve', (memory) => memory.get(mappedAt(offset)))
  if (block === 0) return undefined
  const claim = claimOf({ ino: FILE, flags: RecordFlag.longTerm, ...rangeOf(offset) })
  const record = tryClaim(table, claim, [run(block)], basis)
  if (typeof record !== 'number') return undefined
  if (protocol.isRevoked(table, lease)) {
    releaseClaim(table, record, FILE)
    return undefined
  }
  actor.step('return', (memory) => {
    memory.set(pinnedBy(actor.index), block)
    return 0
  })
  return record
}

/**
 * Takes the block at an offset out of the file, asking leases so many times before it revokes them. `waits`: it goes on only
 * when what holds the block is fenced off. Then reuses what it can.
 */
export const change =
  (offset: number, { looks = 0, waits = false, reuses = true } = {}): Role =>
  (protocol) =>
  (actor) => {
    const table = tableOf(actor, PinTable)
    actor.start()
    const { offset: start, length } = rangeOf(offset)
    let index = -1
    for (const step of protocol.changeOrder) {
      if (step === 'publish') index = table.publishBreak(FILE, start, start + length, BreakState.waiting) ?? -1
      else if (step === 'recall') recall(protocol, table, offset, looks)
      else if (step === 'commit') commit(protocol, actor, table, offset, index, waits)
      else if (step === 'advance') table.advanceGeneration(bucketOf(FILE))
      else table.takeBreakBack(index)
    }
    if (reuses) reuse(actor, table, BLOCKS[offset])
  }

/** As `untilRecalled`. */
function recall(protocol: LeaseProtocol, table: PinTable, offset: number, looks: number): void {
  const inTheWay = (): LeaseView[] =>
    protocol
      .leasesOf(table, FILE, offset * BLOCK_SIZE, (offset + 1) * BLOCK_SIZE)
      .filter((lease) => !lease.isRevoked && lease.slot !== table.own.index)
  for (let look = 0; ; look++) {
    const leases = inTheWay()
    if (leases.length === 0) return
    if (look === looks) {
      for (const lease of leases) protocol.revoke(table, lease)
      return
    }
  }
}

function commit(
  protocol: LeaseProtocol,
  actor: ActorContext,
  table: PinTable,
  offset: number,
  index: number,
  waits: boolean,
): void {
  if (index >= 0) table.setBreakState(index, BreakState.committing)
  actor.step(
    'begin',
    (memory) => {
      memory.set(TRANSACTION, actor.index + 1)
      return 0
    },
    (memory) => memory.get(TRANSACTION) === 0,
  )
  const block = actor.step('look', (memory) => memory.get(mappedAt(offset)))
  const claims = block === 0 ? [] : overlappingClaims(table, bytesOfBlock(block))
  const mayGo = block !== 0 && !(waits && claims.some((claim) => !protocol.isFenced(table, FILE, claim)))
  const becomes = claims.length > 0 && protocol.sequesters ? State.lost : State.busy
  actor.step(mayGo ? 'commit' : 'roll back', (memory) => {
    memory.set(TRANSACTION, 0)
    if (!mayGo) return 0
    for (const other of [0, 1, 2]) {
      if (other !== actor.index && memory.get(leasedAt(other)) === offset + 1)
        memory.set(BROKEN, 1 + MESSAGES.indexOf(UNDER_LEASE))
    }
    memory.set(mappedAt(offset), 0)
    memory.set(blockState(block), becomes)
    return 0
  })
}

/** A reclaim pass over one block. */
function reuse(actor: ActorContext, table: PinTable, block: number): void {
  const state = actor.step('look for blocks', (memory) => memory.get(blockState(block)))
  if (state !== State.busy && state !== State.lost) return
  if (overlappingClaims(table, bytesOfBlock(block)).length > 0) return
  actor.step('reuse', (memory) => {
    if (memory.get(blockState(block)) === state) memory.set(blockState(block), State.other)
    return 0
  })
}

export interface LeaseCast {
  readonly role: Role
  readonly isMortal?: boolean
  /** With a fault. */
  readonly protocol?: Partial<LeaseProtocol>
}

/** Tries every schedule of some actors. */
export function exploreLeases(casts: Readonly<{ [name: string]: LeaseCast }>): Exploration {
  const entries = Object.entries(casts)
  const actors = entries.map(([name, { role, isMortal = false, protocol }]): ActorDefinition => {
    return { name, isMortal, run: role({ ...REAL, ...protocol }) }
  })
  const hot = [TRANSACTION, BROKEN]
  for (const block of BLOCKS) hot.push(blockState(block))
  for (const offset of OFFSETS) hot.push(mappedAt(offset))
  /** Who owns a record, by its state word and by its revoked word. */
  const states = new Map<number, { actor: number; record: number }>()
  const revokes = new Map<number, { actor: number; record: number }>()
  for (const actor of [0, 1, 2]) hot.push(leasedAt(actor))
  for (const actor of actors.keys()) {
    hot.push(lockOf(actor), recordOf(actor), sequenceOf(actor), pinnedBy(actor))
    for (let record = 0; record < RECORDS; record++) {
      states.set(firstWordOf(actor, record) + Record.state, { actor, record })
      revokes.set(firstWordOf(actor, record) + Record.revoked, { actor, record })
    }
  }
  hot.push(...states.keys(), ...revokes.keys())
  const offsetWords = new Map([...states.keys()].map((address) => [address, address + Record.offset]))
  hot.push(...offsetWords.values())
  const end = (memory: ModelMemory, actor: number): void => {
    for (const word of [recordOf, sequenceOf, leasedAt]) memory.set(word(actor), 0)
  }
  const usesRecordsOnce = entries.every(([, { role }]) => role.usesRecordsOnce !== false)
  const usesBreaksOnce = entries.every(([, { isMortal }]) => isMortal !== true)
  const isQuiet = (address: number): boolean => {
    if (address >= MODEL || address < 1_000_000) return false
    const word = address % 1_000_000
    const part = (word - 10_000) % RECORD_WORDS
    if (word >= 10_000) return usesRecordsOnce && part !== Record.state && part !== Record.revoked
    return usesBreaksOnce && word >= BREAKS_START && (word - BREAKS_START) % BREAK_WORDS !== Break.state
  }
  return explore({
    actors,
    hot,
    initial: initialWords(),
    isQuiet,
    onOperation: (memory, _, kind, address, value) => {
      if (kind !== 'store' && kind !== 'set') return
      const revoked = revokes.get(address)
      if (revoked !== undefined) {
        const { actor, record } = revoked
        if (memory.get(recordOf(actor)) === record + 1 && memory.get(sequenceOf(actor)) === value) end(memory, actor)
      }
      const own = states.get(address)
      if (own === undefined) return
      const { actor, record } = own
      const isGrant = (value & STATUS_MASK) === RecordStatus.granted && (value & 0xf0) === RecordKind.lease
      if (isGrant) {
        const isOver = memory.get(address + Record.revoked) === value >>> SEQUENCE_SHIFT
        if (isOver) return
        const place = memory.get(offsetWords.get(address)!) / BLOCK_SIZE + 1
        const isAlone = (other: number): boolean => entries[other][1].role.isExclusive === true
        for (const other of actors.keys()) {
          if (other !== actor && memory.get(leasedAt(other)) === place && (isAlone(actor) || isAlone(other)))
            throw new Broken('two leases are held of which one is exclusive')
        }
        memory.set(recordOf(actor), record + 1)
        memory.set(sequenceOf(actor), value >>> SEQUENCE_SHIFT)
        memory.set(leasedAt(actor), place)
      } else if ((value & STATUS_MASK) === RecordStatus.free && memory.get(recordOf(actor)) === record + 1) {
        end(memory, actor)
      }
    },
    onDeath: (memory, actor) => {
      end(memory, actor)
      memory.set(pinnedBy(actor), 0)
      for (const slot of actors.keys()) if (memory.get(lockOf(slot)) === actor + 1) memory.set(lockOf(slot), 0)
      if (memory.get(TRANSACTION) === actor + 1) memory.set(TRANSACTION, 0)
    },
    check: (memory) => {
      const broken = memory.get(BROKEN)
      if (broken !== 0) throw new Broken(MESSAGES[broken - 1])
      for (const actor of actors.keys()) {
        const block = memory.get(pinnedBy(actor))
        if (block === 0) continue
        const state = memory.get(blockState(block))
        if (state === State.other || state === State.free)
          throw new Broken(`promise 1: block ${block} is pinned and another file has it`)
        if (state === State.busy) throw new Broken(`promise 2: a change took block ${block} and did not count its pin`)
      }
    },
  })
}
