/**
 * The pin table as one participant sees it: buckets of all inodes, slots of all participants.
 *
 * Invariants
 *   1. A slot is written by its owner; after its owner's death by whoever took the slot's lock (`reap`). Only `rung` may
 *      be set by anybody.
 *   2. A bucket's `breaks` is at least the number of published break records for its inodes.
 *   3. A dead owner's break goes only after the generation of its bucket went up (section 5 of the design): its death
 *      may lie between commit and generation.
 */
import type { Teller } from '../diagnostics.ts'
import { reaps } from '../diagnostics.ts'
import type { InodeNumber } from '../units.ts'
import * as format from './format.ts'
import { chunkOf, OwnSlot, recordAt } from './own-slot.ts'
import { breakCountIn, damagedTable, recordCountIn, slotCountIn } from './table-counts.ts'
import type { Bells, Clock, Liveness, TableMemory } from './surroundings.ts'
import type { Words } from './words.ts'

/** Bound here: V8 compiles a module's own constants in, and loads and checks imported ones at each use. */
const {
  Break,
  BREAKS,
  BREAKS_START,
  BreakCause,
  BreakState,
  breakAt,
  Bucket,
  bucketOf,
  FILTER_START,
  FILTER_WORDS,
  FORMAT_VERSION,
  KIND_MASK,
  PUNCHES,
  PUNCHES_START,
  PUNCHES_UNDER_WAY,
  RECALL_SHIFT,
  Record,
  RecordFlag,
  RecordKind,
  RecordStatus,
  Slot,
  SLOT_WORDS,
  STATUS_MASK,
  Table,
  TABLE_MAGIC,
  TABLE_WORDS,
} = format

export interface Surroundings {
  readonly memory: TableMemory
  readonly liveness: Liveness
  readonly bells: Bells
  readonly clock: Clock
}

export interface Identity {
  readonly pid: number
  readonly threadId: number
  readonly startTime: number
  /** The directory of the pool, for who is told of what happens. */
  readonly pool?: string
}

/** A break as read from the table. */
export interface BreakView {
  readonly slot: number
  readonly index: number
  /** BreakState. */
  readonly state: number
  readonly ino: number
  /** Bytes. */
  readonly start: number
  readonly end: number
  readonly sinceMs: number
  /** BreakCause, and the number of the recall. */
  readonly cause: number
  /** Of what is asked of leases. */
  readonly edges: number
  /** Of two in one bucket the lower one, modulo 2^32, came first. */
  readonly arrival: number
}

/** Slots that have been used at some time; 0 for a table that is not one yet. */
const slotCountOf = ({ table }: Pick<TableMemory, 'table'>): number =>
  table.load(Table.magic) === TABLE_MAGIC ? slotCountIn(table) : 0

/** EUCLEAN: the table is none, and somebody has the pool open, and so knows it better. */
export function requireTable({ table }: Pick<TableMemory, 'table'>): void {
  if (table.load(Table.magic) !== TABLE_MAGIC) throw damagedTable('it is none')
}

/** Prepares the table file for a pool that nobody has open: no slot is attached, no break published. */
export function resetTable(memory: TableMemory): void {
  const { table } = memory
  for (let slot = 0; slot < slotCountOf(memory); slot++) {
    advanceBroken(memory, slot)
    clearSlot(memory, slot)
  }
  // Generations and arrivals go on from where they were: going on can't repeat one.
  for (let i = bucketOf(0); i < TABLE_WORDS; i++) if (table.get(i) !== 0 && isCount(i)) table.set(i, 0)
  // Of who died while it punched. The count goes on, for a reader that nobody counts as alive.
  for (let i = PUNCHES_START; i < PUNCHES_START + PUNCHES; i++) table.set(i, (table.get(i) | PUNCHES_UNDER_WAY) + 1)
  table.store(Table.version, FORMAT_VERSION)
  table.store(Table.magic, TABLE_MAGIC)
}

const COUNTS: readonly number[] = [Bucket.breaks, Bucket.leases, Bucket.stables]
const isCount = (word: number): boolean => COUNTS.includes((word - bucketOf(0)) % (bucketOf(1) - bucketOf(0)))

/** What the owner died with may have been committed, and who only reads (observer.ts) may hold the layout before that. */
function advanceBroken(memory: TableMemory, slot: number): void {
  const words = memory.slot(slot)
  for (let i = 0; i < breakCountIn(words); i++) {
    const at = breakAt(i)
    if (words.load(at + Break.state) !== BreakState.free)
      memory.table.add(bucketOf(words.getWide(at + Break.ino)) + Bucket.generation, 1)
  }
}

/** Frees a slot's records and header. The caller has its lock, and has taken its breaks back. */
function clearSlot(memory: TableMemory, slot: number): void {
  const words = memory.slot(slot)
  const records = recordCountIn(words, slot)
  for (let record = 0; record < records; record++) {
    const chunk = memory.chunk(slot, chunkOf(record))
    const at = recordAt(record)
    const counted = countOf(chunk, at)
    chunk.store(at + Record.state, chunk.get(at + Record.state) & ~0xff)
    // After the record: the counts are never too low.
    if (counted !== undefined) memory.table.add(bucketOf(chunk.getWide(at + Record.ino)) + counted, -1)
  }
  for (let i = 0; i < FILTER_WORDS; i++) words.store(FILTER_START + i, 0)
  for (let i = BREAKS_START; i < SLOT_WORDS; i++) words.store(i, 0)
  for (const word of Object.values(Slot)) if (word !== Slot.state) words.store(word, 0)
  words.store(Slot.transactionSince + 1, 0)
  words.store(Slot.state, 0)
}

/** Which count of its bucket a record is part of. */
function countOf(chunk: Words, at: number): number | undefined {
  const state = chunk.get(at + Record.state)
  const status = state & STATUS_MASK
  if (status !== RecordStatus.tentative && status !== RecordStatus.granted) return undefined
  if ((state & KIND_MASK) === RecordKind.lease) return Bucket.leases
  return (chunk.get(at + Record.flags) & RecordFlag.stable) === 0 ? undefined : Bucket.stables
}

/** Tentative or granted. */
const isRecordOf = (state: number, kind: number): boolean => {
  const status = state & STATUS_MASK
  return status !== RecordStatus.free && status !== RecordStatus.more && (state & KIND_MASK) === kind
}

export class PinTable {
  readonly memory: TableMemory
  readonly liveness: Liveness
  readonly bells: Bells
  readonly clock: Clock
  readonly own: OwnSlot
  /** This participant, in what is told of it. */
  readonly teller: Teller
  readonly #table: Words
  readonly #slots: Words[] = []
  #recalls = 0
  /** Breaks of the own slot that are made through a file that has leases: the records of those, which are not asked. */
  readonly exemptions = new Map<number, ReadonlySet<number>>()
  /** Breaks of the own slot that are kept for as long as their changes wait (own-break.ts). */
  breaksKept = 0

  /** Attaches as the owner of `slot`; the caller has the slot's lock (Liveness.tryOwn). Its last owner's traces go first. */
  constructor(surroundings: Surroundings, slot: number, identity: Identity) {
    this.memory = surroundings.memory
    this.liveness = surroundings.liveness
    this.bells = surroundings.bells
    this.clock = surroundings.clock
    this.#table = this.memory.table
    if (slot < this.slotCount) this.#bury(slot)
    this.own = new OwnSlot(slot, this.memory, this.clock)
    this.teller = { pool: identity.pool ?? '', slot }
    const words = this.own.words
    words.set(Slot.pid, identity.pid)
    words.set(Slot.threadId, identity.threadId)
    words.setWide(Slot.startTime, identity.startTime)
    words.store(Slot.state, 1)
    for (let count = this.slotCount; count <= slot; count = this.slotCount) {
      this.#table.compareExchange(Table.slotCount, count, slot + 1)
    }
  }

  get slotCount(): number {
    return slotCountIn(this.#table)
  }

  /** Words of a slot below `slotCount`. */
  slot(index: number): Words {
    return (this.#slots[index] ??= this.memory.slot(index))
  }

  generation(bucket: number): number {
    return this.#table.load(bucket + Bucket.generation)
  }

  advanceGeneration(bucket: number): void {
    this.#table.add(bucket + Bucket.generation, 1)
  }

  /** How many breaks may be published in the bucket; 0: none is. */
  breakCount(bucket: number): number {
    return this.#table.load(bucket + Bucket.breaks)
  }

  /** How many breaks have ever been published in the bucket, modulo 2^32: the same again, and none has come since. Never below 0. */
  arrivals(bucket: number): number {
    return this.#table.load(bucket + Bucket.arrivals) >>> 0
  }

  /** For `publishBreak`, after the break is counted in `breaks` and before anything is scanned for it. Returns how many came before. */
  countArrival(bucket: number): number {
    return this.#table.add(bucket + Bucket.arrivals, 1)
  }

  /** How many stable pins may be published in the bucket; 0: none is. */
  stableCount(bucket: number): number {
    return this.#table.load(bucket + Bucket.stables)
  }

  /** Breaks that overlap bytes [start, end) of an inode, with at least this state; those of the own slot as well. */
  *breaks(ino: InodeNumber, start: number, end: number, least: number): Generator<BreakView> {
    for (let slot = 0; slot < this.slotCount; slot++) {
      const words = this.slot(slot)
      const count = breakCountIn(words)
      for (let index = 0; index < count; index++) {
        const at = breakAt(index)
        const state = words.load(at + Break.state)
        if (state < least || state === BreakState.preparing) continue
        if (words.getWide(at + Break.ino) !== ino) continue
        const from = words.getWide(at + Break.start)
        const to = words.getWide(at + Break.end)
        if (from < end && start < to) {
          const cause = words.load(at + Break.cause)
          const edges = words.get(at + Break.edges)
          const arrival = words.get(at + Break.arrival)
          yield {
            slot,
            index,
            state,
            ino,
            start: from,
            end: to,
            sinceMs: words.getWide(at + Break.since),
            cause,
            edges,
            arrival,
          }
        }
      }
    }
  }

  /**
   * Publishes a break of the own slot. Order: words, state preparing, count, arrival, state: who finds the state sees the
   * rest, the count is never too low, and who finds the arrival finds the count (claims.ts). A death between count and
   * state leaves the count one too high, which costs pinners of the bucket a look at the breaks until the pool is opened
   * afresh, and nothing else.
   * Returns undefined when all BREAKS records are in use.
   */
  publishBreak(ino: InodeNumber, start: number, end: number, state: number): number | undefined {
    const { words } = this.own
    for (let index = 0; index < BREAKS; index++) {
      const at = breakAt(index)
      if (words.load(at + Break.state) !== BreakState.free) continue
      words.setWide(at + Break.ino, ino)
      words.setWide(at + Break.start, start)
      words.setWide(at + Break.end, end)
      words.setWide(at + Break.since, this.clock.nowMs())
      words.set(at + Break.cause, BreakCause.none)
      words.store(at + Break.state, BreakState.preparing)
      if (index >= words.load(Slot.breakCount)) words.store(Slot.breakCount, index + 1)
      this.#table.add(bucketOf(ino) + Bucket.breaks, 1)
      words.set(at + Break.arrival, this.countArrival(bucketOf(ino)))
      words.store(at + Break.state, state)
      return index
    }
    return undefined
  }

  setBreakState(index: number, state: number): void {
    this.own.words.store(breakAt(index) + Break.state, state)
  }

  /** Asks the leases in the way of a break of the own slot to go; the caller rings their holders. */
  beginRecall(index: number, cause: number, edges: number): void {
    const { words } = this.own
    words.set(breakAt(index) + Break.edges, edges)
    words.store(breakAt(index) + Break.cause, (++this.#recalls << RECALL_SHIFT) | cause)
  }

  endRecall(index: number): void {
    this.own.words.store(breakAt(index) + Break.cause, BreakCause.none)
  }

  /** Takes a break of the own slot back and wakes the pins that queue. */
  takeBreakBack(index: number): void {
    this.#endBreak(this.own.words, index)
    this.ringWaiters()
  }

  #endBreak(words: Words, index: number): void {
    const at = breakAt(index)
    const state = words.load(at + Break.state)
    const bucket = bucketOf(words.getWide(at + Break.ino))
    words.store(at + Break.state, BreakState.leaving)
    // Who died in `preparing` or `leaving` may or may not be counted: leave the count, never make it too low.
    if (state !== BreakState.preparing && state !== BreakState.leaving) this.#table.add(bucket + Bucket.breaks, -1)
    words.store(at + Break.state, BreakState.free)
  }

  /** Wakes every participant whose pins or changes wait. */
  ringWaiters(): void {
    for (let slot = 0; slot < this.slotCount; slot++) {
      if (this.slot(slot).load(Slot.waiters) > 0) this.ring(slot)
    }
  }

  /** Wakes a participant, once for as long as it has not answered. */
  ring(slot: number): void {
    if (this.slot(slot).compareExchange(Slot.rung, 0, 1) === 0) this.bells.ring(slot)
  }

  /** Attached slots whose owner may be alive: a plain look, no lock is asked. */
  *attached(): Generator<number> {
    for (let slot = 0; slot < this.slotCount; slot++) if (this.slot(slot).load(Slot.state) !== 0) yield slot
  }

  /** Whether some live participant has the inode open. */
  isOpenAnywhere(ino: InodeNumber): boolean {
    // Loops, where generators would be shorter: each removal of a file looks at all records there are.
    for (let slot = 0; slot < this.slotCount; slot++) {
      const words = this.slot(slot)
      if (words.load(Slot.state) === 0) continue
      const count = words.load(Slot.recordCount)
      for (let record = 0; record < count; record++) {
        const chunk = this.memory.chunk(slot, chunkOf(record))
        const at = recordAt(record)
        if (!isRecordOf(chunk.load(at + Record.state), RecordKind.open) || chunk.getWide(at + Record.ino) !== ino)
          continue
        if (!this.reapIfDead(slot)) return true
      }
    }
    return false
  }

  /** Records of one kind in a slot that are tentative or granted. */
  *records(slot: number, kind: number): Generator<{ chunk: Words; at: number; state: number; record: number }> {
    const count = recordCountIn(this.slot(slot), slot)
    for (let record = 0; record < count; record++) {
      const chunk = this.memory.chunk(slot, chunkOf(record))
      const at = recordAt(record)
      const state = chunk.load(at + Record.state)
      if (!isRecordOf(state, kind)) continue
      yield { chunk, at, state, record }
    }
  }

  /** Clears a slot whose owner is dead; false when it is alive. Idempotent; what a death in here leaves, the next one clears. */
  reapIfDead(slot: number): boolean {
    if (this.slot(slot).load(Slot.state) === 0) return true
    if (slot === this.own.index || this.liveness.isAlive(slot) || !this.liveness.tryOwn(slot)) return false
    this.#bury(slot)
    this.liveness.disown(slot)
    this.ringWaiters()
    if (reaps.hasSubscribers) reaps.publish({ ...this.teller, dead: slot })
    return true
  }

  /** Reaps every dead participant; returns how many there were. */
  reap(): number {
    let reaped = 0
    for (const slot of this.attached()) if (this.reapIfDead(slot)) reaped++
    return reaped
  }

  /** Ends this participant's part: no record and no break of it is left. */
  detach(): void {
    this.#bury(this.own.index)
  }

  /** Takes a slot's traces out. The caller has its lock. */
  #bury(slot: number): void {
    const words = this.memory.slot(slot)
    for (let index = 0; index < breakCountIn(words); index++) {
      const at = breakAt(index)
      if (words.load(at + Break.state) === BreakState.free) continue
      this.advanceGeneration(bucketOf(words.getWide(at + Break.ino)))
      this.#endBreak(words, index)
    }
    clearSlot(this.memory, slot)
  }
}
