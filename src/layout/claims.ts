/**
 * Claims: how blocks of a file are held, by a pin or for the time of a copy. This is the pinner's half of the protocol
 * (design, section 5); the other half is break-layout.ts.
 *
 *   1 generation g was read, then the layout resolved under it (the caller's cache)
 *   2 publish a tentative record of the device runs          (sequentially consistent store)
 *   3 load the arrivals: those that g was last confirmed under? then grant
 *   4 otherwise load the breaks, THEN the generation
 *   5 no break in the way and generation = g: grant; else take the record back
 *
 * Why it is right (promises 1 and 2). A change publishes its break before it scans. If its scan comes after 2, it sees
 * the record. If its scan came before 2, its break was published before 4: either 4 still finds it, or it was taken
 * back before, and then the generation had gone up before that (commit → generation → take back), which the second
 * load of 4 finds. The other order of the two loads is wrong: a whole change, with reuse of the blocks, fits between.
 *
 * The short way, 3. A break counts itself in `breaks`, then in `arrivals`, then its change scans. Arrivals a are
 * remembered by a claim that loaded a, then no breaks, then generation g. So each break among a is over, and what it
 * committed was under g already; each later one makes the arrivals another number before its change scans. Found to be
 * a once more after 2, they say: no change has begun since that can have missed the record. All three conditions are
 * needed: with a break published, one among a may still commit; with the arrivals loaded after the breaks, one may have
 * come between; with another generation, the layout is an old one.
 *
 * Breaks in the way of a pin: waiting and committing ones (promise 3: no starvation). In the way of a copy: committing
 * ones only, so a copy never queues behind a waiting change, which may wait for a pin of the copy's own process
 * (promise 10).
 */
import type { InodeNumber, Run } from '../units.ts'
import { BreakState, bucketOf, RecordFlag, RecordKind } from './format.ts'
import type { Claim } from './own-slot.ts'
import { bytesOfRecord, wholeBlocks } from './overlaps.ts'
import type { PinTable } from './pin-table.ts'
import { isStable } from './stable.ts'

/** Why a claim was not granted. */
export type Refusal = 'stale' | 'break' | 'stable'

/** Least state of a break that is in the way of a kind of claim. */
export const breakInTheWayOf = (kind: number): number =>
  kind === RecordKind.pin ? BreakState.waiting : BreakState.committing

/** What blocks were resolved under. */
export interface Basis {
  readonly bucket: number
  /** Loaded before the layout was read. */
  readonly generation: number
  /** Under which the generation was confirmed with no break and no stable pin published, or {@link NEVER}. Kept up by the claims. */
  arrivals: number
}

/** Of claims that are not published. */
const NO_RECORD = -1

/** No number of arrivals. */
export const NEVER = -1

/**
 * Publishes and grants a claim on blocks resolved under `basis`. Price of one run without breaks: 80 ns.
 * Returns the record (>= 0), or a refusal; then nothing is claimed.
 */
export function tryClaim(table: PinTable, claim: Claim, runs: readonly Run[], basis: Basis): number | Refusal {
  const record = table.own.publish(claim, runs)
  return settle(table, record, claim, basis) ?? record
}

/** Steps 3 to 5 for a record just published. Undefined: granted; else it was taken back. */
export function settle(table: PinTable, record: number, claim: Claim, basis: Basis): Refusal | undefined {
  const arrivals = table.arrivals(basis.bucket)
  const refusal = arrivals === basis.arrivals ? undefined : refusalAt(table, claim, basis, record, arrivals)
  if (refusal === undefined) table.own.grant(record)
  else releaseClaim(table, record, claim.ino)
  return refusal
}

/** Steps 3 and 4: what stands against a claim on blocks resolved under `basis`; one that writes names its `record`. */
export function refusalOf(table: PinTable, claim: Claim, basis: Basis, record = NO_RECORD): Refusal | undefined {
  const arrivals = table.arrivals(basis.bucket)
  return arrivals === basis.arrivals ? undefined : refusalAt(table, claim, basis, record, arrivals)
}

/** Step 4: breaks first, then the generation; who writes looks for stable pins (stable.ts). `arrivals` were loaded before. */
function refusalAt(table: PinTable, claim: Claim, basis: Basis, record: number, arrivals: number): Refusal | undefined {
  const { kind, flags, ino, offset, length } = claim
  const hasNoBreak = table.breakCount(basis.bucket) === 0
  if (!hasNoBreak && hasBreak(table, ino as InodeNumber, offset, length, breakInTheWayOf(kind))) return 'break'
  if (table.generation(basis.bucket) !== basis.generation) return 'stale'
  const hasNoStable = table.stableCount(basis.bucket) === 0
  if (!hasNoStable && (flags & RecordFlag.write) !== 0) {
    const bytes = bytesOfRecord(table, record)
    const targets = kind === RecordKind.pin ? bytes.map(wholeBlocks) : bytes
    if (isStable(table, ino as InodeNumber, targets)) return 'stable'
  }
  if (hasNoBreak && hasNoStable) basis.arrivals = arrivals
  return undefined
}

/** Takes a claim back and wakes the changes that may wait for it. Price without breaks: 40 ns. */
export function releaseClaim(table: PinTable, record: number, ino: number): void {
  table.own.release(record)
  if (table.breakCount(bucketOf(ino)) !== 0) ringBreakers(table, ino as InodeNumber)
}

/** Whether a break with at least this state overlaps. */
export function hasBreak(table: PinTable, ino: InodeNumber, offset: number, length: number, least: number): boolean {
  for (const _ of table.breaks(ino, offset, offset + Math.max(length, 1), least)) return true
  return false
}

/** Everybody with a break on the inode, wherever in it: blocks move, so only they can tell what they wait for. */
function ringBreakers(table: PinTable, ino: InodeNumber): void {
  for (const { slot } of table.breaks(ino, 0, Infinity, BreakState.watching)) table.ring(slot)
}
