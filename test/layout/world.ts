/**
 * A world in memory for the layout: words in plain arrays, participants that live and die on command, a clock that is
 * turned by hand, bells that ring at once. What layout takes as `Surroundings`.
 */
import { CHUNK_WORDS, RecordKind, SLOT_WORDS, TABLE_WORDS } from '../../src/layout/format.ts'
import type { Claim } from '../../src/layout/own-slot.ts'
import { PinTable, resetTable } from '../../src/layout/pin-table.ts'
import type { Bells, Clock, Liveness, TableMemory } from '../../src/layout/surroundings.ts'
import type { Words } from '../../src/layout/words.ts'
import { MappedWords } from '../../src/layout/words.ts'
import type { Run } from '../../src/units.ts'

const words = (count: number): Words => new MappedWords(new ArrayBuffer(count * 4))

export class MemoryTable implements TableMemory {
  readonly table = words(TABLE_WORDS)
  readonly #slots: Words[] = []
  readonly #chunks = new Map<string, Words>()

  slot(index: number): Words {
    return (this.#slots[index] ??= words(SLOT_WORDS))
  }

  chunk(slot: number, chunk: number): Words {
    const key = `${slot}/${chunk}`
    let known = this.#chunks.get(key)
    if (known === undefined) this.#chunks.set(key, (known = words(CHUNK_WORDS)))
    return known
  }
}

/** Time that passes when the test says so. */
export class HandClock implements Clock {
  #now = 1_000_000
  #steady = 1_000_000
  readonly #timers = new Set<{ at: number; callback: () => void }>()

  nowMs(): number {
    return this.#now
  }

  coarseMs(): number {
    return this.#now
  }

  steadyMs(): number {
    return this.#steady
  }

  /** What an administrator does to the clock. */
  setTo(ms: number): void {
    this.#now = ms
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#steady + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets time pass, and runs what is due on the way, in order. */
  pass(ms: number): void {
    const end = this.#steady + ms
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#passTo(Math.max(this.#steady, due.at))
      due.callback()
    }
    this.#passTo(end)
  }

  #passTo(ms: number): void {
    this.#now += ms - this.#steady
    this.#steady = ms
  }

  get timers(): number {
    return this.#timers.size
  }
}

export class World {
  readonly memory = new MemoryTable()
  readonly clock = new HandClock()
  /** Owners of slot locks. */
  readonly locks = new Map<number, object>()
  /** Rings so far, by slot. */
  readonly rings: number[] = []
  readonly #listeners = new Map<number, () => void>()

  constructor() {
    resetTable(this.memory)
  }

  /** A participant in the first slot that is not taken. */
  join(): Participant {
    let slot = 0
    while (this.locks.has(slot)) slot++
    return new Participant(this, slot)
  }

  ring(slot: number): void {
    this.rings[slot] = (this.rings[slot] ?? 0) + 1
    this.#listeners.get(slot)?.()
  }

  listen(slot: number, listener: () => void): void {
    this.#listeners.set(slot, listener)
  }

  /** kill -9: the lock goes, the traces stay. */
  kill(participant: Participant): void {
    for (const [slot, owner] of this.locks) if (owner === participant) this.locks.delete(slot)
    this.#listeners.delete(participant.slot)
  }
}

export class Participant {
  readonly world: World
  readonly slot: number
  readonly table: PinTable

  constructor(world: World, slot: number) {
    this.world = world
    this.slot = slot
    world.locks.set(slot, this)
    const liveness: Liveness = {
      isAlive: (other) => world.locks.has(other),
      tryOwn: (other) => {
        if (world.locks.has(other)) return false
        world.locks.set(other, this)
        return true
      },
      disown: (other) => void world.locks.delete(other),
    }
    const bells: Bells = {
      ring: (other) => world.ring(other),
      onRing: (listener) => world.listen(slot, listener),
      setWaiting: () => {},
    }
    const identity = { pid: 1000 + slot, threadId: 0, startTime: 1 }
    this.table = new PinTable({ memory: world.memory, liveness, bells, clock: world.clock }, slot, identity)
  }
}

/** A claim with what a test does not care about filled in. */
export const claimOf = (given: Partial<Claim> & { ino: number }): Claim => ({
  kind: RecordKind.pin,
  flags: 0,
  offset: 0,
  length: 4096,
  edges: 0,
  ...given,
})

export const run = (start: number, count = 1): Run => ({ start, count }) as Run
