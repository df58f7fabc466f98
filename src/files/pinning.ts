/**
 * Pinning: from a byte range of a file to a granted record and views of its blocks. The protocol is in
 * layout/claims.ts; here the range is resolved, allocated where a write pin meets a hole, and turned into views.
 */
import { systemError } from '../errors.ts'
import { releaseClaim, settle, tryClaim } from '../layout/claims.ts'
import { RecordFlag, RecordKind } from '../layout/format.ts'
import type { Claim } from '../layout/own-slot.ts'
import { bytesOfRecord, wholeBlocks } from '../layout/overlaps.ts'
import { beginStable, endStable, grantedBeside, untilNobodyWrites } from '../layout/stable.ts'
import type { Limits } from '../layout/waiting.ts'
import type { BusyPolicy } from '../metadata/metadata.ts'
import { pageAligned } from '../platform/page-aligned.ts'
import type { InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import { mustRefresh } from './data.ts'
import type { FileSystem } from './file-system.ts'
import { untilUnbroken } from './file-system.ts'
import { allocateRange, makeWritable } from './growth.ts'
import type { OpenInode } from './open-inode.ts'
import type { Place } from './places.ts'
import type { RunView } from './run-views.ts'
import { edgesOfSegments, hasHole, runsOf, segmentsOf } from './segments.ts'

/** A granted pin. */
export interface Pinned {
  /** In the own slot. */
  readonly record: number
  /** Its bytes: one view, or several in order. */
  readonly content: Uint8Array | readonly Uint8Array[]
  /** The memory of revocable views, to be revoked at release; undefined: they are not revocable. */
  readonly views: readonly RunView[] | undefined
  /** Called before release; when it throws, the pin stays. */
  readonly writeBack: (() => void) | undefined
}

/** What stands between a range and its pin. */
export type PinObstacle = 'cold' | 'end' | 'hole' | 'break' | 'stale' | 'stable'

export interface PinRange {
  /** Bytes. */
  readonly offset: number
  readonly length: number
  readonly mode: 'read' | 'write'
  /** Default true. */
  readonly revocable?: boolean | undefined
  /** Default false. */
  readonly longTerm?: boolean | undefined
  /** Default false. With mode 'read' only. */
  readonly stable?: boolean | undefined
  /** Views of blocks only, none of holes, which may be longer than memory. Default false. */
  readonly withoutHoles?: boolean | undefined
}

const flagsOf = ({ mode, longTerm, stable }: PinRange): number =>
  (mode === 'write' ? RecordFlag.write : 0) |
  (longTerm === true ? RecordFlag.longTerm : 0) |
  (stable === true ? RecordFlag.stable : 0)

/**
 * Pins at once, or says why not. `mayTrustAbsence`: the layout was just read, so holes and EOF are as it says.
 * Price of a single run that is not revocable: 0.1 µs when the range was pinned a moment ago; revocable: 0.6 µs when the
 * run was, else 2 µs for each run.
 */
function tryPin(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  mayTrustAbsence: boolean,
  path?: string,
): Pinned | PinObstacle {
  const { offset, length } = range
  if (!open.isCached) return 'cold'
  if (offset + length > open.size) return 'end'
  const place = open.place(offset, length)
  if (place === undefined) return tryPinScattered(fs, open, range, mayTrustAbsence, path)
  const { table } = fs
  place.flags = flagsOf(range)
  const record = table.own.publishRun(place, place.start, place.count)
  const refusal = settle(table, record, place, open)
  if (refusal !== undefined) return refusal
  try {
    if (range.revocable !== false) return revocably(fs, record, place)
    return { record, content: place.view ?? open.makeView(place), views: undefined, writeBack: undefined }
  } catch (error) {
    releaseClaim(table, record, open.ino)
    throw error
  }
}

function revocably(fs: FileSystem, record: number, place: Place): Pinned {
  const view = fs.runViews.take(place)
  const content = new Uint8Array(view.memory, place.offset % BLOCK_SIZE, place.length)
  return { record, content, views: [view], writeBack: undefined }
}

function tryPinScattered(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  mayTrustAbsence: boolean,
  path: string | undefined,
): Pinned | PinObstacle {
  const { offset, length } = range
  const { table } = fs
  const segments = segmentsOf(open, offset, length)
  if (hasHole(segments) && (range.mode === 'write' || !mayTrustAbsence)) return 'hole'
  const claim: Claim = {
    kind: RecordKind.pin,
    flags: flagsOf(range),
    ino: open.ino,
    offset,
    length,
    edges: edgesOfSegments(segments),
  }
  const runs = runsOf(open, segments)
  const record = tryClaim(table, claim, runs, open)
  if (typeof record === 'string') return record
  const views: RunView[] = []
  try {
    if (range.revocable === false) {
      const buffers = segments.map(({ offset: at, length: bytes, extent }) => {
        if (extent < 0) return memoryFor(bytes, path)
        return new Uint8Array(open.memory(extent), at - open.extents[extent].fileBlock * BLOCK_SIZE, bytes)
      })
      return { record, content: buffers, views: undefined, writeBack: undefined }
    }
    for (const run of runs) views.push(fs.runViews.take(run))
    let next = 0
    const wanted = range.withoutHoles === true ? segments.filter(({ extent }) => extent >= 0) : segments
    const buffers = wanted.map((segment) => {
      if (segment.extent < 0) return memoryFor(segment.length, path)
      return new Uint8Array(views[next++].memory, segment.offset % BLOCK_SIZE, segment.length)
    })
    return { record, content: buffers, views, writeBack: undefined }
  } catch (error) {
    for (const view of views) fs.runViews.revoke(view)
    releaseClaim(table, record, open.ino)
    throw error
  }
}

/** Zeroed memory of a pin's own: for a hole, or a copy. A range may be far longer than memory: ENOMEM. */
export function memoryFor(length: number, path: string | undefined): Uint8Array<ArrayBuffer> {
  try {
    return pageAligned(length)
  } catch (cause) {
    const what = `there is no memory for ${length} bytes of holes, or of a copy; pin less at once (seekData() finds what has blocks)`
    throw systemError('ENOMEM', what, { syscall: 'pin', path, cause })
  }
}

/** Pins, waiting for what has to be waited for. ERANGE past EOF, ENOSPC, ENOMEM (holes longer than memory), ETIMEDOUT with holders, AbortError. */
export async function pinRange(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  limits: Limits,
  path: string | undefined,
): Promise<Pinned> {
  const { offset, length } = range
  const turn = fs.turnIfDue()
  if (turn !== undefined) await turn
  for (let isFresh = false; ;) {
    const outcome = tryPin(fs, open, range, isFresh, path)
    if (typeof outcome !== 'string') return outcome
    if (outcome === 'end' && isFresh) throw pastEnd(open, range, path)
    if (outcome === 'break') {
      await untilUnbroken(fs, { kind: RecordKind.pin, ino: open.ino, offset, length }, limits, 'pin', path)
    }
    if (outcome === 'stable') {
      await makeWritable(fs, open, { start: offset, end: offset + length, limits, syscall: 'pin', path })
    }
    if (outcome === 'hole' && range.mode === 'write' && isFresh) {
      await allocateRange(fs, open, { start: offset, end: offset + length, limits, syscall: 'pin', path })
    } else {
      await mustRefresh(fs, open, 'pin', path)
    }
    isFresh = true
  }
}

/**
 * The hot path of `pinSync`: pins a range that was pinned a moment ago, for reading and not revocable. Undefined: nothing
 * is claimed, and {@link pinRangeNow} says why, or goes round it.
 *
 * What `tryPin` asks, the place has answered: a place is of a range with valid bounds, below EOF, of a file with direct
 * access, or it is not kept (open-inode.ts). So this is little code, which V8 compiles into its caller as a whole. Each call
 * that it leaves a call costs 3 to 5 ns.
 */
export function pinKnown(fs: FileSystem, open: OpenInode, range: PinRange): Pinned | undefined {
  const { offset, length } = range
  if (range.mode !== 'read' || range.revocable !== false || range.stable === true || range.longTerm === true)
    return undefined
  const place = typeof offset === 'number' ? open.places.get(offset, length) : undefined
  if (place === undefined || place.view === undefined) return undefined
  const { table } = fs
  place.flags = 0
  const record = table.own.publishRun(place, place.start, place.count)
  if (settle(table, record, place, open) !== undefined) return undefined
  return { record, content: place.view, views: undefined, writeBack: undefined }
}

/** Pins without waiting: EAGAIN where `pinRange` would wait for a change, an allocation or a remote store; ERANGE past EOF. */
export function pinRangeNow(fs: FileSystem, open: OpenInode, range: PinRange, path: string | undefined): Pinned {
  const outcome = tryPin(fs, open, range, false, path)
  return typeof outcome === 'string' ? pinAfterLook(fs, open, range, path, outcome) : outcome
}

/** The slow way: what was in the way may be so no more. */
function pinAfterLook(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  path: string | undefined,
  first: PinObstacle,
): Pinned {
  let outcome: Pinned | PinObstacle = first
  for (let tries = 0; typeof outcome === 'string' && tries < 3; tries++) {
    if (outcome === 'break' || outcome === 'stable' || (outcome === 'hole' && range.mode === 'write' && tries > 0))
      break
    if (outcome === 'end' && tries > 0) throw pastEnd(open, range, path)
    if (open.refreshNow(fs) !== true) break
    outcome = tryPin(fs, open, range, true, path)
  }
  if (typeof outcome !== 'string') return outcome
  if (outcome === 'end') throw pastEnd(open, range, path)
  throw systemError('EAGAIN', `${WHY_NOT_NOW[outcome] ?? WHY_NOT_NOW['break']}; use pin(), which waits`, {
    syscall: 'pin',
    path,
  })
}

const WHY_NOT_NOW: Readonly<Record<string, string>> = {
  hole: 'blocks would have to be allocated',
  stable: 'the blocks are stable and would have to be copied',
  break: 'a layout change of the range is under way',
}

/**
 * Pins so that the bytes do not change until release. Waits for those who write to the blocks; `busy` 'fail': EBUSY when
 * some are pinned for writing. Otherwise as {@link pinRange}.
 */
export async function pinStable(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  options: { readonly busy: BusyPolicy; readonly limits: Limits },
  path: string | undefined,
): Promise<Pinned> {
  const { table } = fs
  const { ino } = open
  beginStable(table, ino)
  let pinned: Pinned | undefined
  try {
    pinned = await pinRange(fs, open, range, options.limits, path)
    const blocks = bytesOfRecord(table, pinned.record).map(wholeBlocks)
    await untilNobodyWrites(fs, { ...options, ...range, ino, syscall: 'pin', path }, pinned.record, blocks)
    return pinned
  } catch (error) {
    takeBackStable(fs, ino, pinned)
    throw error
  }
}

/**
 * The same at once; undefined: it cannot be had without waiting or asking the metadata. `open` must be current: what it
 * takes for a hole is believed.
 */
export function pinStableNow(fs: FileSystem, open: OpenInode, range: PinRange): Pinned | undefined {
  const { table } = fs
  beginStable(table, open.ino)
  const pinned = tryPin(fs, open, range, true)
  if (typeof pinned === 'string') {
    endStable(table, open.ino)
    return undefined
  }
  const blocks = bytesOfRecord(table, pinned.record).map(wholeBlocks)
  if (grantedBeside(table, pinned.record, blocks).length === 0) return pinned
  takeBackStable(fs, open.ino, pinned)
  return undefined
}

function takeBackStable(fs: FileSystem, ino: InodeNumber, pinned: Pinned | undefined): void {
  for (const view of pinned?.views ?? []) fs.runViews.revoke(view)
  if (pinned !== undefined) releaseClaim(fs.table, pinned.record, ino)
  endStable(fs.table, ino)
}

function pastEnd(open: OpenInode, { offset, length }: PinRange, path: string | undefined): Error {
  const what = `bytes ${offset}-${offset + length} are not all within the file, which has ${open.size}; grow it first`
  return systemError('ERANGE', what, { syscall: 'pin', path })
}
