/**
 * The pin protocol as actors for the explorer: the real code of claims, breaks, scans and reaping over a model of a file
 * system that is a few words. A transaction is: begin (one at a time, lost at death), look, scan, commit in one step.
 *
 * Files: F has a block at each of two offsets. A block is free, in F, busy, in lost+found, or another file's. What of F's
 * layout is durable is known as well: what a power failure would leave.
 */
import { NEVER, refusalOf, releaseClaim, tryClaim } from '../../src/layout/claims.ts'
import type { Basis } from '../../src/layout/claims.ts'
import {
  Break,
  BREAK_WORDS,
  BREAKS_START,
  BUCKET_WORDS,
  bucketOf,
  BreakState,
  Record,
  RECORD_WORDS,
  RecordKind,
  RecordStatus,
  Slot,
  STATUS_MASK,
} from '../../src/layout/format.ts'
import { ObserverTable } from '../../src/layout/observer.ts'
import type { Claim } from '../../src/layout/own-slot.ts'
import { overlappingClaims } from '../../src/layout/overlaps.ts'
import type { ClaimView } from '../../src/layout/overlaps.ts'
import { PinTable, resetTable } from '../../src/layout/pin-table.ts'
import type { TableMemory } from '../../src/layout/surroundings.ts'
import type { Words } from '../../src/layout/words.ts'
import { BLOCK_SIZE } from '../../src/units.ts'
import type { InodeNumber } from '../../src/units.ts'
import type { ActorContext, ActorDefinition, Exploration, ModelMemory } from './explorer.ts'
import { Broken, explore } from './explorer.ts'
import { claimOf, run } from './world.ts'

export const FILE = 5 as InodeNumber
const BLOCKS = [1, 2]
const OFFSETS = [0, 1]

export const SLOT_BASE = (slot: number): number => 1_000_000 * (slot + 1)
export const CHUNK_BASE = (slot: number, chunk: number): number => SLOT_BASE(slot) + 10_000 + chunk * 70_000
const breakStateOf = (slot: number): number => SLOT_BASE(slot) + BREAKS_START + Break.state
export const MODEL = 100_000_000
/** Who is in a transaction: actor + 1. */
export const TRANSACTION = MODEL + 0
export const lockOf = (slot: number): number => MODEL + 10 + slot
export const blockState = (block: number): number => MODEL + 20 + block
/** Block at an offset of F, 0: a hole. */
export const mappedAt = (offset: number): number => MODEL + 30 + offset
/** The same as it is durable. */
const durableAt = (offset: number): number => MODEL + 72 + offset
/** Masks of blocks, by actor: mapped where it wants them at an instant since its call; wanted; held by a granted pin. */
const seenBy = (actor: number): number => MODEL + 40 + actor
const wantedBy = (actor: number): number => MODEL + 50 + actor
const heldBy = (actor: number): number => MODEL + 60 + actor
/** Slots, by bit, whose break was in force in the range of an actor when it called. */
const brokenAtCall = (actor: number): number => MODEL + 76 + actor
/** A block whose copy was taken for the file's and was not. */
const MISREAD = MODEL + 70

export const State = { free: 0, mapped: 1, busy: 2, lost: 3, other: 4 } as const

const maskOf = (blocks: readonly number[]): number =>
  BLOCKS.reduce((mask, block) => mask + (blocks.includes(block) ? 1 << block : 0), 0)
const inMask = (mask: number): number[] => BLOCKS.filter((block) => (mask & (1 << block)) !== 0)
export const bytesOfBlock = (block: number): { start: number; end: number }[] => [
  { start: block * BLOCK_SIZE, end: (block + 1) * BLOCK_SIZE },
]

/** The real code, and where a test puts a fault into it. */
export interface Protocol {
  tryClaim: typeof tryClaim
  /** What an actor's table is made with. */
  Table: typeof PinTable
  /** Which claims a change counts. */
  counted: (claims: readonly ClaimView[], offset: number) => number
  /** What a change does, in order. */
  changeOrder: readonly ('publish' | 'scan' | 'free' | 'commit' | 'advance' | 'take back')[]
  /** Whether a reclaim scans for claims. */
  scansBeforeReuse: boolean
  /** Whether a reclaim makes durable first what freed the blocks. */
  syncsBeforeReuse: boolean
  /** After its release a pin is used again. */
  resurrects: boolean
  /** How who only reads looks again after its copy. */
  refusalOf: typeof refusalOf
  resetTable: typeof resetTable
}

export const REAL: Protocol = {
  tryClaim,
  Table: PinTable,
  counted: (claims) => claims.length,
  changeOrder: ['publish', 'scan', 'commit', 'advance', 'take back'],
  scansBeforeReuse: true,
  syncsBeforeReuse: true,
  resurrects: false,
  refusalOf,
  resetTable,
}

/** A participant in the slot of its number. */
export function tableOf(actor: ActorContext, Table: typeof PinTable): PinTable {
  const memory = memoryOf(actor)
  const locks = actor.words(lockOf(0))
  const liveness = {
    isAlive: (slot: number) => locks.load(slot) !== 0,
    tryOwn: (slot: number) => locks.compareExchange(slot, 0, actor.index + 1) === 0,
    disown: (slot: number) => locks.store(slot, 0),
  }
  const bells = { ring: () => {}, onRing: () => {}, setWaiting: () => {} }
  const clock = { nowMs: () => 0, steadyMs: () => 0, coarseMs: () => 0, after: () => () => {} }
  locks.store(actor.index, actor.index + 1)
  return new Table({ memory, liveness, bells, clock }, actor.index, { pid: 0, threadId: 0, startTime: 0 })
}

const memoryOf = (actor: ActorContext): TableMemory => ({
  table: actor.words(0),
  slot: (slot) => withoutRinging(actor.words(SLOT_BASE(slot))),
  chunk: (slot, chunk) => actor.words(CHUNK_BASE(slot, chunk)),
})

/** Bells are of no interest for safety: they are rung already. */
const withoutRinging = (words: Words): Words => ({
  ...words,
  compareExchange: (index, expected, replacement) =>
    index === Slot.rung ? 1 : words.compareExchange(index, expected, replacement),
})

function noteMapped(memory: ModelMemory, actors: number, offsetsOf: (actor: number) => readonly number[]): void {
  for (let actor = 0; actor < actors; actor++) {
    const blocks = offsetsOf(actor).map((offset) => memory.get(mappedAt(offset)))
    memory.set(seenBy(actor), maskOf([...inMask(memory.get(seenBy(actor))), ...blocks]))
  }
}

interface Role {
  (protocol: Protocol, scene: Scene): (actor: ActorContext) => void
}

interface Scene {
  /** Call it in a step that changes what is mapped. */
  noteMapped(memory: ModelMemory): void
  /** Call it in the step in which an actor asks for a pin. */
  noteBroken(memory: ModelMemory, actor: number): void
}

interface Pinner extends Role {
  readonly offsets: readonly number[]
  /** No record is used again under the eyes of a scanner. */
  readonly usesRecordsOnce: boolean
}

/**
 * Pins the blocks at some offsets, lets go, as often as asked. Retries what is stale or broken, as `pinRange` does. With
 * `caches`, a layout that was read serves the next pins too, until one is refused.
 */
export function pinner(
  offsets: readonly number[],
  { pins = 1, tries = 2, tidies = false, caches = false } = {},
): Pinner {
  const role: Role = (protocol, scene) => (actor) => {
    const table = tableOf(actor, protocol.Table)
    actor.start()
    const bucket = bucketOf(FILE)
    let basis: Basis | undefined
    let mask = 0
    for (let pin = 0; pin < pins; pin++) {
      actor.step('call', (memory) => {
        memory.set(seenBy(actor.index), maskOf(offsets.map((offset) => memory.get(mappedAt(offset)))))
        scene.noteBroken(memory, actor.index)
        return 0
      })
      for (let attempt = 0; attempt < tries; attempt++) {
        if (basis === undefined) {
          basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
          mask = actor.step('resolve', (memory) => {
            const blocks = offsets.map((offset) => memory.get(mappedAt(offset)))
            const wanted = blocks.includes(0) ? 0 : maskOf(blocks)
            memory.set(wantedBy(actor.index), wanted)
            return wanted
          })
          if (mask === 0) return
        }
        // Two runs even where blocks touch: a record with a continuation.
        const runs = inMask(mask).map((block) => run(block))
        const claim: Claim = claimOf({
          ino: FILE,
          offset: offsets[0] * BLOCK_SIZE,
          length: offsets.length * BLOCK_SIZE,
        })
        const record = protocol.tryClaim(table, claim, runs, basis)
        if (typeof record !== 'number' || !caches) basis = undefined
        if (typeof record === 'number') {
          releaseClaim(table, record, FILE)
          if (protocol.resurrects) {
            const again = table.own.publish(claim, runs)
            table.own.grant(again)
          }
          break
        }
        if (record === 'break')
          for (const { slot } of table.breaks(FILE, 0, Infinity, BreakState.waiting)) table.reapIfDead(slot)
      }
      if (tidies) table.own.tidy()
    }
  }
  return Object.assign(role, { offsets, usesRecordsOnce: pins * tries === 1 })
}

interface Breaker extends Role {
  /** Where its break begins; it goes to the end of the file. */
  readonly breaks: number
  /** No break record is used again under the eyes of a pinner. */
  readonly usesBreaksOnce: boolean
}

/**
 * Takes the block at an offset out of F, sequestering it when it is held; then reclaims what it can. With `waits` its break is
 * a waiting one before it is a committing one.
 */
export function breaker(offset: number, { collapses = false, reclaims = true, waits = false } = {}): Breaker {
  const role: Role = (protocol, scene) => (actor) => {
    const table = tableOf(actor, protocol.Table)
    actor.start()
    cut(protocol, scene, actor, table, offset, { collapses, waits })
    // Then what has moved there.
    if (collapses) cut(protocol, scene, actor, table, offset, { collapses: false, waits })
    if (reclaims) reclaim(protocol, actor, table)
  }
  return Object.assign(role, { usesBreaksOnce: !collapses, breaks: offset })
}

function cut(
  protocol: Protocol,
  scene: Scene,
  actor: ActorContext,
  table: PinTable,
  offset: number,
  { collapses, waits }: { readonly collapses: boolean; readonly waits: boolean },
): void {
  let index = -1
  let block = 0
  let isHeld = false
  for (const step of protocol.changeOrder) {
    if (step === 'publish') {
      const state = waits ? BreakState.waiting : BreakState.committing
      index = table.publishBreak(FILE, offset * BLOCK_SIZE, OFFSETS.length * BLOCK_SIZE, state) ?? -1
      if (waits) table.setBreakState(index, BreakState.committing)
    } else if (step === 'scan') {
      actor.step(
        'begin',
        (memory) => {
          memory.set(TRANSACTION, actor.index + 1)
          return 0
        },
        (memory) => memory.get(TRANSACTION) === 0,
      )
      block = actor.step('look', (memory) => memory.get(mappedAt(offset)))
      isHeld = block !== 0 && protocol.counted(overlappingClaims(table, bytesOfBlock(block)), offset) > 0
    } else if (step === 'free') {
      // Only with a fault: it is part of the commit.
      actor.step('free', (memory) => {
        if (block !== 0) memory.set(blockState(block), isHeld ? State.lost : State.busy)
        return 0
      })
    } else if (step === 'commit') {
      actor.step('commit', (memory) => {
        if (block !== 0) memory.set(blockState(block), isHeld ? State.lost : State.busy)
        memory.set(mappedAt(offset), 0)
        if (collapses) moveDown(memory)
        memory.set(TRANSACTION, 0)
        scene.noteMapped(memory)
        return 0
      })
    } else if (step === 'advance') {
      table.advanceGeneration(bucketOf(FILE))
    } else {
      table.takeBreakBack(index)
    }
  }
}

/** What collapse does to the rest of the file. */
function moveDown(memory: ModelMemory): void {
  memory.set(mappedAt(0), memory.get(mappedAt(1)))
  memory.set(mappedAt(1), 0)
}

/** Makes idle busy blocks, and those of lost+found, another file's. */
function reclaim(protocol: Protocol, actor: ActorContext, table: PinTable): void {
  for (const state of [State.busy, State.lost]) {
    const mask = actor.step('look for blocks', (memory) =>
      maskOf(BLOCKS.filter((block) => memory.get(blockState(block)) === state)),
    )
    if (mask !== 0 && protocol.syncsBeforeReuse) actor.step('make durable', makeDurable)
    for (const block of inMask(mask)) {
      if (protocol.scansBeforeReuse && overlappingClaims(table, bytesOfBlock(block)).length > 0) continue
      actor.step('reuse', (memory) => {
        if (memory.get(blockState(block)) === state) memory.set(blockState(block), State.other)
        return 0
      })
    }
  }
}

function makeDurable(memory: ModelMemory): number {
  for (const offset of OFFSETS) memory.set(durableAt(offset), memory.get(mappedAt(offset)))
  return 0
}

/** Reaps the dead, then reclaims. */
export const reaper: Role = (protocol) => (actor) => {
  const table = tableOf(actor, protocol.Table)
  actor.start()
  table.reap()
  reclaim(protocol, actor, table)
}

/** Copies the block at an offset as who only reads does: without a claim, looking again. Not more often than `tries`. */
export const observer =
  (offset: number, tries = 2): Role =>
  (protocol) =>
  (actor) => {
    const locks = actor.words(lockOf(0))
    const clock = { nowMs: () => 0, steadyMs: () => 0, coarseMs: () => 0, after: () => () => {} }
    const table = new ObserverTable(memoryOf(actor), (slot) => locks.load(slot) !== 0, clock)
    actor.start()
    for (let attempt = 0; attempt < tries; attempt++) {
      const bucket = bucketOf(FILE)
      const basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
      const claim = claimOf({ kind: RecordKind.copy, ino: FILE, offset: offset * BLOCK_SIZE, length: BLOCK_SIZE })
      const block = actor.step('resolve', (memory) => memory.get(mappedAt(offset)))
      if (block === 0) return
      const state = actor.step('copy', (memory) => memory.get(blockState(block)))
      const refusal = protocol.refusalOf(table, claim, basis)
      if (refusal !== undefined) continue
      actor.step('take the copy', (memory) => {
        if (state === State.other) memory.set(MISREAD, block)
        return 0
      })
      return
    }
  }

/** Opens the pool afresh if everybody in the first `others` slots is dead, and uses what is free by then. */
export const opener =
  (others: number): Role =>
  (protocol) =>
  (actor) => {
    const { table, ...rest } = memoryOf(actor)
    // The other buckets stay 0, and are 66,000 words.
    const end = bucketOf(FILE) + BUCKET_WORDS
    const memory = { ...rest, table: { ...table, get: (word: number) => (word < end ? table.get(word) : 0) } }
    actor.start()
    const alive = actor.step(
      'look who lives',
      (model) =>
        Array.from({ length: others }, (_, slot) => model.get(lockOf(slot))).filter((lock) => lock !== 0).length,
    )
    if (alive > 0) return
    protocol.resetTable(memory)
    actor.step('make durable', makeDurable)
    for (const block of BLOCKS) {
      actor.step('reuse', (model) => {
        if (model.get(blockState(block)) === State.busy) model.set(blockState(block), State.other)
        return 0
      })
    }
  }

export interface Cast {
  readonly role: Role
  readonly isMortal?: boolean
  /** With a fault. */
  readonly protocol?: Partial<Protocol>
}

/** Tries every schedule of some actors. Without `asksPromise3` a third less: what was in force at each call is not noted. */
export function exploreCast(casts: Readonly<{ [name: string]: Cast }>, { asksPromise3 = true } = {}): Exploration {
  const entries = Object.entries(casts)
  const offsetsOf = (actor: number): readonly number[] => (entries[actor][1].role as Partial<Pinner>).offsets ?? []
  /** Slots whose one break is in the way of an actor's pins. */
  const breakersOf = (actor: number): number[] =>
    [...entries.keys()].filter((slot) => {
      const { breaks, usesBreaksOnce } = entries[slot][1].role as Partial<Breaker>
      return asksPromise3 && usesBreaksOnce === true && offsetsOf(actor).some((offset) => offset >= breaks!)
    })
  const isInForce = (memory: ModelMemory, slot: number): boolean => {
    const state = memory.get(breakStateOf(slot))
    return state === BreakState.waiting || state === BreakState.committing
  }
  const scene: Scene = {
    noteMapped: (memory) => noteMapped(memory, entries.length, offsetsOf),
    noteBroken: (memory, actor) => {
      const inForce = breakersOf(actor).filter((slot) => isInForce(memory, slot))
      memory.set(
        brokenAtCall(actor),
        inForce.reduce((mask, slot) => mask | (1 << slot), 0),
      )
    },
  }
  const actors = entries.map(([name, { role, isMortal = false, protocol }]): ActorDefinition => {
    return { name, isMortal, run: role({ ...REAL, ...protocol }, scene) }
  })
  const hot = [TRANSACTION, MISREAD]
  for (const block of BLOCKS) hot.push(blockState(block))
  for (const offset of OFFSETS) hot.push(mappedAt(offset), durableAt(offset))
  const stateWords = new Map<number, number>()
  for (const actor of actors.keys()) {
    hot.push(lockOf(actor), seenBy(actor), wantedBy(actor), heldBy(actor), brokenAtCall(actor))
    if (asksPromise3) hot.push(breakStateOf(actor))
    if (offsetsOf(actor).length === 0) continue
    for (let record = 0; record < 4; record++) stateWords.set(CHUNK_BASE(actor, 0) + record * 16 + Record.state, actor)
  }
  hot.push(...stateWords.keys())
  const usesRecordsOnce = entries.every(([, { role }]) => (role as Partial<Pinner>).usesRecordsOnce !== false)
  const usesBreaksOnce = entries.every(
    ([, { role, isMortal }]) => isMortal !== true && (role as Partial<Breaker>).usesBreaksOnce !== false,
  )
  const isPublishedOnce = (address: number): boolean => {
    if (address >= MODEL) return false
    const word = address % 1_000_000
    if (word >= 10_000) return usesRecordsOnce && (word - 10_000) % RECORD_WORDS !== Record.state
    return usesBreaksOnce && word >= BREAKS_START && (word - BREAKS_START) % BREAK_WORDS !== Break.state
  }
  return explore({
    actors,
    hot,
    initial: initialWords(),
    isQuiet: isPublishedOnce,
    onDeath: (memory, actor) => {
      memory.set(heldBy(actor), 0)
      for (const slot of actors.keys()) if (memory.get(lockOf(slot)) === actor + 1) memory.set(lockOf(slot), 0)
      if (memory.get(TRANSACTION) === actor + 1) memory.set(TRANSACTION, 0)
    },
    onOperation: (memory, actor, kind, address, value) => {
      if (stateWords.get(address) !== actor || (kind !== 'store' && kind !== 'set')) return
      const status = value & STATUS_MASK
      if (status === RecordStatus.free && (value & 0xf0) === 0 && kind === 'store') memory.set(heldBy(actor), 0)
      if (status !== RecordStatus.granted || (value & 0xf0) !== RecordKind.pin) return
      const wanted = memory.get(wantedBy(actor))
      if ((wanted & ~memory.get(seenBy(actor))) !== 0)
        throw new Broken('promise 2: granted on a block that was not mapped since the call')
      const still = breakersOf(actor).filter(
        (slot) => (memory.get(brokenAtCall(actor)) & (1 << slot)) !== 0 && isInForce(memory, slot),
      )
      if (still.length > 0) throw new Broken('promise 3: granted past a change that was waiting for the range')
      memory.set(heldBy(actor), wanted)
    },
    check: (memory) => {
      const misread = memory.get(MISREAD)
      if (misread !== 0) throw new Broken(`promise 6: a copy of block ${misread} is another file's content`)
      for (const offset of OFFSETS) {
        const block = memory.get(durableAt(offset))
        if (block !== 0 && memory.get(blockState(block)) === State.other)
          throw new Broken(`promise 5: after a power failure two files have block ${block}`)
      }
      for (const actor of actors.keys()) {
        for (const block of inMask(memory.get(heldBy(actor)))) {
          const state = memory.get(blockState(block))
          if (state === State.other || state === State.free)
            throw new Broken(`promise 1: block ${block} is pinned and another file has it`)
          if (state === State.busy)
            throw new Broken(`promise 2: a change took block ${block} and did not count its pin`)
        }
      }
    },
  })
}

/** A table that is a table, and a file with a block at each offset. */
export function initialWords(): Map<number, number> {
  const words = new Map<number, number>()
  const plain = (base: number): Words => ({
    load: (index) => words.get(base + index) ?? 0,
    store: (index, value) => void words.set(base + index, value),
    add: () => 0,
    compareExchange: () => 0,
    get: (index) => words.get(base + index) ?? 0,
    set: (index, value) => void words.set(base + index, value),
    getWide: (index) => words.get(base + index) ?? 0,
    setWide: (index, value) => void words.set(base + index, value),
  })
  resetTable({
    table: plain(0),
    slot: (slot) => plain(SLOT_BASE(slot)),
    chunk: (slot, chunk) => plain(CHUNK_BASE(slot, chunk)),
  })
  for (const [offset, block] of BLOCKS.entries()) {
    words.set(mappedAt(offset), block)
    words.set(durableAt(offset), block)
    words.set(blockState(block), State.mapped)
  }
  return words
}
