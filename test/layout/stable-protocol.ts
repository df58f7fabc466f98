/**
 * Stable pins as actors for the explorer: a file of one block, a fresh block for its copy, and content that is a bit for
 * each write. Claims, breaks, scans and reaping are the real code; what waits in it (`untilNobodyWrites`, `copyOnWrite`) is
 * asynchronous, so the roles here make the same calls in the same order, and where the real code waits they look again so
 * many times, then give up as at a deadline.
 */
import { NEVER, refusalOf, releaseClaim, tryClaim } from '../../src/layout/claims.ts'
import type { Basis } from '../../src/layout/claims.ts'
import {
  Break,
  BREAK_WORDS,
  BREAKS_START,
  BreakState,
  bucketOf,
  Record,
  RECORD_WORDS,
  RecordFlag,
  RecordKind,
  RecordStatus,
} from '../../src/layout/format.ts'
import { bytesOfRecord, overlappingClaims, wholeBlocks } from '../../src/layout/overlaps.ts'
import type { ClaimView } from '../../src/layout/overlaps.ts'
import { PinTable } from '../../src/layout/pin-table.ts'
import { beginStable, endStable, isGrantedStable } from '../../src/layout/stable.ts'
import { BLOCK_SIZE } from '../../src/units.ts'
import type { ActorContext, ActorDefinition, Exploration, ModelMemory } from './explorer.ts'
import { Broken, explore } from './explorer.ts'
import {
  blockState,
  bytesOfBlock,
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

const [OLD, FRESH] = [1, 2]
/** Bits of the writes that are in a block. */
const contentOf = (block: number): number => MODEL + 80 + block
/** Bits of the writes whose calls have returned. */
const DONE = MODEL + 90
/** By actor: the block of a stable pin that was returned, its content then; the block of a write pin. */
const stableAt = (actor: number): number => MODEL + 100 + actor
const snapshotOf = (actor: number): number => MODEL + 110 + actor
const writtenAt = (actor: number): number => MODEL + 120 + actor
/** What another file writes to a block that it was given. */
const FOREIGN = 1 << 20

/** The real code, and where a test puts a fault into it. */
export interface StableProtocol {
  tryClaim: typeof tryClaim
  /** When a stable pin is counted: before it is published, behind it, or when it has scanned. */
  countsAt: 'begin' | 'published' | 'scanned'
  beginStable: typeof beginStable
  /** Whether a stable pin looks for writers when it is granted. */
  scans: boolean
  /** Whether it is granted before it scans. */
  scansGranted: boolean
  /** Which claims on the blocks a copy-on-write, or a stable pin, stays away from. */
  writers: (claims: readonly ClaimView[]) => readonly ClaimView[]
  copyOrder: readonly ('publish' | 'copy' | 'commit' | 'advance' | 'take back')[]
}

export const REAL: StableProtocol = {
  tryClaim,
  countsAt: 'begin',
  beginStable,
  scans: true,
  scansGranted: true,
  writers: (claims) => claims.filter((claim) => claim.isWrite),
  copyOrder: ['publish', 'copy', 'commit', 'advance', 'take back'],
}

type Role = (protocol: StableProtocol) => (actor: ActorContext) => void

const bitOf = (actor: ActorContext, which: number): number => 1 << (actor.index * 4 + which)
const claimFor = (kind: number, flags: number) => claimOf({ kind, flags, ino: FILE, offset: 0, length: BLOCK_SIZE })

/** The layout under a generation, as a cache has it. */
class Cache {
  basis: Basis | undefined
  block = 0

  resolve(actor: ActorContext, table: PinTable): Basis {
    if (this.basis === undefined) {
      const bucket = bucketOf(FILE)
      this.basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
      this.block = actor.step('resolve', (memory) => memory.get(mappedAt(0)))
    }
    return this.basis
  }
}

function reapBreakers(table: PinTable): void {
  for (const { slot } of table.breaks(FILE, 0, Infinity, BreakState.waiting)) table.reapIfDead(slot)
}

/** Takes a stable pin, holds it, lets go. */
export const stablePinner =
  ({ tries = 2, looks = 1, watches = false } = {}): Role =>
  (protocol) =>
  (actor) => {
    const table = tableOf(actor, PinTable)
    actor.start()
    if (protocol.countsAt === 'begin') protocol.beginStable(table, FILE)
    const record = pinned(protocol, actor, table, tries)
    if (record === undefined) return endStable(table, FILE)
    if (protocol.countsAt === 'published') protocol.beginStable(table, FILE)
    const isStable = becomesStable(protocol, table, record, looks, watches)
    if (protocol.countsAt === 'scanned') protocol.beginStable(table, FILE)
    if (isStable) {
      const [{ start }] = bytesOfRecord(table, record)
      hold(actor, start / BLOCK_SIZE)
    }
    releaseClaim(table, record, FILE)
    endStable(table, FILE)
  }

/** Has a stable pin from the beginning, and lets go. */
export const stableHolder: Role = (protocol) => (actor) => {
  const { table, record } = heldFromTheBeginning(protocol, actor)
  if (protocol.countsAt !== 'begin') protocol.beginStable(table, FILE)
  hold(actor, OLD)
  releaseClaim(table, record, FILE)
  endStable(table, FILE)
}

/** Has a stable pin from the beginning to the end. */
export const stableKeeper: Role = (protocol) => (actor) => {
  heldFromTheBeginning(protocol, actor)
  take(actor, OLD)
}

function heldFromTheBeginning(protocol: StableProtocol, actor: ActorContext): { table: PinTable; record: number } {
  const table = tableOf(actor, PinTable)
  if (protocol.countsAt === 'begin') protocol.beginStable(table, FILE)
  const record = table.own.publish(claimFor(RecordKind.pin, RecordFlag.stable), [run(OLD)])
  table.own.setStatus(record, RecordStatus.granted)
  actor.start()
  return { table, record }
}

function take(actor: ActorContext, block: number): void {
  actor.step('return', (memory) => {
    memory.set(stableAt(actor.index), block)
    memory.set(snapshotOf(actor.index), memory.get(contentOf(block)))
    return 0
  })
}

function hold(actor: ActorContext, block: number): void {
  take(actor, block)
  actor.step('let go', (memory) => {
    memory.set(stableAt(actor.index), 0)
    return 0
  })
}

function pinned(protocol: StableProtocol, actor: ActorContext, table: PinTable, tries: number): number | undefined {
  for (let attempt = 0; attempt < tries; attempt++) {
    const cache = new Cache()
    const basis = cache.resolve(actor, table)
    const record = protocol.tryClaim(table, claimFor(RecordKind.pin, RecordFlag.stable), [run(cache.block)], basis)
    if (typeof record === 'number') return record
    if (record === 'break') reapBreakers(table)
  }
  return undefined
}

/** As `untilNobodyWrites`. */
function becomesStable(
  protocol: StableProtocol,
  table: PinTable,
  record: number,
  looks: number,
  watches: boolean,
): boolean {
  const blocks = bytesOfRecord(table, record).map(wholeBlocks)
  const writes = (): boolean => protocol.writers(overlappingClaims(table, blocks)).length > 0
  for (let look = 0; ; look++) {
    if (protocol.scansGranted) table.own.setStatus(record, RecordStatus.granted)
    else table.own.setStatus(record, RecordStatus.tentative)
    const isFree = !protocol.scans || !writes()
    if (isFree) {
      table.own.setStatus(record, RecordStatus.granted)
      return true
    }
    table.own.setStatus(record, RecordStatus.tentative)
    if (look === looks) return false
    const watching = watches ? table.publishBreak(FILE, 0, BLOCK_SIZE, BreakState.watching) : undefined
    const isOver = !writes()
    if (watching !== undefined) table.takeBreakBack(watching)
    if (!isOver) return false
  }
}

/** Writes by copy, as often as asked, under one layout for as long as it is good. */
export const copyWriter =
  ({ writes = 1, tries = 2, reaps = false } = {}): Role =>
  (protocol) =>
  (actor) => {
    const table = tableOf(actor, PinTable)
    actor.start()
    if (reaps) table.reap()
    const cache = new Cache()
    for (let write = 0; write < writes; write++) {
      for (let attempt = 0; attempt < tries; attempt++) {
        const refusal = writeByCopy(protocol, actor, table, cache, bitOf(actor, write))
        if (refusal === undefined) break
        cache.basis = undefined
        if (refusal === 'break') reapBreakers(table)
        if (refusal === 'stable' && attempt + 1 < tries) copyOnWrite(protocol, actor, table)
      }
    }
  }

/** Writes by copy, then takes a stable pin. */
export const writerThenPinner: Role = (protocol) => (actor) => {
  const table = tableOf(actor, PinTable)
  actor.start()
  if (writeByCopy(protocol, actor, table, new Cache(), bitOf(actor, 0)) !== undefined) return
  beginStable(table, FILE)
  const record = pinned(protocol, actor, table, 1)
  if (record === undefined || !becomesStable(protocol, table, record, 0, false)) return
  hold(actor, bytesOfRecord(table, record)[0].start / BLOCK_SIZE)
  releaseClaim(table, record, FILE)
  endStable(table, FILE)
}

/** As `withCopyClaim`. */
function writeByCopy(
  protocol: StableProtocol,
  actor: ActorContext,
  table: PinTable,
  cache: Cache,
  bit: number,
): string | undefined {
  const basis = cache.resolve(actor, table)
  const { block } = cache
  const claim = claimFor(RecordKind.copy, RecordFlag.write)
  const record = protocol.tryClaim(table, claim, [run(block)], basis)
  if (typeof record !== 'number') return record
  actor.step('write', (memory) => {
    memory.set(contentOf(block), memory.get(contentOf(block)) | bit)
    return 0
  })
  const refusal = refusalOf(table, claim, basis, record)
  releaseClaim(table, record, FILE)
  if (refusal !== undefined && refusal !== 'stable') return refusal
  actor.step('written', (memory) => {
    memory.set(DONE, memory.get(DONE) | bit)
    return 0
  })
  return undefined
}

/** Takes a write pin, writes through it, lets go. */
export const writePinner =
  ({ tries = 2 } = {}): Role =>
  (protocol) =>
  (actor) => {
    const table = tableOf(actor, PinTable)
    actor.start()
    const bit = bitOf(actor, 0)
    for (let attempt = 0; attempt < tries; attempt++) {
      const cache = new Cache()
      const basis = cache.resolve(actor, table)
      const { block } = cache
      const record = protocol.tryClaim(table, claimFor(RecordKind.pin, RecordFlag.write), [run(block)], basis)
      if (typeof record === 'number') {
        actor.step('return', (memory) => {
          memory.set(writtenAt(actor.index), block)
          return 0
        })
        actor.step('write', (memory) => {
          memory.set(contentOf(block), memory.get(contentOf(block)) | bit)
          memory.set(DONE, memory.get(DONE) | bit)
          return 0
        })
        actor.step('let go', (memory) => {
          memory.set(writtenAt(actor.index), 0)
          return 0
        })
        releaseClaim(table, record, FILE)
        return
      }
      if (record === 'break') reapBreakers(table)
      if (record === 'stable' && attempt + 1 < tries) copyOnWrite(protocol, actor, table)
    }
  }

/** A copy-on-write by itself; with `reuses`, what it took out of the file goes to another when nobody holds it. */
export const copier =
  ({ reuses = false } = {}): Role =>
  (protocol) =>
  (actor) => {
    const table = tableOf(actor, PinTable)
    actor.start()
    copyOnWrite(protocol, actor, table)
    if (!reuses) return
    const isBusy = actor.step('look for blocks', (memory) => (memory.get(blockState(OLD)) === State.busy ? 1 : 0))
    if (isBusy === 0 || overlappingClaims(table, bytesOfBlock(OLD)).length > 0) return
    actor.step('reuse', (memory) => {
      memory.set(contentOf(OLD), FOREIGN)
      return 0
    })
  }

/** As `copyOnWrite`, one attempt. */
function copyOnWrite(protocol: StableProtocol, actor: ActorContext, table: PinTable): void {
  let index = -1
  let block = 0
  const claims = (): ClaimView[] => overlappingClaims(table, bytesOfBlock(block))
  const copy = (): void => {
    actor.step('copy', (memory) => {
      memory.set(contentOf(FRESH), memory.get(contentOf(block)))
      return 0
    })
  }
  const look = (): boolean => {
    block = actor.step('look', (memory) => memory.get(mappedAt(0)))
    return block === OLD
  }
  let isGoingOn = true
  for (const step of protocol.copyOrder) {
    if (step === 'publish') {
      index = table.publishBreak(FILE, 0, BLOCK_SIZE, BreakState.committing) ?? -1
      isGoingOn = look() && claims().some(isGrantedStable) && protocol.writers(claims()).length === 0
    } else if (step === 'copy') {
      // With a fault: before anything else.
      if (index < 0) isGoingOn = look()
      if (isGoingOn) copy()
    } else if (step === 'commit') {
      if (!isGoingOn) continue
      const isFree = (memory: ModelMemory): boolean => memory.get(TRANSACTION) === 0
      actor.step('begin', (memory) => (memory.set(TRANSACTION, actor.index + 1), 0), isFree)
      const mayCommit = protocol.writers(claims()).length === 0
      actor.step(mayCommit ? 'commit' : 'roll back', (memory) => {
        memory.set(TRANSACTION, 0)
        if (!mayCommit || memory.get(mappedAt(0)) !== block) return 0
        memory.set(mappedAt(0), FRESH)
        memory.set(blockState(FRESH), State.mapped)
        memory.set(blockState(OLD), State.busy)
        return 0
      })
    } else if (step === 'advance') {
      if (isGoingOn) table.advanceGeneration(bucketOf(FILE))
    } else {
      table.takeBreakBack(index)
    }
  }
}

export interface StableCast {
  readonly role: Role
  readonly isMortal?: boolean
  /** With a fault. */
  readonly protocol?: Partial<StableProtocol>
}

/** Tries every schedule of some actors. */
export function exploreStable(casts: Readonly<{ [name: string]: StableCast }>): Exploration {
  const actors = Object.entries(casts).map(([name, { role, isMortal = false, protocol }]): ActorDefinition => {
    return { name, isMortal, run: role({ ...REAL, ...protocol }) }
  })
  const mayDie = Object.values(casts).some(({ isMortal }) => isMortal === true)
  // Each slot's claims say the same but for the block, and all breaks are of the same range: written again, they say no
  // other thing. Who buries the dead clears breaks, though.
  const saysTheSame = (address: number): boolean => {
    if (address >= MODEL) return false
    const word = address % 1_000_000
    if (word >= 10_000) return ![Record.state, Record.firstRun].includes(((word - 10_000) % RECORD_WORDS) as never)
    return !mayDie && word >= BREAKS_START && (word - BREAKS_START) % BREAK_WORDS !== Break.state
  }
  const hot = [TRANSACTION, DONE, mappedAt(0)]
  for (const block of [OLD, FRESH]) hot.push(blockState(block), contentOf(block))
  for (const actor of actors.keys()) hot.push(lockOf(actor), stableAt(actor), snapshotOf(actor), writtenAt(actor))
  const initial = initialWords()
  initial.delete(mappedAt(1))
  initial.set(blockState(FRESH), State.free)
  return explore({
    actors,
    hot,
    initial,
    isQuiet: saysTheSame,
    onDeath: (memory, actor) => {
      memory.set(stableAt(actor), 0)
      memory.set(writtenAt(actor), 0)
      for (const slot of actors.keys()) if (memory.get(lockOf(slot)) === actor + 1) memory.set(lockOf(slot), 0)
      if (memory.get(TRANSACTION) === actor + 1) memory.set(TRANSACTION, 0)
    },
    check: (memory) => {
      const mapped = memory.get(mappedAt(0))
      const done = memory.get(DONE)
      if ((memory.get(contentOf(mapped)) & done) !== done) throw new Broken('a write is lost')
      for (const actor of actors.keys()) {
        const block = memory.get(stableAt(actor))
        if (block !== 0 && memory.get(contentOf(block)) !== memory.get(snapshotOf(actor)))
          throw new Broken('a stable pin has changed')
        const written = memory.get(writtenAt(actor))
        if (written !== 0 && written !== mapped) throw new Broken('the block of a write pin has left the file')
      }
    },
  })
}
