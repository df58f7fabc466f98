/**
 * Space held back: blocks that have left their file and can't be used again before somebody lets go: busy extents and
 * files of lost+found with claims on them, and files that lost their last name while they are open.
 *
 * Nothing here is exact beyond the moment: blocks leave and holders let go meanwhile. Price: reads all busy extents and
 * lost+found, which are few, and scans the slots once.
 */
import type { Holder } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { BLOCK_SIZE, bytesOf } from '../units.ts'
import type { Door } from './breaking.ts'
import { allClaims, holderOf, openHolders } from './holders.ts'
import type { ClaimView, DeviceBytes } from './overlaps.ts'
import { deviceBytesOf, wholeBlocks } from './overlaps.ts'

/** What has left its file and comes free as a whole, a busy extent or a file of lost+found: bytes of the device. */
export type Piece = readonly DeviceBytes[]

/** Everything that has left its file and is not free yet. */
export async function piecesThatLeft(metadata: Metadata): Promise<Piece[]> {
  const busy = await metadata.busyExtents({ limit: Number.MAX_SAFE_INTEGER })
  const lost = await metadata.lostAndFound()
  const extents = busy.map(({ start, count }) => [{ start: start * BLOCK_SIZE, end: (start + count) * BLOCK_SIZE }])
  return [...extents, ...lost.map((file) => deviceBytesOf(file.extents))]
}

/** The bytes of pieces; ascending. */
export const bytesOfPieces = (pieces: readonly Piece[]): DeviceBytes[] =>
  pieces.flat().sort((a, b) => a.start - b.start)

/** What has left its file and is not free; ascending. */
export const bytesThatLeft = async (metadata: Metadata): Promise<DeviceBytes[]> =>
  bytesOfPieces(await piecesThatLeft(metadata))

/** Bytes of the claim's whole blocks that are among `left`: what it keeps from being used again, alone or with others. */
export function heldBackBy(claim: Pick<ClaimView, 'bytes'>, left: readonly DeviceBytes[]): number {
  let held = 0
  for (const bytes of claim.bytes) {
    const { start, end } = wholeBlocks(bytes)
    for (let i = firstEndingAfter(start, left); i < left.length && left[i].start < end; i++) {
      held += Math.min(end, left[i].end) - Math.max(start, left[i].start)
    }
  }
  return held
}

/** Binary search: the ranges ascend and do not overlap each other. */
function firstEndingAfter(byte: number, ranges: readonly DeviceBytes[]): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ranges[middle].end <= byte) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether stable pins hold any: those of responses may let go when they are asked (`Table.spaceWanted`). */
export async function stablePinsHoldBack({ table, metadata }: Pick<Door, 'table' | 'metadata'>): Promise<boolean> {
  const left = await bytesThatLeft(metadata)
  return left.length > 0 && allClaims(table).some((claim) => claim.isStable && heldBackBy(claim, left) > 0)
}

/** Who holds space back, who holds most of it first. */
export async function spaceHolders({ table, witness, metadata }: Omit<Door, 'waiting' | 'device'>): Promise<Holder[]> {
  const left = await bytesThatLeft(metadata)
  const holders: Holder[] = []
  for (const claim of left.length === 0 ? [] : allClaims(table)) {
    const heldBackBytes = heldBackBy(claim, left)
    if (heldBackBytes > 0) holders.push({ ...holderOf(table, witness, claim), heldBackBytes })
  }
  for (const ino of await metadata.orphans()) {
    const { blocks = 0 } = (await metadata.inode(ino)) ?? {}
    if (blocks === 0) continue
    for (const holder of openHolders(table, witness, ino)) holders.push({ ...holder, heldBackBytes: bytesOf(blocks) })
  }
  return holders.sort((a, b) => (b.heldBackBytes ?? 0) - (a.heldBackBytes ?? 0))
}
