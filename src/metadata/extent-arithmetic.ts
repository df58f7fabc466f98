/**
 * Arithmetic on extents and ranges: pure functions on sorted lists. Every list that comes in or goes out is ascending
 * and free of overlaps; `joined` lists are also merged where two elements touch.
 */
import assert from 'node:assert/strict'
import type { Extent, FileRange, Run } from '../units.ts'

export const fileEnd = (extent: Extent): number => extent.fileBlock + extent.count
export const deviceEnd = (extent: Extent): number => extent.deviceBlock + extent.count

export const makeExtent = (fileBlock: number, deviceBlock: number, count: number): Extent =>
  ({ fileBlock, deviceBlock, count }) as Extent

export const makeRun = (start: number, count: number): Run => ({ start, count }) as Run

export const byFileBlock = (a: Extent, b: Extent): number => a.fileBlock - b.fileBlock

/** Adds an extent that lies behind all of `list`, as part of the last one where they touch in file and device. */
export function appendExtent(list: Extent[], extent: Extent): void {
  const last = list.at(-1)
  if (last !== undefined && fileEnd(last) === extent.fileBlock && deviceEnd(last) === extent.deviceBlock) {
    list[list.length - 1] = makeExtent(last.fileBlock, last.deviceBlock, last.count + extent.count)
  } else {
    list.push(extent)
  }
}

/** Extents in any order, sorted and merged where they touch in file and device. */
export function joinedExtents(extents: readonly Extent[]): Extent[] {
  const joined: Extent[] = []
  for (const extent of extents.toSorted(byFileBlock)) appendExtent(joined, extent)
  return joined
}

/** Runs in any order, sorted and merged where they touch. */
export function joinedRuns(runs: readonly Run[]): Run[] {
  const joined: Run[] = []
  for (const run of runs.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (last !== undefined && last.start + last.count === run.start) {
      joined[joined.length - 1] = makeRun(last.start, last.count + run.count)
    } else {
      joined.push(run)
    }
  }
  return joined
}

export const deviceRun = (extent: Extent): Run => makeRun(extent.deviceBlock, extent.count)

export const blocksIn = (list: readonly { readonly count: number }[]): number =>
  list.reduce((sum, { count }) => sum + count, 0)

/** Ranges in any order, overlapping or empty, as a sorted list of ranges that neither overlap nor touch. */
export function joinedRanges(ranges: readonly FileRange[]): FileRange[] {
  const joined: { start: number; end: number }[] = []
  for (const { start, end } of ranges.toSorted((a, b) => a.start - b.start)) {
    if (end <= start) continue
    const last = joined.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else joined.push({ start, end })
  }
  return joined as FileRange[]
}

/** Parts `extents` into what lies inside of `ranges` (joined) and what lies outside. */
export function split(
  extents: readonly Extent[],
  ranges: readonly FileRange[],
): { inside: Extent[]; outside: Extent[] } {
  const inside: Extent[] = []
  const outside: Extent[] = []
  let next = 0
  for (const extent of extents) {
    const end = fileEnd(extent)
    const part = (from: number, to: number) =>
      makeExtent(from, extent.deviceBlock + (from - extent.fileBlock), to - from)
    let at: number = extent.fileBlock
    while (next < ranges.length && ranges[next].end <= at) next++
    for (let index = next; at < end; index++) {
      const range = ranges[index]
      if (range === undefined || range.start >= end) {
        outside.push(part(at, end))
        break
      }
      if (range.start > at) outside.push(part(at, range.start))
      const from = Math.max(at, range.start)
      at = Math.min(end, range.end)
      inside.push(part(from, at))
    }
  }
  return { inside, outside }
}

/**
 * Moves what is mapped from file block `from` on by `by` blocks. `moved` is that as it was, `placed` all as it is then.
 * Below 0: nothing may be mapped in the `-by` blocks before `from`.
 */
export function shifted(
  extents: readonly Extent[],
  { from, by }: { readonly from: number; readonly by: number },
): { moved: Extent[]; placed: Extent[] } {
  const { inside: moved, outside: staying } = split(extents, [{ start: from, end: Infinity } as FileRange])
  const last = staying.at(-1)
  assert((last === undefined ? 0 : fileEnd(last)) <= from + Math.min(by, 0), 'blocks would move over others')
  const there = moved.map(({ fileBlock, deviceBlock, count }) => makeExtent(fileBlock + by, deviceBlock, count))
  return { moved, placed: [...staying, ...there] }
}

/** Where nothing is mapped in `range`. */
export function holes(extents: readonly Extent[], range: FileRange): FileRange[] {
  const found: { start: number; end: number }[] = []
  let at: number = range.start
  for (let index = firstEndingAfter(extents, range.start); index < extents.length; index++) {
    const extent = extents[index]
    if (extent.fileBlock >= range.end) break
    if (extent.fileBlock > at) found.push({ start: at, end: extent.fileBlock })
    at = fileEnd(extent)
  }
  if (at < range.end) found.push({ start: at, end: range.end })
  return found as FileRange[]
}

/** Index of the first extent that ends behind `block`, by bisection; `extents.length` when there is none. */
export function firstEndingAfter(extents: readonly Extent[], block: number): number {
  let low = 0
  let high = extents.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (fileEnd(extents[middle]) > block) high = middle
    else low = middle + 1
  }
  return low
}
