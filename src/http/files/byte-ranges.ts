/** Ranges: what a Range header asks of a file of some size (RFC 9110, section 14). */
import parseRange from 'range-parser'

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** More than these are an attack or a mistake: the whole file is sent instead. */
const MOST_RANGES = 64

/**
 * The ranges, overlapping and adjacent ones made one; undefined: send everything, since there is none, or none that makes
 * sense; 'unsatisfiable': none of them is in the file.
 */
export function byteRanges(
  header: string | undefined,
  size: number,
): readonly ByteRange[] | 'unsatisfiable' | undefined {
  if (header === undefined || !/^\s*bytes\s*=/i.test(header)) return undefined
  if (header.split(',').length > MOST_RANGES) return undefined
  const ranges = parseRange(size, withinSize(header.trim(), size), { combine: true })
  if (ranges === -1) return 'unsatisfiable'
  if (ranges === -2) return undefined
  return ranges.map(({ start, end }) => ({ offset: start, length: end - start + 1 }))
}

/** The last 20 bytes of 10 are all of them; range-parser takes them for none. */
const withinSize = (header: string, size: number): string =>
  header.replaceAll(/(?<=[=,]\s*)-(\d+)(?=\s*(?:,|$))/g, (_, length: string) => `-${Math.min(Number(length), size)}`)

export const contentRange = ({ offset, length }: ByteRange, size: number): string =>
  `bytes ${offset}-${offset + length - 1}/${size}`
