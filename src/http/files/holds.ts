/**
 * Holds: responses whose clients have not taken all yet, so that they hold blocks; and what becomes of those that take too
 * long (options `hold`): a small rest is copied and the blocks are let go, a large one is given up.
 *
 * Nothing but the synchronous part of a send refers to the blocks (body.ts), so both can be done at any moment between.
 */
import type { Body } from './body.ts'
import type { Settings } from './options.ts'

const LOOK_MS = 100

export interface Hold {
  readonly body: Body
  /** What is left may be copied: somebody says when it is over, whatever the client does. */
  readonly mayCopy: boolean
  /** Closes the connection. */
  giveUp(): void
}

export class Holds {
  readonly #limits: Settings['hold']
  readonly #untilMs = new Map<Hold, number>()
  /** Bytes that were copied for each. */
  readonly #copies = new Map<Hold, number>()
  #copied = 0
  #timer: NodeJS.Timeout | undefined

  constructor(limits: Settings['hold']) {
    this.#limits = limits
  }

  add(hold: Hold): void {
    if (!hold.body.holdsBlocks) return
    const { graceMs, bytesPerSecond } = this.#limits
    const ms = bytesPerSecond === 0 ? Infinity : graceMs + (hold.body.left / bytesPerSecond) * 1000
    this.#untilMs.set(hold, performance.now() + ms)
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** The response is over. */
  delete(hold: Hold): void {
    this.#untilMs.delete(hold)
    this.#copied -= this.#copies.get(hold) ?? 0
    this.#copies.delete(hold)
    this.#rest()
  }

  #rest(): void {
    if (this.#untilMs.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const now = performance.now()
    for (const [hold, untilMs] of this.#untilMs) if (untilMs <= now) this.#end(hold)
    this.#rest()
  }

  #end(hold: Hold): void {
    this.#untilMs.delete(hold)
    const { left } = hold.body
    const { copyBytes, copiesBytes } = this.#limits
    if (!hold.mayCopy || left > copyBytes || this.#copied + left > copiesBytes) {
      hold.body.end()
      hold.giveUp()
      return
    }
    hold.body.detach()
    this.#copied += left
    this.#copies.set(hold, left)
  }
}
