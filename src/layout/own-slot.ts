/**
 * The own slot: where this participant publishes what it claims (pins, copies under way, open files).
 *
 * Invariants
 *   1. A record's words, continuations and filter marks are written before the `store` that makes it tentative; who
 *      loads a state other than free sees them.
 *   2. Only the owner writes here, so allocation of records needs no atomics.
 *   3. A filter word is non-zero while a published record has a run in its regions. It may stay so for a while longer.
 *
 * Concurrency. `publish` ends with the sequentially consistent store of a tentative state; the caller then loads breaks
 * and generation (claims.ts). It pairs with the change's store of its break followed by its loads of filter and states
 * (overlaps.ts): of the two, at least one sees the other. Filter and record words are plain stores before that store;
 * marks are cleared by sequentially consistent stores after that of the free state: by a copy's release, for pins by `tidy`
 * (the hot path leaves them).
 */
import { systemError } from '../errors.ts'
import type { Run } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import * as format from './format.ts'
import type { Clock, TableMemory } from './surroundings.ts'
import { MAX_RECORDS } from './table-counts.ts'
import type { Words } from './words.ts'

/** Bound here: V8 compiles a module's own constants in, and loads and checks imported ones at each use. */
const {
  CHUNK_RECORDS,
  CHUNK_SHIFT,
  FILTER_START,
  FILTER_WORDS,
  filterOf,
  KIND_MASK,
  MORE_RUNS,
  MORE_RUNS_START,
  Record,
  RECORD_SHIFT,
  RECORD_WORDS,
  RecordKind,
  RecordStatus,
  REGION_SHIFT,
  SEQUENCE_SHIFT,
  Slot,
  STATUS_MASK,
} = format

const INDEX_MASK = CHUNK_RECORDS - 1

/** What a record says. Offsets and lengths in bytes of the file; `runs` cover it in order. */
export interface Claim {
  /** RecordKind. */
  kind: number
  /** RecordFlag bits. */
  flags: number
  ino: number
  offset: number
  length: number
  /** {@link edgesOf}; 0 where the first or last block of the range is a hole. */
  edges: number
}

/** Bytes of the first block before the range | bytes of the last block behind it << 12. */
export const edgesOf = (offset: number, length: number): number =>
  (offset % BLOCK_SIZE) | (((BLOCK_SIZE - ((offset + length) % BLOCK_SIZE)) % BLOCK_SIZE) << 12)

export class OwnSlot {
  readonly index: number
  readonly words: Words
  readonly #memory: TableMemory
  readonly #clock: Clock
  readonly #chunks: Words[] = []
  /** Free records below #count, the lowest used last in, so that records stay dense. */
  readonly #free: number[] = []
  #count = 0
  /** For each filter word: 0, it is not marked; else 1 and the published runs that want it marked. */
  readonly #uses = new Int32Array(FILTER_WORDS)

  /** A record says since when it is there: by `clock`, exact to a turn of the event loop. */
  constructor(index: number, memory: TableMemory, clock: Clock) {
    this.index = index
    this.words = memory.slot(index)
    this.#memory = memory
    this.#clock = clock
  }

  /** Records in use, continuations included. */
  get live(): number {
    return this.#count - this.#free.length
  }

  /** Publishes a tentative claim of one run; returns its record. Price: 40 ns. ENOSPC when the table cannot grow. */
  publishRun(claim: Claim, start: number, count: number): number {
    const record = this.#free.pop() ?? this.#grow()
    const chunk = this.#chunks[record >>> CHUNK_SHIFT]
    const at = (record & INDEX_MASK) << RECORD_SHIFT
    describe(chunk, at, claim, this.#clock.coarseMs())
    chunk.set(at + Record.runCount, 1)
    chunk.set(at + Record.next, 0)
    chunk.set(at + Record.firstRun, start)
    chunk.set(at + Record.firstRun + 1, count)
    this.#mark(start, count)
    chunk.store(at, newState(chunk, at, claim.kind | RecordStatus.tentative))
    return record
  }

  /**
   * Publishes a tentative claim of many runs: continuations first, the head last, so that it is there as a whole or not
   * at all (promise 9). No runs: an open file, or a pin of nothing but holes.
   */
  publish(claim: Claim, runs: readonly Run[]): number {
    if (runs.length === 1) return this.publishRun(claim, runs[0].start, runs[0].count)
    let next = 0
    try {
      for (let end = runs.length; end > 1;) {
        const from = Math.max(1, end - MORE_RUNS)
        next = this.#publishMore(runs, from, end, next) + 1
        end = from
      }
      const record = this.#free.pop() ?? this.#grow()
      const chunk = this.#chunks[record >>> CHUNK_SHIFT]
      const at = (record & INDEX_MASK) << RECORD_SHIFT
      describe(chunk, at, claim, this.#clock.coarseMs())
      chunk.set(at + Record.runCount, runs.length)
      chunk.set(at + Record.next, next)
      if (runs.length > 0) {
        chunk.set(at + Record.firstRun, runs[0].start)
        chunk.set(at + Record.firstRun + 1, runs[0].count)
        for (const run of runs) this.#mark(run.start, run.count)
      }
      chunk.store(at, newState(chunk, at, claim.kind | RecordStatus.tentative))
      return record
    } catch (error) {
      this.#releaseMore(next)
      throw error
    }
  }

  /**
   * Tentative becomes granted. A plain store will do: whoever still sees tentative counts the claim as well, and waits
   * a moment longer for it to settle.
   */
  grant(record: number): void {
    const chunk = this.#chunks[record >>> CHUNK_SHIFT]
    const at = (record & INDEX_MASK) << RECORD_SHIFT
    chunk.set(at, chunk.get(at) + (RecordStatus.granted - RecordStatus.tentative))
  }

  /** For stable pins, which go to and fro between tentative and granted, and look after each: a store in order. */
  setStatus(record: number, status: number): void {
    const chunk = this.#chunks[record >>> CHUNK_SHIFT]
    const at = (record & INDEX_MASK) << RECORD_SHIFT
    chunk.store(at, (chunk.get(at) & ~STATUS_MASK) | status)
  }

  /**
   * Takes a claim back. The store orders every access to the claimed blocks before it; whoever loads the free state may
   * reuse them. The caller rings waiting changes afterwards (claims.ts).
   */
  release(record: number): void {
    const chunk = this.#chunks[record >>> CHUNK_SHIFT]
    const at = (record & INDEX_MASK) << RECORD_SHIFT
    const state = chunk.get(at)
    const runs = chunk.get(at + Record.runCount)
    if (runs > 0) this.#unmark(chunk.get(at + Record.firstRun) >>> 0, chunk.get(at + Record.firstRun + 1) >>> 0)
    chunk.store(at, state & ~0xff)
    this.#free.push(record)
    if (runs > 1 || (state & KIND_MASK) === RecordKind.copy) this.#releaseRest(chunk, at, state, runs)
  }

  /** Of a record just taken back: what pins of one run do not have, or leave to `tidy`. */
  #releaseRest(chunk: Words, at: number, state: number, runs: number): void {
    if (runs > 0 && (state & KIND_MASK) === RecordKind.copy) {
      // Who writes a file and truncates it would scan its own records for the mark of that write.
      const start = chunk.get(at + Record.firstRun) >>> 0
      const count = chunk.get(at + Record.firstRun + 1) >>> 0
      this.#clearMarks(start >>> REGION_SHIFT, (start + count - 1) >>> REGION_SHIFT)
    }
    const next = chunk.get(at + Record.next)
    if (next !== 0) this.#releaseMore(next, runs - 1)
  }

  /** Clears stale filter marks and lets go of free records at the end: what keeps scans short. Call it now and then. */
  tidy(): void {
    this.#clearMarks(0, FILTER_WORDS - 1)
    this.#free.sort((a, b) => b - a)
    let top = 0
    while (top < this.#free.length && this.#free[top] === this.#count - 1 - top) top++
    if (top === 0) return
    this.#free.splice(0, top)
    this.#count -= top
    this.words.store(Slot.recordCount, this.#count)
  }

  #publishMore(runs: readonly Run[], from: number, end: number, next: number): number {
    const record = this.#free.pop() ?? this.#grow()
    const chunk = this.#chunks[record >>> CHUNK_SHIFT]
    const at = (record & INDEX_MASK) << RECORD_SHIFT
    for (let i = from; i < end; i++) {
      chunk.set(at + MORE_RUNS_START + (i - from) * 2, runs[i].start)
      chunk.set(at + MORE_RUNS_START + (i - from) * 2 + 1, runs[i].count)
    }
    chunk.set(at + Record.next, next)
    chunk.store(at, newState(chunk, at, RecordStatus.more))
    return record
  }

  /** Frees a chain of continuations; with `count`, its runs leave the filter's count as well. */
  #releaseMore(first: number, count = 0): void {
    for (let next = first, left = count; next !== 0;) {
      const record = next - 1
      const chunk = this.#chunks[record >>> CHUNK_SHIFT]
      const at = (record & INDEX_MASK) << RECORD_SHIFT
      const here = left % MORE_RUNS === 0 ? Math.min(left, MORE_RUNS) : left % MORE_RUNS
      for (let i = 0; i < here; i++) {
        const run = at + MORE_RUNS_START + i * 2
        this.#unmark(chunk.get(run) >>> 0, chunk.get(run + 1) >>> 0)
      }
      left -= here
      next = chunk.get(at + Record.next)
      chunk.store(at, chunk.get(at) & ~0xff)
      this.#free.push(record)
    }
  }

  /** One record more, when none is free. */
  #grow(): number {
    const record = this.#count
    if (record === MAX_RECORDS) {
      const explanation = `one participant holds at most ${MAX_RECORDS} pins and open files at a time`
      throw systemError('ENOSPC', explanation, { syscall: 'pin' })
    }
    const chunk = record >>> CHUNK_SHIFT
    if (chunk === this.#chunks.length) this.#chunks.push(this.#memory.chunk(this.index, chunk))
    // A record left over by an owner before us says free: the slot was cleared when it was taken over.
    this.#count = record + 1
    this.words.store(Slot.recordCount, this.#count)
    return record
  }

  #mark(start: number, count: number): void {
    const first = start >>> REGION_SHIFT
    const last = (start + count - 1) >>> REGION_SHIFT
    for (let region = first; region <= last; region++) {
      const i = region & (FILTER_WORDS - 1)
      if (this.#uses[i] === 0) this.#setMark(i)
      this.#uses[i]++
    }
  }

  #setMark(i: number): void {
    this.#uses[i] = 1
    this.words.store(FILTER_START + i, 1)
  }

  /** After the store of the free state, never before: a scan that finds no mark takes the blocks for unclaimed. */
  #clearMarks(firstRegion: number, lastRegion: number): void {
    for (let region = firstRegion; region <= lastRegion; region++) {
      const i = region & (FILTER_WORDS - 1)
      if (this.#uses[i] !== 1) continue
      this.#uses[i] = 0
      this.words.store(FILTER_START + i, 0)
    }
  }

  #unmark(start: number, count: number): void {
    const first = start >>> REGION_SHIFT
    const last = (start + count - 1) >>> REGION_SHIFT
    for (let region = first; region <= last; region++) this.#uses[region & (FILTER_WORDS - 1)]--
  }
}

/** Everything but runs and state. */
function describe(chunk: Words, at: number, claim: Claim, sinceMs: number): void {
  chunk.set(at + Record.flags, claim.flags)
  chunk.setWide(at + Record.ino, claim.ino)
  chunk.setWide(at + Record.offset, claim.offset)
  chunk.setWide(at + Record.length, claim.length)
  chunk.setWide(at + Record.since, sinceMs)
  chunk.set(at + Record.edges, claim.edges)
}

/** The word of a new state: the sequence goes on, so that a reader notices a record used anew under its eyes. */
const newState = (chunk: Words, at: number, kindAndStatus: number): number =>
  ((chunk.get(at) & ~0xff) + (1 << SEQUENCE_SHIFT)) | kindAndStatus

/** Whether a slot's filter excludes every block of [start, start + count). */
export function isFilteredOut(words: Words, start: number, count: number): boolean {
  const regions = Math.min(((start + count - 1) >>> REGION_SHIFT) - (start >>> REGION_SHIFT) + 1, FILTER_WORDS)
  for (let i = 0, block = start; i < regions; i++, block += 1 << REGION_SHIFT) {
    if (words.load(filterOf(block)) !== 0) return false
  }
  return true
}

/** Words of the record in its chunk. */
export const recordAt = (record: number): number => (record & INDEX_MASK) * RECORD_WORDS
export const chunkOf = (record: number): number => record >>> CHUNK_SHIFT
