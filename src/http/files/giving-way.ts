/**
 * Giving way: which responses are to end so that blocks come free that only responses keep from being used again.
 *
 * A piece, a busy extent or a file of lost+found, comes free as a whole, when nobody holds any of it. So responses are taken
 * in groups: the slowest, and all that hold pieces of its pieces. Of a piece that others hold as well nothing is to be
 * had: nobody gives way for it.
 */
import { allClaims } from '../../layout/holders.ts'
import type { Piece } from '../../layout/held-back.ts'
import { heldBackBy } from '../../layout/held-back.ts'
import type { DeviceBytes } from '../../layout/overlaps.ts'
import type { PinTable } from '../../layout/pin-table.ts'

/** Responses with one pin. */
export interface Candidate {
  /** The pin's, in the own slot. */
  readonly record: number
  /** Its blocks; ascending. */
  readonly bytes: readonly DeviceBytes[]
  /** How long the slowest would take for the rest. */
  readonly msToGo: number
}

/** Those to end, until so many bytes come free; fewer when there is no more to be had. Each once. */
export function givingWay<C extends Candidate>(
  table: PinTable,
  candidates: readonly C[],
  pieces: readonly Piece[],
  wantedBytes: number,
): C[] {
  const records = new Set(candidates.map(({ record }) => record))
  const others = merged(
    allClaims(table)
      .filter(({ slot, record }) => slot !== table.own.index || !records.has(record))
      .flatMap(({ bytes }) => bytes)
      .sort((a, b) => a.start - b.start),
  )
  const chosen = new Set<C>()
  let free = pieces.filter((piece) => !holds({ bytes: others }, piece))
  let gained = 0
  for (const slowest of candidates.toSorted((a, b) => b.msToGo - a.msToGo)) {
    if (gained >= wantedBytes) break
    const its = free.filter((piece) => holds(slowest, piece))
    if (its.length === 0) continue
    for (const candidate of candidates) if (its.some((piece) => holds(candidate, piece))) chosen.add(candidate)
    gained += its.flat().reduce((sum, { start, end }) => sum + end - start, 0)
    free = free.filter((piece) => !its.includes(piece))
  }
  return [...chosen]
}

const holds = ({ bytes }: Pick<Candidate, 'bytes'>, piece: Piece): boolean => heldBackBy({ bytes: piece }, bytes) > 0

/** Claims of several may overlap. */
function merged(sorted: readonly DeviceBytes[]): DeviceBytes[] {
  const ranges: { start: number; end: number }[] = []
  for (const { start, end } of sorted) {
    const last = ranges.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else ranges.push({ start, end })
  }
  return ranges
}
