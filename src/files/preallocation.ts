/**
 * Blocks that were allocated ahead of appends: which they are, so that a close gives back those and no others. What somebody
 * allocated past EOF on purpose (`keepSize`) is his to keep.
 */
import type { Extent, FileBlock, FileRange } from '../units.ts'

/** Blocks from `from` on that a layout has and the one before had not; ascending. */
export function newBlocks(before: readonly Extent[], after: readonly Extent[], from: FileBlock): FileRange[] {
  let ranges = after
    .map(({ fileBlock, count }) => rangeOf(Math.max(fileBlock, from), fileBlock + count))
    .filter(({ start, end }) => start < end)
  for (const { fileBlock, count } of before) ranges = without(ranges, rangeOf(fileBlock, fileBlock + count))
  return ranges
}

/** What is left of ranges without the blocks of another one. */
export function without(ranges: readonly FileRange[], taken: FileRange): FileRange[] {
  return ranges.flatMap(({ start, end }) =>
    [rangeOf(start, Math.min(end, taken.start)), rangeOf(Math.max(start, taken.end), end)].filter(
      (part) => part.start < part.end,
    ),
  )
}

/** Ranges from `from` on, moved by so many blocks. */
export const moved = (ranges: readonly FileRange[], from: number, by: number): FileRange[] =>
  ranges.map((range) => (range.start < from ? range : rangeOf(range.start + by, range.end + by)))

const rangeOf = (start: number, end: number): FileRange => ({ start: start as FileBlock, end: end as FileBlock })
