/** The clock for real. */
import type { Clock } from '../layout/surroundings.ts'

/**
 * `coarseMs` asks the system once for each turn of the event loop: a pin that costs 150 ns can't spend 60 on the time.
 */
export class SystemClock implements Clock {
  #coarse = 0

  nowMs(): number {
    return Date.now()
  }

  coarseMs(): number {
    if (this.#coarse === 0) {
      this.#coarse = Date.now()
      setImmediate(this.#forget).unref()
    }
    return this.#coarse
  }

  after(delayMs: number, callback: () => void, keepsAlive: boolean): () => void {
    const timer = setTimeout(callback, delayMs)
    if (!keepsAlive) timer.unref()
    return () => clearTimeout(timer)
  }

  readonly #forget = (): void => {
    this.#coarse = 0
  }
}
