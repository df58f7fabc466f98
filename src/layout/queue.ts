/**
 * The queue of layout changes that wait (`busy: 'wait'`): of two whose ranges overlap, the one that came first goes first.
 *
 * Who came first is told by the arrival of its break in the bucket, a number that no other break of the bucket has.
 *
 * A change steps aside for an earlier one that could go, and for no other: one that waits for claims, or for leases, that
 * are not in the way of the later one does not hold it. So a waiting change holds nothing in other ranges, and no two
 * wait for each other: there is a first among all that could go.
 *
 * Nothing is unsafe when the order is not kept: each change decides inside its transaction. So it is kept out of courtesy,
 * for TURN_MS: who could go and does not belongs to a process that is stopped.
 */
import type { Extent, InodeNumber } from '../units.ts'
import { BreakState } from './format.ts'
import { causeOf, isFenced } from './leases.ts'
import type { ClaimView } from './overlaps.ts'
import { deviceBytesOf, overlappingClaims } from './overlaps.ts'
import type { BreakView, PinTable } from './pin-table.ts'

/** How long an earlier change has its turn. */
const TURN_MS = 1000
/** A copy that is older is one of a stopped process. */
const OLD_COPY_MS = 100

/** A change's place in the queue of an inode: its bytes [start, end), and when it arrived. */
interface Place {
  readonly start: number
  readonly end: number
  readonly arrival: number
}

export class Queue {
  readonly #table: PinTable
  readonly #ino: InodeNumber
  readonly #own: Place
  /** When each change ahead was first seen to have its turn, by its arrival; by the steady clock. */
  readonly #turns = new Map<number, number>()

  constructor(table: PinTable, ino: InodeNumber, own: Place) {
    this.#table = table
    this.#ino = ino
    this.#own = own
  }

  /** Whether an earlier change of the range has its turn. `extents`: of the whole file. */
  isBehind(extents: readonly Extent[]): boolean {
    const table = this.#table
    const { start, end, arrival } = this.#own
    for (const change of table.breaks(this.#ino, start, end, BreakState.waiting)) {
      if (((change.arrival - arrival) | 0) >= 0 || table.reapIfDead(change.slot)) continue
      if (this.#mayGo(change, extents) && this.#hasItsTurn(change)) return true
    }
    return false
  }

  #mayGo(change: BreakView, extents: readonly Extent[]): boolean {
    if (change.state === BreakState.committing) return true
    if (causeOf(change.cause) !== undefined) return false
    const table = this.#table
    const nowMs = table.clock.nowMs()
    const holdsIt = (claim: ClaimView): boolean =>
      (claim.kind === 'pin' || nowMs - claim.sinceMs > OLD_COPY_MS) && !isFenced(table, this.#ino, claim)
    return !overlappingClaims(table, deviceBytesOf(extents, change.start, change.end)).some(holdsIt)
  }

  #hasItsTurn({ arrival }: BreakView): boolean {
    const nowMs = this.#table.clock.steadyMs()
    const sinceMs = this.#turns.get(arrival)
    if (sinceMs === undefined) this.#turns.set(arrival, nowMs)
    return sinceMs === undefined || nowMs - sinceMs < TURN_MS
  }
}
