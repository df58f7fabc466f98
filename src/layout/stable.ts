/**
 * Stable pins: their bytes do not change while they are held. Whoever would change them copies the blocks first and writes
 * to the copies (copy-on-write.ts); so readers have snapshots and writers never wait for them (promise 10).
 *
 *   pinner   count + 1 → arrivals + 1 → publish (tentative) → granted → scan for claims that write → none: stable
 *            some: tentative again, wait until they are gone, and once more from `granted`
 *   writer   publish its claim → load the count; not 0: scan for granted stable pins → none: write in place
 *            some: take the claim back, copy the blocks, try again
 *
 * Why it is right. Stores and loads are sequentially consistent. A writer that finds no granted stable pin of its bytes
 * published its claim before the pin was granted, so the scan that follows the grant finds the claim, and the pin is not
 * stable before that claim is gone. The writer's short way (claims.ts) skips the look when the arrivals are those under
 * which the count was 0: a pin counts itself before it changes the arrivals.
 *
 * Write pins go by whole blocks, since I/O may be under way in them: a copy would take their block out of the file. A
 * block that has both for a moment is never copied; one of the two goes back first.
 *
 * The count goes down after the record is free: it is never too low. A death in between leaves it too high, which costs
 * writers a look, until the pool is opened afresh.
 */
import type { InodeNumber } from '../units.ts'
import type { BreakRequest, Door } from './breaking.ts'
import { busyError } from './breaking.ts'
import { BreakState, Bucket, bucketOf, RecordStatus } from './format.ts'
import type { ClaimView, DeviceBytes } from './overlaps.ts'
import { overlappingClaims } from './overlaps.ts'
import { withBreak } from './own-break.ts'
import type { PinTable } from './pin-table.ts'

/** Before a stable pin is published. */
export function beginStable(table: PinTable, ino: InodeNumber): void {
  const bucket = bucketOf(ino)
  table.memory.table.add(bucket + Bucket.stables, 1)
  table.countArrival(bucket)
}

/** After its record is free. */
export const endStable = (table: PinTable, ino: InodeNumber): void =>
  void table.memory.table.add(bucketOf(ino) + Bucket.stables, -1)

/** Whether a stable pin holds any of these bytes of the device, which are the inode's. */
export const isStable = (table: PinTable, ino: InodeNumber, targets: readonly DeviceBytes[]): boolean =>
  table.stableCount(bucketOf(ino)) > 0 && overlappingClaims(table, targets).some(isGrantedStable)

export const isGrantedStable = (claim: ClaimView): boolean => claim.isStable && !claim.isTentative

/** Claims that write to the blocks, but for the own record. */
const writersBeside = (table: PinTable, record: number, blocks: readonly DeviceBytes[]): ClaimView[] =>
  overlappingClaims(table, blocks).filter(
    (claim) => claim.isWrite && !(claim.slot === table.own.index && claim.record === record),
  )

/**
 * One try of the pinner, its record published: none is returned, and the pin is stable; or who writes to the blocks, and it
 * is tentative.
 */
export function grantedBeside(table: PinTable, record: number, blocks: readonly DeviceBytes[]): ClaimView[] {
  table.own.setStatus(record, RecordStatus.granted)
  const found = writersBeside(table, record, blocks)
  if (found.length > 0) table.own.setStatus(record, RecordStatus.tentative)
  return found
}

/**
 * The pinner's half, its record published: resolves when nobody writes to the blocks any more, and who comes later finds
 * them stable. EBUSY, ETIMEDOUT with holders, AbortError: the pin is still there, not stable; the caller takes it back.
 */
export async function untilNobodyWrites(
  door: Door,
  request: BreakRequest & { readonly offset: number; readonly length: number },
  record: number,
  blocks: readonly DeviceBytes[],
): Promise<void> {
  const { table } = door
  const { offset, length, busy, limits } = request
  const writers = (): ClaimView[] => writersBeside(table, record, blocks)
  for (;;) {
    const found = grantedBeside(table, record, blocks)
    if (found.length === 0) return
    const pins = found.filter((claim) => claim.kind === 'pin' && !claim.isTentative)
    const advice = "release the write pins, or ask with busy 'wait'"
    if (busy === 'fail' && pins.length > 0)
      throw busyError(door, request, 'EBUSY', 'the blocks are pinned for writing', pins, advice)
    const isOver = (): boolean => writers().length === 0
    const tooLate = (): Error =>
      busyError(door, request, 'ETIMEDOUT', 'the blocks are still written to', writers(), 'wait longer')
    // Watching: who lets go of the blocks rings, and nobody is kept from anything.
    await withBreak(door, request, BreakState.watching, offset, offset + length, async (broken) => {
      while (!isOver() && !(await broken.keep(isOver, limits, tooLate)));
      await door.waiting.until(() => (isOver() ? true : undefined), limits, tooLate)
    })
  }
}
