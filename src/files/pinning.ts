/**
 * Pinning: from a byte range of a file to a granted record and views of its blocks. The protocol is in
 * layout/claims.ts; here the range is resolved, allocated where a write pin meets a hole, and turned into views.
 */
import { systemError } from '../errors.ts'
import { settle } from '../layout/claims.ts'
import { RecordFlag, RecordKind } from '../layout/format.ts'
import type { Claim } from '../layout/own-slot.ts'
import { edgesOf } from '../layout/own-slot.ts'
import type { Limits } from '../layout/waiting.ts'
import { BLOCK_SIZE } from '../units.ts'
import { mustRefresh } from './data.ts'
import type { FileSystem } from './file-system.ts'
import { untilUnbroken } from './file-system.ts'
import { allocateRange } from './growth.ts'
import type { OpenInode } from './open-inode.ts'
import { bytesOfSegment, edgesOfSegments, hasHole, runsOf, segmentsOf } from './segments.ts'

/** A granted pin: its record in the own slot, and its bytes in order. */
export interface Pinned {
  readonly record: number
  readonly buffers: Uint8Array[]
}

/** What stands between a range and its pin. */
export type PinObstacle = 'cold' | 'end' | 'hole' | 'break' | 'stale'

export interface PinRange {
  readonly offset: number
  readonly length: number
  readonly isWrite: boolean
  readonly isRevocable: boolean
}

/** Filled anew for each pin: the hot path allocates nothing but the view. */
const scratch: Claim = { kind: RecordKind.pin, flags: 0, ino: 0, offset: 0, length: 0, sinceMs: 0, edges: 0 }

/**
 * Pins at once, or says why not. `mayTrustAbsence`: the layout was just read, so holes and EOF are as it says.
 * Price of a single run with `isRevocable` false: 0.15 µs; each revocable run adds an ArrayBuffer of its own, 2 µs.
 */
export function tryPin(fs: FileSystem, open: OpenInode, range: PinRange, mayTrustAbsence: boolean): Pinned | PinObstacle {
  const { offset, length, isWrite, isRevocable } = range
  if (!open.isCached) return 'cold'
  if (offset + length > open.size) return 'end'
  const { table } = fs
  const first = Math.floor(offset / BLOCK_SIZE)
  const last = Math.floor((offset + length - 1) / BLOCK_SIZE)
  const index = open.find(first)
  scratch.flags = isWrite ? RecordFlag.write : 0
  scratch.ino = open.ino
  scratch.offset = offset
  scratch.length = length
  scratch.sinceMs = table.clock.coarseMs()
  if (index >= 0) {
    const extent = open.extents[index]
    if (last < extent.fileBlock + extent.count) {
      scratch.edges = edgesOf(offset, length)
      const start = extent.deviceBlock + first - extent.fileBlock
      const record = table.own.publishRun(scratch, start, last - first + 1)
      const granted = settle(table, record, RecordKind.pin, open.ino, offset, length, open.generation)
      if (typeof granted === 'string') return granted
      if (isRevocable) return { record, buffers: [ownView(fs, start, last - first + 1, offset, length)] }
      const all = open.view(index)
      const at = all.byteOffset + offset - extent.fileBlock * BLOCK_SIZE
      return { record, buffers: [new Uint8Array(all.buffer, at, length)] }
    }
  }
  return tryPinScattered(fs, open, range, mayTrustAbsence)
}

function tryPinScattered(fs: FileSystem, open: OpenInode, range: PinRange, mayTrustAbsence: boolean): Pinned | PinObstacle {
  const { offset, length, isWrite, isRevocable } = range
  const { table } = fs
  const segments = segmentsOf(open, offset, length)
  if (hasHole(segments) && (isWrite || !mayTrustAbsence)) return 'hole'
  scratch.edges = edgesOfSegments(segments)
  const runs = runsOf(open, segments)
  const record = table.own.publish(scratch, runs)
  const granted = settle(table, record, RecordKind.pin, open.ino, offset, length, open.generation)
  if (typeof granted === 'string') return granted
  let run = 0
  const buffers = segments.map((segment) => {
    if (segment.extent < 0) return new Uint8Array(segment.length)
    const { start, count } = runs[run++]
    return isRevocable ? ownView(fs, start, count, segment.offset, segment.length) : bytesOfSegment(open, segment)
  })
  return { record, buffers }
}

/** A view with an ArrayBuffer of its own over the run, so that detaching it takes exactly this view away (promise 8). */
function ownView(fs: FileSystem, start: number, count: number, offset: number, length: number): Uint8Array {
  const memory = fs.device.map({ start, count } as Parameters<typeof fs.device.map>[0])
  return new Uint8Array(memory, offset % BLOCK_SIZE, length)
}

/** Pins, waiting for what has to be waited for. ERANGE past EOF, ENOSPC, ETIMEDOUT with holders, AbortError. */
export async function pinRange(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  limits: Limits,
  path: string | undefined,
): Promise<Pinned> {
  const { offset, length } = range
  for (let isFresh = false; ;) {
    const outcome = tryPin(fs, open, range, isFresh)
    if (typeof outcome !== 'string') return outcome
    if (outcome === 'end' && isFresh) throw pastEnd(open, range, path)
    if (outcome === 'break') {
      await untilUnbroken(fs, { kind: RecordKind.pin, ino: open.ino, offset, length }, limits, 'pin', path)
    }
    if (outcome === 'hole' && range.isWrite && isFresh) {
      await allocateRange(fs, open, offset, offset + length, 0, limits, 'pin', path)
    } else {
      await mustRefresh(fs, open, 'pin', path)
    }
    isFresh = true
  }
}

/** Pins without waiting: EAGAIN where `pinRange` would wait for a change, an allocation or a remote store; ERANGE past EOF. */
export function pinRangeNow(fs: FileSystem, open: OpenInode, range: PinRange, path: string | undefined): Pinned {
  let outcome = tryPin(fs, open, range, false)
  for (let tries = 0; typeof outcome === 'string' && tries < 3; tries++) {
    if (outcome === 'break' || (outcome === 'hole' && range.isWrite && tries > 0)) break
    if (outcome === 'end' && tries > 0) throw pastEnd(open, range, path)
    if (open.refreshNow(fs.table, fs.metadata) !== true) break
    outcome = tryPin(fs, open, range, true)
  }
  if (typeof outcome !== 'string') return outcome
  if (outcome === 'end') throw pastEnd(open, range, path)
  const why = outcome === 'hole' ? 'blocks would have to be allocated' : 'a layout change of the range is under way'
  throw systemError('EAGAIN', `${why}; use pin(), which waits`, { syscall: 'pin', path })
}

function pastEnd(open: OpenInode, { offset, length }: PinRange, path: string | undefined): Error {
  const what = `bytes ${offset}-${offset + length} are not all within the file, which has ${open.size}; grow it first`
  return systemError('ERANGE', what, { syscall: 'pin', path })
}
