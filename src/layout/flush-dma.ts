/** flushDma: waits until nobody pins bytes of a file, without keeping anybody from pinning (dax_flush_dma of the thread). */
import type { InodeNumber } from '../units.ts'
import type { BreakRequest, Door } from './breaking.ts'
import { busyError } from './breaking.ts'
import { BreakState } from './format.ts'
import type { ClaimView, DeviceBytes } from './overlaps.ts'
import { claimsOf, deviceBytesOf, overlappingClaims } from './overlaps.ts'
import type { OwnBreak } from './own-break.ts'
import { withBreak } from './own-break.ts'
import type { PinTable } from './pin-table.ts'

/** Resolves when no pin is left in bytes [start, end) of the inode, wherever its blocks are now. New pins are let in meanwhile. */
export async function flushDma(
  door: Door & { readonly isReadOnly?: boolean },
  request: Omit<BreakRequest, 'busy'> & { readonly start: number; readonly end: number },
): Promise<void> {
  const { ino, start, end, limits } = request
  const untilUnpinned = async (broken?: OwnBreak): Promise<void> => {
    const layout = await door.metadata.layout(ino)
    const targets = deviceBytesOf(layout?.extents ?? [], start, end)
    const left = (): ClaimView[] => pinsOfRange(door.table, ino, start, end, targets)
    const isUnpinned = (): boolean => left().length === 0
    const tooLate = (): Error =>
      busyError(door, request, 'ETIMEDOUT', 'the range is still pinned', left(), 'wait longer')
    while (broken !== undefined && !isUnpinned() && !(await broken.keep(isUnpinned, limits, tooLate)));
    await door.waiting.until(() => (isUnpinned() ? true : undefined), limits, tooLate)
  }
  // Who only reads has nobody ring for it: it looks again and again.
  if (door.isReadOnly) await untilUnpinned()
  else await withBreak(door, request, BreakState.watching, start, end, untilUnpinned)
}

function pinsOfRange(
  table: PinTable,
  ino: InodeNumber,
  start: number,
  end: number,
  targets: readonly DeviceBytes[],
): ClaimView[] {
  const pins = new Map<string, ClaimView>()
  const add = (claims: readonly ClaimView[]): void => {
    for (const claim of claims) if (claim.kind === 'pin') pins.set(`${claim.slot}:${claim.record}`, claim)
  }
  add(overlappingClaims(table, targets))
  for (const slot of table.attached()) {
    const moved = claimsOf(table, slot).filter(
      (claim) => claim.ino === ino && claim.offset < end && start < claim.offset + claim.length,
    )
    if (moved.length > 0 && !table.reapIfDead(slot)) add(moved)
  }
  return [...pins.values()]
}
