/**
 * Claims: how blocks of a file are held, by a pin or for the time of a copy. This is the pinner's half of the protocol
 * (design, section 5); the other half is break-layout.ts.
 *
 *   1 generation g was read, then the layout resolved under it (the caller's cache)
 *   2 publish a tentative record of the device runs          (sequentially consistent store)
 *   3 load the breaks, THEN the generation
 *   4 no break in the way and generation = g: grant; else take the record back
 *
 * Why it is right (promises 1 and 2). A change publishes its break before it scans. If its scan comes after 2, it sees
 * the record. If its scan came before 2, its break was published before 3: either 3 still finds it, or it was taken
 * back before, and then the generation had gone up before that (commit → generation → take back), which the second
 * load of 3 finds. The other order of the two loads is wrong: a whole change, with reuse of the blocks, fits between.
 *
 * Breaks in the way of a pin: waiting and committing ones (promise 3: no starvation). In the way of a copy: committing
 * ones only, so a copy never queues behind a waiting change, which may wait for a pin of the copy's own process
 * (promise 10).
 */
import type { InodeNumber, Run } from '../units.ts'
import { BreakState, bucketOf, RecordKind } from './format.ts'
import type { Claim } from './own-slot.ts'
import type { PinTable } from './pin-table.ts'

/** Why a claim was not granted. */
export type Refusal = 'stale' | 'break'

/** Least state of a break that is in the way of a kind of claim. */
export const breakInTheWayOf = (kind: number): number =>
  kind === RecordKind.pin ? BreakState.waiting : BreakState.committing

/**
 * Publishes and grants a claim on blocks resolved under `generation`. Price of one run without breaks: 100 ns.
 * Returns the record (>= 0), or a refusal; then nothing is claimed.
 */
export function tryClaim(table: PinTable, claim: Claim, runs: readonly Run[], generation: number): number | Refusal {
  const record = table.own.publish(claim, runs)
  return settle(table, record, claim.kind, claim.ino, claim.offset, claim.length, generation)
}

/** Steps 3 and 4 for a record just published. */
export function settle(
  table: PinTable,
  record: number,
  kind: number,
  ino: number,
  offset: number,
  length: number,
  generation: number,
): number | Refusal {
  const refusal = refusalOf(table, kind, ino, offset, length, generation)
  if (refusal === undefined) {
    table.own.grant(record)
    return record
  }
  releaseClaim(table, record, ino)
  return refusal
}

/** Step 3: what stands against a claim on blocks resolved under `generation`. Breaks first, then the generation. */
export function refusalOf(
  table: PinTable,
  kind: number,
  ino: number,
  offset: number,
  length: number,
  generation: number,
): Refusal | undefined {
  const bucket = bucketOf(ino)
  if (table.breakCount(bucket) !== 0 && hasBreak(table, ino as InodeNumber, offset, length, breakInTheWayOf(kind)))
    return 'break'
  return table.generation(bucket) === generation ? undefined : 'stale'
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
