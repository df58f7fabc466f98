/**
 * Watching a pool for its readers: looks four times a second while there is a reader whether anything changed, in any
 * process, and only then reads the state, once for all of them.
 *
 * A look is a walk over shared words and one row of the metadata: 0.2 ms. A reader that is slow gets the newest state when it comes
 * for one, never a queue of old ones.
 */
import { activityOf } from '../../layout/table-activity.ts'
import type { Pool } from '../../pool/pool.ts'
import type { PoolState } from './pool-state.ts'
import { stateOf } from './pool-state.ts'

const LOOK_MS = 250

/** A state as it is sent: made into text once. */
export interface Sighting {
  readonly sequence: number
  readonly json: string
}

export class PoolWatch {
  readonly #pool: Pool
  #readers = 0
  #seen = ''
  #sighting: Sighting | undefined
  #timer: NodeJS.Timeout | undefined
  #isLooking = false
  #next = Promise.withResolvers<void>()

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** How many there are. */
  get readers(): number {
    return this.#readers
  }

  /** One more reader, until `signal`; yields the state now and whenever it has changed. Ends when the pool is closed. */
  async *states(signal: AbortSignal): AsyncGenerator<Sighting> {
    const stop = Promise.withResolvers<void>()
    const onAbort = (): void => stop.resolve()
    signal.addEventListener('abort', onAbort)
    this.#join()
    try {
      await this.#look()
      for (let sequence = -1; !signal.aborted && this.#pool.isOpen;) {
        const now = this.#sighting
        if (now !== undefined && now.sequence !== sequence) {
          sequence = now.sequence
          yield now
        } else {
          await Promise.race([this.#next.promise, stop.promise])
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#leave()
    }
  }

  #join(): void {
    // What the others were sent last may be old, and says how old everything was then: all get it as it is now.
    this.#seen = ''
    if (this.#readers++ > 0) return
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref()
  }

  #leave(): void {
    if (--this.#readers > 0) return
    clearInterval(this.#timer)
    this.#sighting = undefined
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const { table, metadata } = this.#pool.fileSystem
      // Before the state is read: what changes meanwhile is seen by the next look.
      const seen = `${activityOf(table)} ${JSON.stringify(await metadata.space())}`
      if (seen === this.#seen) return
      const state: PoolState = await stateOf(this.#pool)
      this.#seen = seen
      this.#sighting = { sequence: (this.#sighting?.sequence ?? 0) + 1, json: JSON.stringify(state) }
      this.#wake()
    } catch {
      // The pool was closed meanwhile, which ends its readers; or it could not be read, and is looked at again.
      if (!this.#pool.isOpen) this.#wake()
    } finally {
      this.#isLooking = false
    }
  }

  #wake(): void {
    const { resolve } = this.#next
    this.#next = Promise.withResolvers<void>()
    resolve()
  }
}
