/**
 * Overlaps: which claims hold blocks that are to leave a file. The scan compares bytes of the *device*, never
 * (inode, offset): collapse and insert move pinned blocks (design, section 5).
 *
 * Concurrency. Caller published its break first. A claim published before that is seen here; one published later sees
 * the break, or the next generation, and takes itself back. A record that changes under our eyes (its state word, with
 * the sequence in it, is loaded again after reading) was released, or was published after our break: read it again.
 */
import type { BlockCount, DeviceBlock, Extent, FileBlock, InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import {
  KIND_MASK,
  MORE_RUNS,
  MORE_RUNS_START,
  Record,
  RecordFlag,
  RecordKind,
  RecordStatus,
  STATUS_MASK,
} from './format.ts'
import { chunkOf, isFilteredOut, recordAt } from './own-slot.ts'
import type { PinTable } from './pin-table.ts'
import { damagedTable, recordCountIn } from './table-counts.ts'
import type { Words } from './words.ts'

/** Bytes [start, end) of the device. */
export interface DeviceBytes {
  readonly start: number
  readonly end: number
}

/** A claim in the way. Offsets and lengths in bytes of the file. */
export interface ClaimView {
  readonly slot: number
  readonly record: number
  readonly kind: 'pin' | 'copy'
  readonly isTentative: boolean
  readonly isWrite: boolean
  readonly isStable: boolean
  readonly isLongTerm: boolean
  readonly ino: InodeNumber
  readonly offset: number
  readonly length: number
  readonly sinceMs: number
  /** What it covers of the device, to the byte. */
  readonly bytes: readonly DeviceBytes[]
}

/** Where extents, cut to bytes [from, to) of their file, lie in the device; ascending by device. */
export function deviceBytesOf(extents: readonly Extent[], from = 0, to = Infinity): DeviceBytes[] {
  const out: DeviceBytes[] = []
  for (const { fileBlock, deviceBlock, count } of extents) {
    const shift = (deviceBlock - fileBlock) * BLOCK_SIZE
    const start = Math.max(fileBlock * BLOCK_SIZE, from)
    const end = Math.min((fileBlock + count) * BLOCK_SIZE, to)
    if (start < end) out.push({ start: start + shift, end: end + shift })
  }
  return out.sort((a, b) => a.start - b.start)
}

/** Live claims (pins and copies) that overlap any of the device byte ranges, which ascend. Dead owners are reaped on the way. */
export function overlappingClaims(table: PinTable, targets: readonly DeviceBytes[]): ClaimView[] {
  const found: ClaimView[] = []
  if (targets.length === 0) return found
  for (const slot of table.attached()) {
    const words = table.slot(slot)
    const isNear = targets.some(({ start, end }) => {
      const first = Math.floor(start / BLOCK_SIZE)
      return !isFilteredOut(words, first, Math.ceil(end / BLOCK_SIZE) - first)
    })
    if (!isNear) continue
    const here = claimsOf(table, slot, targets)
    if (here.length > 0 && !table.reapIfDead(slot)) found.push(...here)
  }
  return found
}

/** Claims of a slot; with `targets` (ascending) only those that overlap one. Nothing is allocated for the others. */
export function claimsOf(table: PinTable, slot: number, targets?: readonly DeviceBytes[]): ClaimView[] {
  const found: ClaimView[] = []
  const count = recordCountIn(table.slot(slot), slot)
  for (let record = 0; record < count; record++) {
    const chunk = table.memory.chunk(slot, chunkOf(record))
    const at = recordAt(record)
    let state = chunk.load(at)
    while (isClaim(state)) {
      const isHit = targets === undefined || isOverlapping(table, slot, chunk, at, targets)
      const claim = isHit ? viewOf(table, slot, record, state, chunk, at) : undefined
      const now = chunk.load(at)
      // Granting turns tentative into granted and nothing else: what was read stays true.
      if (now === state || now === state + (RecordStatus.granted - RecordStatus.tentative)) {
        if (claim !== undefined) found.push(claim)
        break
      }
      state = now
    }
  }
  return found
}

const isClaim = (state: number): boolean => {
  const status = state & STATUS_MASK
  const kind = state & KIND_MASK
  return (
    (status === RecordStatus.tentative || status === RecordStatus.granted) &&
    (kind === RecordKind.pin || kind === RecordKind.copy)
  )
}

/** Binary search: the ranges ascend and do not overlap each other. */
function overlapsAny(start: number, end: number, targets: readonly DeviceBytes[]): boolean {
  let low = 0
  let high = targets.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (targets[middle].end <= start) low = middle + 1
    else high = middle
  }
  return low < targets.length && targets[low].start < end
}

function isOverlapping(
  table: PinTable,
  slot: number,
  chunk: Words,
  at: number,
  targets: readonly DeviceBytes[],
): boolean {
  if (chunk.get(at + Record.runCount) !== 1) {
    return isAnyRun(table, slot, chunk, at, (start, end) => overlapsAny(start, end, targets))
  }
  // Nearly all records have one run, and a scan may read thousands of them.
  const edges = chunk.get(at + Record.edges)
  const first = chunk.get(at + Record.firstRun) >>> 0
  const count = chunk.get(at + Record.firstRun + 1) >>> 0
  return overlapsAny(first * BLOCK_SIZE + (edges & 0xfff), (first + count) * BLOCK_SIZE - (edges >>> 12), targets)
}

/** Calls `test` with the device bytes of each run until it says true. */
function isAnyRun(
  table: PinTable,
  slot: number,
  chunk: Words,
  at: number,
  test: (start: number, end: number) => boolean,
): boolean {
  const state = chunk.load(at)
  const edges = chunk.get(at + Record.edges)
  const runs = chunk.get(at + Record.runCount) >>> 0
  let next = chunk.get(at + Record.next)
  let words = chunk
  // Every continuation is a record of the slot, and no more of them are in one chain. (Whether it says that it is one does
  // not count: of a dead owner's slot they may be cleared before the first.)
  const records = recordCountIn(table.slot(slot), slot)
  const mostRuns = 1 + records * MORE_RUNS
  let word = at + Record.firstRun
  let here = 1
  for (let run = 0; run < runs; run++, here--, word += 2) {
    if (here === 0) {
      // A record that is used anew while we read may lead anywhere: the caller loads its state again, stop here.
      if (next < 1 || next > records || runs > mostRuns) return brokenChain(slot, chunk, at, state)
      words = table.memory.chunk(slot, chunkOf(next - 1))
      word = recordAt(next - 1)
      next = words.get(word + Record.next)
      word += MORE_RUNS_START
      here = run === 1 ? ((runs - 2) % MORE_RUNS) + 1 : MORE_RUNS
    }
    const first = words.get(word) >>> 0
    const count = words.get(word + 1) >>> 0
    const start = first * BLOCK_SIZE + (run === 0 ? edges & 0xfff : 0)
    const end = (first + count) * BLOCK_SIZE - (run === runs - 1 ? edges >>> 12 : 0)
    if (test(start, end)) return true
  }
  return false
}

/** A record that is used anew while its runs are read may lead anywhere: then its state is another one. */
function brokenChain(slot: number, chunk: Words, at: number, state: number): false {
  const now = chunk.load(at)
  if (now !== state && now !== state + (RecordStatus.granted - RecordStatus.tentative)) return false
  throw damagedTable(`a record of slot ${slot} has runs that are nowhere`)
}

/** What a record of the own slot covers of the device, to the byte; ascending. */
export function bytesOfRecord(table: PinTable, record: number): DeviceBytes[] {
  const bytes: DeviceBytes[] = []
  const chunk = table.memory.chunk(table.own.index, chunkOf(record))
  isAnyRun(table, table.own.index, chunk, recordAt(record), (start, end) => {
    bytes.push({ start, end })
    return false
  })
  return bytes.sort((a, b) => a.start - b.start)
}

/** The blocks that bytes lie in. */
export const wholeBlocks = ({ start, end }: DeviceBytes): DeviceBytes => ({
  start: Math.floor(start / BLOCK_SIZE) * BLOCK_SIZE,
  end: Math.ceil(end / BLOCK_SIZE) * BLOCK_SIZE,
})

function viewOf(table: PinTable, slot: number, record: number, state: number, chunk: Words, at: number): ClaimView {
  const bytes: DeviceBytes[] = []
  isAnyRun(table, slot, chunk, at, (start, end) => {
    bytes.push({ start, end })
    return false
  })
  const flags = chunk.get(at + Record.flags)
  return {
    slot,
    record,
    kind: (state & KIND_MASK) === RecordKind.pin ? 'pin' : 'copy',
    isTentative: (state & STATUS_MASK) === RecordStatus.tentative,
    isWrite: (flags & RecordFlag.write) !== 0,
    isStable: (flags & RecordFlag.stable) !== 0,
    isLongTerm: (flags & RecordFlag.longTerm) !== 0,
    ino: chunk.getWide(at + Record.ino) as InodeNumber,
    offset: chunk.getWide(at + Record.offset),
    length: chunk.getWide(at + Record.length),
    sinceMs: chunk.getWide(at + Record.since),
    bytes,
  }
}

/** The parts of extents, in whole blocks, that any of the claims holds a byte of within `targets`. */
export function heldParts(
  extents: readonly Extent[],
  claims: readonly ClaimView[],
  targets: readonly DeviceBytes[],
): Extent[] {
  const held: DeviceBytes[] = claims
    .flatMap((claim) => claim.bytes)
    .filter(({ start, end }) => overlapsAny(start, end, targets))
    .sort((a, b) => a.start - b.start)
  const parts: Extent[] = []
  for (const { fileBlock, deviceBlock, count } of extents) {
    let from = deviceBlock as number
    const end = deviceBlock + count
    for (const bytes of held) {
      const start = Math.max(from, Math.floor(bytes.start / BLOCK_SIZE))
      const stop = Math.min(end, Math.ceil(bytes.end / BLOCK_SIZE))
      if (start >= stop) continue
      parts.push({
        fileBlock: (fileBlock + start - deviceBlock) as FileBlock,
        deviceBlock: start as DeviceBlock,
        count: (stop - start) as BlockCount,
      })
      from = stop
    }
  }
  return parts.sort((a, b) => a.fileBlock - b.fileBlock)
}
