/**
 * Reads and writes by copy, from and to the mapping. Each piece is claimed for the time of its copy, so that no block
 * under it can be discarded or given away; a committing change is waited for, a waiting one is not (promise 3).
 */
import { systemError } from '../errors.ts'
import { refusalOf, releaseClaim, tryClaim } from '../layout/claims.ts'
import { RecordFlag, RecordKind } from '../layout/format.ts'
import type { Limits } from '../layout/waiting.ts'
import type { FileSystem } from './file-system.ts'
import { untilUnbroken } from './file-system.ts'
import type { GrowthPosition } from './growth.ts'
import { allocateRange, checkSize, makeWritable, writeGrowing } from './growth.ts'
import type { OpenInode } from './open-inode.ts'
import type { Segment } from './segments.ts'
import { bytesOfSegment, edgesOfSegments, hasHole, runsOf, segmentsOf } from './segments.ts'

/** Bytes copied under one claim, or in one transaction: what a change may have to wait for. */
const PIECE_BYTES = 1 << 20
/** Pieces from here on are read ahead: faults read single pages (platform/memory-map.ts). */
export const PREFETCH_BYTES = 128 << 10

/** Why a piece was not copied. */
type Obstacle = 'stale' | 'break' | 'stable' | 'hole'

/** Copies bytes of the file at `position` into `target`; returns how many there were, 0 at EOF. */
export async function readInto(
  fs: FileSystem,
  open: OpenInode,
  target: Uint8Array,
  position: number,
  limits: Limits,
  path: string | undefined,
): Promise<number> {
  let done = 0
  let isFresh = false
  while (done < target.length) {
    const turn = fs.turnIfDue()
    if (turn !== undefined) {
      await turn
      // Others had their turn too: what was absent may be there.
      isFresh = false
    }
    const at = position + done
    if (!open.isCached || (!isFresh && at + Math.min(PIECE_BYTES, target.length - done) > open.size)) {
      await mustRefresh(fs, open, 'read', path)
      isFresh = true
    }
    const length = Math.min(PIECE_BYTES, target.length - done, open.size - at)
    if (length <= 0) break
    const piece = target.subarray(done, done + length)
    const outcome = copyOut(fs, open, piece, at, isFresh)
    if (outcome === undefined) {
      done += length
    } else {
      if (outcome === 'break')
        await untilUnbroken(fs, { kind: RecordKind.copy, ino: open.ino, offset: at, length }, limits, 'read', path)
      if (fs.isReadOnly && isFresh) mustHaveTime(fs, limits, path)
      await mustRefresh(fs, open, 'read', path)
      isFresh = true
    }
  }
  return done
}

/** Changes wait for a copy that they know of; whose copies nobody knows of may have to begin again without end. */
function mustHaveTime({ table }: FileSystem, { deadlineMs, signal }: Limits, path: string | undefined): void {
  signal?.throwIfAborted()
  if (table.clock.steadyMs() < deadlineMs) return
  const what = 'the file was changed again and again while it was read; read less at once, or try again'
  throw systemError('ETIMEDOUT', what, { syscall: 'read', path })
}

/** One piece, at once. Holes read as zeros, but only those of a layout just read. */
function copyOut(
  fs: FileSystem,
  open: OpenInode,
  target: Uint8Array,
  at: number,
  mayTrustHoles: boolean,
): Obstacle | undefined {
  if (target.length >= PREFETCH_BYTES) {
    for (const run of runsOf(open, segmentsOf(open, at, target.length))) fs.device.prefetch(run)
  }
  return withCopyClaim(fs, open, at, target.length, 0, mayTrustHoles, (segment, bytes) => {
    const from = segment.offset - at
    if (bytes === undefined) target.fill(0, from, from + segment.length)
    else target.set(bytes, from)
  })
}

/** Writes all of `data` at `position`, or at EOF; returns the offset where it went. ENOSPC leaves a prefix written, as write(2). */
export async function writeFrom(
  fs: FileSystem,
  open: OpenInode,
  data: Uint8Array,
  position: GrowthPosition,
  limits: Limits,
  path: string | undefined,
): Promise<{ offset: number; bytesWritten: number }> {
  if (position !== 'end') checkSize(position + data.length, 'write', path)
  let offset = position === 'end' ? -1 : position
  let done = 0
  try {
    while (done < data.length) {
      const turn = fs.turnIfDue()
      if (turn !== undefined) await turn
      const piece = data.subarray(done, done + PIECE_BYTES)
      const at: GrowthPosition = offset < 0 ? 'end' : offset + done
      const went = await writePiece(fs, open, piece, at, limits, path)
      if (offset < 0) offset = went
      done += piece.length
    }
  } catch (error) {
    // As write(2): what was written counts, the next call meets the error.
    if (done === 0) throw error
  }
  return { offset: Math.max(offset, 0), bytesWritten: done }
}

/** Returns the offset where the piece went. */
async function writePiece(
  fs: FileSystem,
  open: OpenInode,
  piece: Uint8Array,
  position: GrowthPosition,
  limits: Limits,
  path: string | undefined,
): Promise<number> {
  for (;;) {
    if (!open.isCached) await mustRefresh(fs, open, 'write', path)
    if (position === 'end' || position + piece.length > open.size)
      return writeGrowing(fs, open, piece, position, limits, path)
    const obstacle = copyIn(fs, open, piece, position)
    if (obstacle === undefined) {
      open.hasNewContent = true
      return position
    }
    if (obstacle === 'break') {
      const claim = { kind: RecordKind.copy, ino: open.ino, offset: position, length: piece.length }
      await untilUnbroken(fs, claim, limits, 'write', path)
    }
    if (obstacle === 'stable') {
      await makeWritable(fs, open, { start: position, end: position + piece.length, limits, syscall: 'write', path })
    }
    if (obstacle === 'hole') {
      await allocateRange(fs, open, { start: position, end: position + piece.length, limits, syscall: 'write', path })
    } else {
      await mustRefresh(fs, open, 'write', path)
    }
  }
}

/**
 * Writes at most 1 MiB in place, at once. False, and nothing was written: it is not all mapped and below EOF as far as is
 * known, or something stands in the way; `writeFrom` finds out. Price: 0.7 µs and the copy.
 */
export function writeNow(fs: FileSystem, open: OpenInode, data: Uint8Array, position: number): boolean {
  if (fs.isReadOnly || !open.isCached || data.length > PIECE_BYTES || position + data.length > open.size) return false
  if (copyIn(fs, open, data, position) !== undefined) return false
  open.hasNewContent = true
  return true
}

function copyIn(fs: FileSystem, open: OpenInode, data: Uint8Array, at: number): Obstacle | undefined {
  return withCopyClaim(fs, open, at, data.length, RecordFlag.write, false, (segment, bytes) => {
    const from = segment.offset - at
    bytes?.set(data.subarray(from, from + segment.length))
  })
}

/**
 * Copies within what the caller knows to be below EOF, when everything is mapped and nothing stands in the way; else
 * says what does. `copy` gets each segment with its bytes, undefined for a hole.
 */
export function withCopyClaim(
  fs: FileSystem,
  open: OpenInode,
  offset: number,
  length: number,
  flags: number,
  mayTrustHoles: boolean,
  copy: (segment: Segment, bytes: Uint8Array | undefined) => void,
): Obstacle | undefined {
  const { table } = fs
  const segments = segmentsOf(open, offset, length)
  if (!mayTrustHoles && hasHole(segments)) return 'hole'
  const edges = edgesOfSegments(segments)
  const claim = { kind: RecordKind.copy, flags, ino: open.ino, offset, length, edges }
  const record = tryClaim(table, claim, runsOf(open, segments), open)
  if (typeof record === 'string') return record
  try {
    for (const segment of segments)
      copy(segment, segment.extent < 0 ? undefined : bytesOfSegment(fs.copyMemory, open, segment))
    // A change waits for a copy, but not for ever: whose process was stopped in the middle copied from, or to, blocks
    // that have left the file. Then it did not happen; the caller does it again on what the file has now.
    // A stable pin that came meanwhile waits for this claim: what it holds has the copy in it.
    const refusal = refusalOf(table, claim, open, record)
    return refusal === 'stable' ? undefined : refusal
  } finally {
    releaseClaim(table, record, open.ino)
  }
}

/**
 * The layout as it is now. ENOENT when a file of lost+found was reclaimed, which an open handle does not keep from
 * happening. ESTALE when who only reads has it open, which keeps nothing from happening. EIO when another inode is gone
 * under an open handle: that is a damaged pool.
 */
export async function mustRefresh(
  fs: FileSystem,
  open: OpenInode,
  syscall: string,
  path: string | undefined,
): Promise<void> {
  const turn = fs.turnIfDue()
  if (turn !== undefined) await turn
  if (await open.refresh(fs)) return
  if (path !== undefined && /^\/*lost\+found\//.test(path)) {
    throw systemError('ENOENT', 'the file of lost+found was reclaimed meanwhile', { syscall, path })
  }
  if (fs.isReadOnly) {
    const what =
      'the file was removed; a pool that is open for reading only keeps no file from going; open it by its path'
    throw systemError('ESTALE', what, { syscall, path })
  }
  throw systemError('EIO', 'the inode of an open file is gone; check the pool with fsck', { syscall, path })
}
