/** Two who use one pool, as one system: an operation goes to the side that it names, or that opened its file. */
import { Witnessed } from './expectations.ts'
import type { OnPool } from './on-pool.ts'
import type { Operation, Outcome, Who } from './operations.ts'
import type { System } from './steps.ts'

/** Whoever does operations. */
export interface Performer {
  perform(operation: Operation): Promise<Outcome>
}

export class TwoSides<Far extends Performer> implements System {
  readonly name = 'the pool'
  readonly witnessed = new Witnessed()
  readonly near: OnPool
  readonly far: Far
  /** Who has what open. */
  readonly #owners = new Map<number, Who>()

  constructor(near: OnPool, far: Far) {
    this.near = near
    this.far = far
  }

  side(who: Who): OnPool | Far {
    return who === 0 ? this.near : this.far
  }

  async perform(operation: Operation): Promise<Outcome> {
    const slot = 'slot' in operation ? operation.slot : -1
    const owner = this.#owners.get(slot)
    if (!('by' in operation)) return this.side(owner!).perform(operation)
    // Opened anew, on another side: what was open there is closed first.
    if (owner !== undefined && owner !== operation.by) await this.side(owner).perform({ op: 'close', slot })
    if (slot >= 0) this.#owners.set(slot, operation.by)
    return this.side(operation.by).perform(operation)
  }

  /** Closes what is open. */
  async closeAll(): Promise<void> {
    for (const [slot, owner] of this.#owners) await this.side(owner).perform({ op: 'close', slot })
  }
}
