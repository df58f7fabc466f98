/**
 * The alarm about waits that last. Who waits for long is told of, once: an operation that has spent `afterMs` in waits,
 * however many and for whatever, is counted as stuck.
 *
 * What belongs to one operation is known by an object that it hands to each of its waits: its limits.
 */
import type { Clock } from './surroundings.ts'

/** When a wait is stuck, and who is told: with what the wait would end with now, and how long it has lasted. */
export interface StuckAlarm {
  readonly afterMs: number
  readonly tell: (error: Error, waitedMs: number) => void
}

const NO_ALARM: StuckAlarm = { afterMs: Infinity, tell: () => {} }

/** One wait under way. */
export interface WaitWatch {
  /** How long until the alarm is due; Infinity when it is over, or never comes. */
  dueInMs(): number
  /** Tells, when it is due. */
  look(): void
  /** The wait is over, and counts for its operation. */
  end(): void
}

export class StuckWaits {
  readonly #clock: Pick<Clock, 'steadyMs'>
  readonly #alarm: StuckAlarm
  /** ms spent in waits, by operation. */
  readonly #waited = new WeakMap<object, number>()
  /** Operations that were told of. Not those that have waited for long enough: a slice may end when the alarm is due. */
  readonly #told = new WeakSet()
  #count = 0

  constructor(clock: Pick<Clock, 'steadyMs'>, alarm = NO_ALARM) {
    this.#clock = clock
    this.#alarm = alarm
  }

  /** Operations that were found stuck so far, those that are over included. */
  get count(): number {
    return this.#count
  }

  /** An operation begins to wait. `wouldEndWith` says with what, if its time were up now. */
  begin(operation: object, wouldEndWith: () => Error): WaitWatch {
    const { afterMs, tell } = this.#alarm
    const before = this.#waited.get(operation) ?? 0
    const sinceMs = this.#clock.steadyMs()
    const waitedMs = (): number => before + this.#clock.steadyMs() - sinceMs
    return {
      dueInMs: () => (this.#told.has(operation) ? Infinity : afterMs - waitedMs()),
      look: () => {
        if (waitedMs() < afterMs || this.#told.has(operation)) return
        this.#told.add(operation)
        this.#count++
        tell(wouldEndWith(), waitedMs())
      },
      end: () => void this.#waited.set(operation, waitedMs()),
    }
  }
}
