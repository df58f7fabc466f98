/**
 * What layout needs of the world: memory that others see too, who is alive, a way to wake others, time. `pool` gives
 * the real ones (mapped files, byte-range locks, FIFOs); tests give their own and so drive every interleaving.
 */
import type { Words } from './words.ts'

export interface TableMemory {
  /** TABLE_WORDS words. */
  readonly table: Words
  /** The SLOT_WORDS words of a slot that exists. */
  slot(index: number): Words
  /** Chunk of records of a slot; the owner makes it when it is new (ENOSPC when the host is full). */
  chunk(slot: number, chunk: number): Words
}

export interface Liveness {
  /** Whether some participant, this one included, owns the slot. Price: 4 µs. */
  isAlive(slot: number): boolean
  /** Takes the slot's lock when nobody has it: then its owner is dead, and the caller may write the slot. */
  tryOwn(slot: number): boolean
  /** Gives back what `tryOwn` took. */
  disown(slot: number): void
}

export interface Bells {
  /** Wakes the owner of a slot; nothing happens when it is gone. Never waits. */
  ring(slot: number): void
  /** Sets what is to be done when this participant's own bell rings. */
  onRing(listener: () => void): void
  /** While waiting, the bell keeps the process alive. */
  setWaiting(isWaiting: boolean): void
}

export interface Clock {
  /** Milliseconds since 1970. May be set, forward and back: for times that are shown or stored, not for how long something lasts. */
  nowMs(): number
  /** Near to the same, and nobody sets it: what deadlines are measured by. Means nothing to another process. */
  steadyMs(): number
  /** `nowMs`, exact to a turn of the event loop; costs next to nothing. */
  coarseMs(): number
  /** Calls back once after some time; returns how to take it back. */
  after(delayMs: number, callback: () => void, keepsAlive: boolean): () => void
}
