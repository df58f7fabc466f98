/**
 * Waiting: until a condition over the pin table holds, woken by the one who makes it true.
 *
 * Concurrency. A waiter counts itself in its slot's `waiters` (sequentially consistent), then looks. Who changes the
 * table stores its change, then loads `waiters` (or the breaks of the inode) and rings. Of the two, at least one sees
 * the other, so no wake-up is lost. Who dies between changing and ringing is found by the tick: every
 * DEATH_TICK_MS each waiter looks again, and looking reaps dead owners. Nothing else polls.
 *
 * No thread waits: the doorbell is a FIFO that the event loop watches.
 * Waits that last are told of: stuck-waits.ts.
 */
import type { WaitMessage } from '../diagnostics.ts'
import { waits } from '../diagnostics.ts'
import { codeOf } from '../errors.ts'
import type { Patience } from '../metadata/metadata.ts'
import { Slot } from './format.ts'
import type { PinTable } from './pin-table.ts'
import { StuckWaits } from './stuck-waits.ts'

/** The death of an owner is noticed within this time. */
const DEATH_TICK_MS = 250

export interface Limits {
  /** By the steady clock (`Clock.steadyMs`). */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  /** Of a wait in slices: the limits of all of it, and what it would end with. */
  readonly partOf?: { readonly limits: Limits; readonly onTimeout: () => Error }
}

/** What is left of the limits, for an operation of the metadata: its lock is waited for no longer than all the rest. */
export const patienceOf = ({ clock }: Pick<PinTable, 'clock'>, limits: Limits): Patience => ({
  timeoutMs: Math.max(0, limits.deadlineMs - clock.steadyMs()),
  signal: limits.signal,
  operation: limits.partOf?.limits ?? limits,
})

export class Waiting {
  readonly #table: PinTable
  readonly #looks = new Set<() => void>()
  /** What else looks at each ring. */
  readonly #watchers = new Set<() => void>()
  /** Ends each wait that is under way. */
  readonly #ends = new Set<(error: Error) => void>()
  /** What waits end with once the participant leaves. */
  #left: (() => Error) | undefined
  readonly #stuck: StuckWaits

  constructor(table: PinTable, stuck = new StuckWaits(table.clock)) {
    this.#table = table
    this.#stuck = stuck
    table.bells.onRing(() => this.#look())
  }

  /** Operations that were found stuck so far, those that are over included. */
  get stuck(): number {
    return this.#stuck.count
  }

  /**
   * Resolves with what `condition` returns once that is not undefined. Rejects with `onTimeout()` at the deadline, with
   * the signal's reason when it aborts, with what `condition` throws.
   */
  until<T>(condition: () => T | undefined, limits: Limits, onTimeout: () => Error): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const { signal, deadlineMs } = limits
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    // Nobody rings any more, and the table goes: a timer would find none.
    if (this.#left !== undefined) return Promise.reject(this.#left())
    const { clock } = this.#table
    const whole = limits.partOf ?? { limits, onTimeout }
    const watch = this.#stuck.begin(whole.limits, whole.onTimeout)
    const sinceMs = clock.steadyMs()
    let cancelTick = (): void => {}
    const finish = (outcome: WaitMessage['outcome']): void => {
      if (waits.hasSubscribers)
        waits.publish({ ...this.#table.teller, outcome, waitedMs: Math.max(0, clock.steadyMs() - sinceMs) })
      watch.end()
      cancelTick()
      signal?.removeEventListener('abort', onAbort)
      this.#looks.delete(look)
      this.#ends.delete(end)
      this.#countWaiters()
    }
    const end = (error: Error): void => {
      finish('failed')
      reject(error)
    }
    const onAbort = (): void => {
      finish('aborted')
      reject(signal?.reason)
    }
    const look = (): void => {
      try {
        const value = condition()
        if (value !== undefined) {
          finish('done')
          resolve(value)
        } else if (clock.steadyMs() >= deadlineMs) {
          const error = onTimeout()
          finish(codeOf(error) === 'ETIMEDOUT' ? 'timeout' : 'slice')
          reject(error)
        } else {
          watch.look()
        }
      } catch (error) {
        finish('failed')
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
      const left = Math.min(deadlineMs - clock.steadyMs(), watch.dueInMs())
      cancelTick = clock.after(Math.max(0, Math.min(DEATH_TICK_MS, left)), tick, true)
    }
    signal?.addEventListener('abort', onAbort)
    this.#looks.add(look)
    this.#ends.add(end)
    this.#countWaiters()
    arm()
    look()
    return promise
  }

  /** Calls `watcher` at each ring, for those who are told and do not wait; returns how to end that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /** Rejects every wait that is under way, and each that would begin later: the participant leaves. */
  end(error: () => Error): void {
    this.#left = error
    for (const end of [...this.#ends]) end(error())
  }

  #countWaiters(): void {
    this.#table.own.words.store(Slot.waiters, this.#looks.size)
    this.#table.bells.setWaiting(this.#looks.size > 0)
  }

  #look(): void {
    // Answered before looking: whoever changes the table after this look finds 0 and rings again.
    this.#table.own.words.store(Slot.rung, 0)
    for (const look of [...this.#looks]) look()
    for (const watcher of [...this.#watchers]) watcher()
  }
}
