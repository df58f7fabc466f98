/**
 * Lease: a layout lease of this participant (docs/internals/leases.md). Its holder is asked before the layout of its range
 * changes, and may take long-term pins meanwhile.
 */
import type { RecallCause } from '../layout/leases.ts'
import type { Pin } from './pin.ts'
import { STAYS_IN_ITS_THREAD } from './thread-bound.ts'

/** Somebody wants to change the layout. Sizes in bytes. */
export interface Recall {
  /** The part of the lease's range that is asked for. */
  readonly offset: number
  readonly length: number
  /** ms since 1970: without an answer until then the lease is revoked. */
  readonly deadlineMs: number
  readonly cause: RecallCause
}

export type OnRecall = (recall: Recall, lease: Lease) => unknown

export type LeaseState = 'held' | 'recalled' | 'downgraded' | 'revoked' | 'released'

export interface LeaseParts {
  readonly offset: number
  readonly length: number
  readonly isExclusive: boolean
  readonly breakTimeMs: number
  readonly onRecall: OnRecall
  /** Takes the record out of the table. */
  readonly withdraw: () => void
  /** Lets go of the file. */
  readonly forget: () => Promise<void>
}

export class Lease implements AsyncDisposable {
  /** Bytes of the file. */
  readonly offset: number
  readonly length: number
  /** Others' layout changes fail with ETXTBSY while it is held. */
  readonly isExclusive: boolean
  /** How long a recall may take. */
  readonly breakTimeMs: number
  protected readonly threadBound = STAYS_IN_ITS_THREAD
  readonly #parts: LeaseParts
  readonly #pins = new Set<Pin>()
  #state: LeaseState = 'held'
  #isPublished = true

  /** For `file.lease()`. */
  constructor(parts: LeaseParts) {
    this.offset = parts.offset
    this.length = parts.length
    this.isExclusive = parts.isExclusive
    this.breakTimeMs = parts.breakTimeMs
    this.#parts = parts
  }

  get state(): LeaseState {
    return this.#state
  }

  /** Whether long-term pins of the range may be taken under it. */
  covers(offset: number, length: number): boolean {
    return offset >= this.offset && offset + length <= this.offset + this.length
  }

  /** Gives the lease back. Pins taken under it live on, as pins like any other. A second call does nothing. */
  async release(): Promise<void> {
    if (this.#state === 'released') return
    this.#state = 'released'
    this.#withdraw()
    await this.#parts.forget()
  }

  /** Stands in nobody's way from now on, and is not recalled any more; what is pinned under it stays pinned. */
  downgrade(): void {
    if (this.#state !== 'held' && this.#state !== 'recalled') return
    this.#state = 'downgraded'
    this.#withdraw()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  /** For `file.pin()`: a long-term pin was granted under the lease. */
  add(pin: Pin): void {
    for (const other of this.#pins) if (!other.isHeld) this.#pins.delete(other)
    this.#pins.add(pin)
  }

  /** For own-leases.ts: somebody asks. What the callback throws is a warning: the change goes on at the deadline. */
  recall(recall: Recall): void {
    if (this.#state !== 'held' && this.#state !== 'recalled') return
    this.#state = 'recalled'
    // In a turn of its own: the holder may do anything, also close the pool.
    queueMicrotask(() => {
      Promise.resolve()
        .then(() => this.#parts.onRecall(recall, this))
        .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : String(error)))
    })
  }

  /** For own-leases.ts: the holder did not answer. Views go, the protection of their blocks stays (promises 1 and 8). */
  revoke(): void {
    if (this.#state === 'released' || this.#state === 'revoked') return
    this.#state = 'revoked'
    for (const pin of this.#pins) pin.revoke()
  }

  /** For own-leases.ts: the change that asked is over, and the lease still there. */
  settle(): void {
    if (this.#state === 'recalled') this.#state = 'held'
  }

  #withdraw(): void {
    if (this.#isPublished) this.#parts.withdraw()
    this.#isPublished = false
  }
}
