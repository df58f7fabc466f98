/**
 * Waiting: until a condition over the pin table holds, woken by the one who makes it true.
 *
 * Concurrency. A waiter counts itself in its slot's `waiters` (sequentially consistent), then looks. Who changes the
 * table stores its change, then loads `waiters` (or the breaks of the inode) and rings. Of the two, at least one sees
 * the other, so no wake-up is lost. Who dies between changing and ringing is found by the tick: every
 * DEATH_TICK_MS each waiter looks again, and looking reaps dead owners. Nothing else polls.
 *
 * No thread waits: the doorbell is a FIFO that the event loop watches.
 */
import { Slot } from './format.ts'
import type { PinTable } from './pin-table.ts'

/** The death of an owner is noticed within this time. */
const DEATH_TICK_MS = 250

export interface Limits {
  /** ms since 1970. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

export class Waiting {
  readonly #table: PinTable
  readonly #looks = new Set<() => void>()

  constructor(table: PinTable) {
    this.#table = table
    table.bells.onRing(() => this.#look())
  }

  /**
   * Resolves with what `condition` returns once that is not undefined. Rejects with `onTimeout()` at the deadline, with
   * the signal's reason when it aborts, with what `condition` throws.
   */
  until<T>(condition: () => T | undefined, limits: Limits, onTimeout: () => Error): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const { signal, deadlineMs } = limits
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    let cancelTick = (): void => {}
    const finish = (): void => {
      cancelTick()
      signal?.removeEventListener('abort', onAbort)
      this.#looks.delete(look)
      this.#countWaiters()
    }
    const onAbort = (): void => {
      finish()
      reject(signal?.reason)
    }
    const look = (): void => {
      try {
        const value = condition()
        if (value !== undefined) {
          finish()
          resolve(value)
        } else if (this.#table.clock.nowMs() >= deadlineMs) {
          const error = onTimeout()
          finish()
          reject(error)
        }
      } catch (error) {
        finish()
        reject(error)
      }
    }
    const tick = (): void => {
      // Who set `rung` may have died before it rang: answer for it.
      this.#table.own.words.store(Slot.rung, 0)
      look()
      if (this.#looks.has(look)) arm()
    }
    const arm = (): void => {
      const left = deadlineMs - this.#table.clock.nowMs()
      cancelTick = this.#table.clock.after(Math.max(0, Math.min(DEATH_TICK_MS, left)), tick, true)
    }
    signal?.addEventListener('abort', onAbort)
    this.#looks.add(look)
    this.#countWaiters()
    arm()
    look()
    return promise
  }

  #countWaiters(): void {
    this.#table.own.words.store(Slot.waiters, this.#looks.size)
    this.#table.bells.setWaiting(this.#looks.size > 0)
  }

  #look(): void {
    // Answered before looking: whoever changes the table after this look finds 0 and rings again.
    this.#table.own.words.store(Slot.rung, 0)
    for (const look of [...this.#looks]) look()
  }
}
