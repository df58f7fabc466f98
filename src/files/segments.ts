/**
 * Segments: a byte range of a file, cut where its layout cuts it, in order. A segment lies in one cached extent or is a
 * hole; what copies and pins go through.
 */
import type { BlockCount, DeviceBlock, Run } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { CopyMemory } from './copy-windows.ts'
import type { OpenInode } from './open-inode.ts'

export interface Segment {
  /** Bytes of the file. */
  readonly offset: number
  readonly length: number
  /** Index of the cached extent; -1: a hole. */
  readonly extent: number
}

/** Segments of bytes [offset, offset + length), by the cached layout. */
export function segmentsOf(open: OpenInode, offset: number, length: number): Segment[] {
  const segments: Segment[] = []
  const end = offset + length
  let at = offset
  for (let i = open.firstAtOrBehind(Math.floor(offset / BLOCK_SIZE)); at < end; i++) {
    const extent = open.extents[i]
    const start = extent === undefined ? end : Math.min(extent.fileBlock * BLOCK_SIZE, end)
    if (at < start) {
      segments.push({ offset: at, length: start - at, extent: -1 })
      at = start
    }
    if (extent === undefined || at >= end) continue
    const stop = Math.min((extent.fileBlock + extent.count) * BLOCK_SIZE, end)
    if (at < stop) segments.push({ offset: at, length: stop - at, extent: i })
    at = Math.max(at, stop)
  }
  return segments
}

export const hasHole = (segments: readonly Segment[]): boolean => segments.some((segment) => segment.extent < 0)

/** Device runs of the segments that are no holes: whole blocks. */
export function runsOf(open: OpenInode, segments: readonly Segment[]): Run[] {
  const runs: Run[] = []
  for (const { offset, length, extent: index } of segments) {
    if (index < 0) continue
    const extent = open.extents[index]
    const first = Math.floor(offset / BLOCK_SIZE)
    const count = Math.ceil((offset + length) / BLOCK_SIZE) - first
    runs.push({
      start: (extent.deviceBlock + first - extent.fileBlock) as DeviceBlock,
      count: count as BlockCount,
    })
  }
  return runs
}

/** The bytes of a segment, for the time of a copy under a claim. Not for holes. */
export function bytesOfSegment(
  memory: CopyMemory,
  open: OpenInode,
  { offset, length, extent: index }: Segment,
): Uint8Array {
  const extent = open.extents[index]
  return memory.bytes(offset + (extent.deviceBlock - extent.fileBlock) * BLOCK_SIZE, length)
}

/** `edges` of a claim on the segments: a hole at either end has no block whose bytes could be spared. */
export function edgesOfSegments(segments: readonly Segment[]): number {
  const first = segments[0]
  const last = segments[segments.length - 1]
  const head = first.extent < 0 ? 0 : first.offset % BLOCK_SIZE
  const tail = last.extent < 0 ? 0 : (BLOCK_SIZE - ((last.offset + last.length) % BLOCK_SIZE)) % BLOCK_SIZE
  return head | (tail << 12)
}
