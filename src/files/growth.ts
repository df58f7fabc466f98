/**
 * Growth: allocation, a larger size, times. What only adds to a file needs no break; what is past EOF is zeroed when the
 * file grows over it (design, section 6), inside the same transaction, while nobody else can grow it.
 *
 * Order of an append: 1 blocks are allocated and committed; 2 in one transaction the bytes between EOF and the new data
 * are zeroed, the data copied, the size set. A death between 1 and 2, or within 2, leaves blocks past EOF with whatever
 * is in them: unreadable, and zeroed by the next growth. Data is never copied into a block before the file owns it for
 * certain: else a rolled-back allocation would leave free blocks that are not zero (promise 6).
 */
import { breakLayout } from '../layout/break-layout.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import { hasBreak, releaseClaim } from '../layout/claims.ts'
import { copyOnWrite } from '../layout/copy-on-write.ts'
import { allocateRuns } from '../layout/allocate-runs.ts'
import { BreakState, RecordFlag, RecordKind } from '../layout/format.ts'
import { deviceBytesOf } from '../layout/overlaps.ts'
import { isStable } from '../layout/stable.ts'
import { codeOf, systemError } from '../errors.ts'
import type { Layout } from '../metadata/metadata.ts'
import type { Extent, FileBlock, FileRange, Run } from '../units.ts'
import { BLOCK_SIZE, MAX_FILE_SIZE } from '../units.ts'
import type { FileSystem } from './file-system.ts'
import { DEFAULT_TIMEOUT_MS, untilUnbroken, withSpace } from './file-system.ts'
import type { Limits } from '../layout/waiting.ts'
import { patienceOf } from '../layout/waiting.ts'
import type { OpenInode } from './open-inode.ts'
import { newBlocks, without } from './preallocation.ts'
import type { Segment } from './segments.ts'
import { bytesOfSegment, runsOf, segmentsOf } from './segments.ts'

/** Nanoseconds since 1970, to the millisecond of the clock. */
export const nowNs = (fs: Pick<FileSystem, 'table'>): bigint => BigInt(fs.table.clock.nowMs()) * 1_000_000n

/** Blocks allocated ahead of an append: as many as the file has, within these bounds. */
const PREALLOCATE_LEAST = 16
const PREALLOCATE_MOST = 4096

export interface Allocation {
  /** Bytes; every block they touch. */
  readonly start: number
  readonly end: number
  /** Blocks to add behind for appends to come; default 0. */
  readonly ahead?: number
  /** The file's size becomes at least `end`, in the same transaction. */
  readonly isGrowing?: boolean
  readonly limits: Limits
  /** For errors. */
  readonly syscall: string
  readonly path: string | undefined
}

/** Gives blocks to every hole of a range, and refreshes the cache. ENOSPC, with nothing changed. */
export async function allocateRange(fs: FileSystem, open: OpenInode, allocation: Allocation): Promise<void> {
  const { start, end, ahead = 0, isGrowing = false, limits, syscall, path } = allocation
  const range: FileRange = {
    start: Math.floor(start / BLOCK_SIZE) as FileBlock,
    end: Math.ceil(end / BLOCK_SIZE) as FileBlock,
  }
  let isBroken = false
  let extentsBefore: readonly Extent[] = []
  const allocate = async (): Promise<void> => {
    isBroken = false
    const generation = fs.table.generation(open.bucket)
    const before = fs.marks.current(open.ino)
    let mark = UNKNOWN
    const prepare = (runs: readonly Run[], found: Layout): void => {
      mark = fs.marks.expected(open.ino)
      extentsBefore = found.extents
      // The host's space first: ENOSPC here rolls back, and nothing is a signal later (promise 7).
      allocateRuns(fs.device, runs)
      const from = found.inode.size
      if (!isGrowing || from >= end) return
      // Fresh blocks are zero; only what was there past EOF may not be.
      open.adopt(found, generation, UNKNOWN)
      // Stable pins end before EOF: what is zeroed here is theirs nowhere.
      isBroken = copyUnderClaim(fs, open, from, end, (_, bytes) => bytes.fill(0)) !== undefined
      if (isBroken) throw new Error('a layout change is being committed')
    }
    const growth = isGrowing ? { growTo: { size: end, nowNs: nowNs(fs) } } : {}
    const request = { ino: open.ino, range, preallocate: ahead, ...growth }
    open.adopt(await fs.metadata.allocate(request, prepare, patienceOf(fs.table, limits)), generation, mark)
    fs.known.xattrsStayed(open.ino, before)
  }
  do {
    await withSpace(fs, syscall, path, allocate).catch((error: unknown) => {
      if (!isBroken) throw error
    })
    if (isBroken) await untilMayCopy(fs, open, open.size, end, { limits, syscall, path })
  } while (isBroken)
  if (ahead === 0) {
    open.preallocated = without(open.preallocated, range)
  } else {
    const kept = open.preallocated.filter((blocks) => blocks.end * BLOCK_SIZE > open.size)
    open.preallocated = [...kept, ...newBlocks(extentsBefore, open.extents, range.start)]
  }
}

/**
 * How many blocks to allocate behind a write of bytes [start, end): as many as the file has, which may be mostly holes. Who
 * leaves a hole is no appender: what was allocated ahead would stay in the next hole.
 */
function aheadOf({ size, inode }: OpenInode, start: number, end: number): number {
  if (size === 0 || end < size || start > size) return 0
  return Math.min(Math.max(inode.blocks, PREALLOCATE_LEAST), PREALLOCATE_MOST)
}

/** Where a growing write puts its bytes: at an offset, or at EOF whatever that is by then. */
export type GrowthPosition = number | 'end'

/**
 * Writes bytes that end beyond EOF, and grows the file over them. Returns the offset where they went. Short `data`
 * please: it is copied inside a transaction.
 */
export async function writeGrowing(
  fs: FileSystem,
  open: OpenInode,
  data: Uint8Array,
  position: GrowthPosition,
  limits: Limits,
  path: string | undefined,
): Promise<number> {
  for (;;) {
    // What is cached may be older than a truncate: space would be taken where EOF was, and as much as there was before it.
    await open.refresh(fs)
    const at = position === 'end' ? open.size : position
    checkSize(at + data.length, 'write', path)
    if (!open.isMapped(at, at + data.length)) {
      const end = at + data.length
      await allocateRange(fs, open, { start: at, end, ahead: aheadOf(open, at, end), limits, syscall: 'write', path })
    }
    let written = -1
    let obstacle: 'break' | 'stable' | undefined
    await growWith(fs, open, limits, (layout) => {
      const offset = position === 'end' ? layout.inode.size : position
      const from = Math.min(layout.inode.size, offset)
      if (!open.isMapped(offset, offset + data.length)) return undefined
      obstacle = copyUnderClaim(fs, open, from, offset + data.length, (segment, bytes) => {
        const skip = Math.max(0, offset - segment.offset)
        bytes.fill(0, 0, Math.min(skip, bytes.length))
        if (skip < bytes.length)
          bytes.set(data.subarray(segment.offset + skip - offset, segment.offset + bytes.length - offset), skip)
      })
      if (obstacle !== undefined) return undefined
      written = offset
      return Math.max(layout.inode.size, offset + data.length)
    })
    if (written >= 0) return written
    if (obstacle === 'stable')
      await makeWritable(fs, open, { start: at, end: at + data.length, limits, syscall: 'write', path })
    // Also a break of what lies between EOF and the data: that is zeroed.
    if (obstacle === 'break')
      await untilMayCopy(fs, open, Math.min(at, open.size), at + data.length, { limits, syscall: 'write', path })
  }
}

/** Grows a file to `size` with zeros; a smaller size changes nothing. */
export async function growTo(
  fs: FileSystem,
  open: OpenInode,
  size: number,
  limits: Limits,
  path: string | undefined,
): Promise<void> {
  for (let isDone = false; !isDone;) {
    await growWith(fs, open, limits, (layout) => {
      const from = layout.inode.size
      isDone = from >= size || copyUnderClaim(fs, open, from, size, (_, bytes) => bytes.fill(0)) === undefined
      return isDone ? Math.max(size, from) : undefined
    })
    if (!isDone) await untilMayCopy(fs, open, open.size, size, { limits, syscall: 'ftruncate', path })
  }
}

/** Runs `apply` inside the transaction that grows the file, the cache being what the transaction sees. */
async function growWith(
  fs: FileSystem,
  open: OpenInode,
  limits: Limits,
  apply: (layout: Layout) => number | undefined,
): Promise<void> {
  const generation = fs.table.generation(open.bucket)
  const before = fs.marks.current(open.ino)
  let mark = UNKNOWN
  const seen = (layout: Layout): number | undefined => {
    mark = fs.marks.expected(open.ino)
    open.adopt(layout, generation, UNKNOWN)
    return apply(layout)
  }
  open.adopt(await fs.metadata.extend(open.ino, nowNs(fs), seen, patienceOf(fs.table, limits)), generation, mark)
  fs.known.xattrsStayed(open.ino, before)
}

/**
 * Calls `fill` for the mapped bytes of [start, end), claimed as a copy. Inside a transaction: the layout cannot change,
 * so only a committing break stands in the way (an edge may be being copied), or a stable pin of bytes below EOF. Returns
 * what does; then nothing was touched.
 */
function copyUnderClaim(
  fs: FileSystem,
  open: OpenInode,
  start: number,
  end: number,
  fill: (segment: Segment, bytes: Uint8Array) => void,
): 'break' | 'stable' | undefined {
  const { table } = fs
  const segments = segmentsOf(open, start, end - start).filter((segment) => segment.extent >= 0)
  const claim = {
    kind: RecordKind.copy,
    flags: RecordFlag.write,
    ino: open.ino,
    offset: start,
    length: end - start,
    edges: 0,
  }
  const record = table.own.publish(claim, runsOf(open, segments))
  table.own.grant(record)
  try {
    if (hasBreak(table, open.ino, start, end - start, BreakState.committing)) return 'break'
    if (isStable(table, open.ino, deviceBytesOf(open.extents, start, end))) return 'stable'
    for (const segment of segments) fill(segment, bytesOfSegment(fs.copyMemory, open, segment))
    return undefined
  } finally {
    releaseClaim(table, record, open.ino)
  }
}

/** After `copyUnderClaim` met a break: resolves when none is in the way of all that it would claim, bytes [start, end). */
const untilMayCopy = (
  fs: FileSystem,
  { ino }: OpenInode,
  start: number,
  end: number,
  { limits, syscall, path }: Pick<Allocation, 'limits' | 'syscall' | 'path'>,
): Promise<void> =>
  untilUnbroken(fs, { kind: RecordKind.copy, ino, offset: start, length: end - start }, limits, syscall, path)

/** Gives the file blocks of its own where stable pins hold those of a range; they stay what they are, and go with the pins. */
export async function makeWritable(
  fs: FileSystem,
  open: OpenInode,
  range: Pick<Allocation, 'start' | 'end' | 'limits' | 'syscall' | 'path'>,
): Promise<void> {
  const { syscall, path } = range
  await withSpace(fs, syscall, path, () => copyOnWrite(fs, { ...range, ino: open.ino }))
  fs.freed()
}

/** Blocks past EOF that were allocated ahead, and that appends did not use, go back. */
export async function trimPreallocation(fs: FileSystem, open: OpenInode): Promise<void> {
  const ranges = open.preallocated
  open.preallocated = []
  for (const { start, end } of ranges) {
    if (end * BLOCK_SIZE <= open.size) continue
    const result = await breakLayout(fs, {
      ino: open.ino,
      start: 'past end',
      least: start * BLOCK_SIZE,
      end: end * BLOCK_SIZE,
      busy: 'sequester',
      limits: { deadlineMs: fs.table.clock.steadyMs() + DEFAULT_TIMEOUT_MS },
      syscall: 'close',
    })
    if (result?.committed === true) fs.freed()
  }
}

/** When space is wanted: what this participant has allocated ahead goes back, open or not. */
export async function trimAllPreallocations(fs: FileSystem): Promise<void> {
  for (const open of fs.openInodes.withPreallocation) await trimPreallocation(fs, open)
}

const NS_PER_MS = 1_000_000n

/**
 * Stores the times and the change count of writes in place. mtime is another one than before also within one millisecond of
 * the clock: by it a kernel that caches pages sees that they are old. When they cannot be, they still are to be, by the next stat, sync or close.
 */
export async function storeTimes(fs: FileSystem, open: OpenInode, limits?: Limits): Promise<void> {
  if (!open.hasNewContent) return
  open.hasNewContent = false
  const { mtimeNs: last } = fs.known.inode(open.ino) ?? open.inode
  const clock = nowNs(fs)
  const now = last >= clock && last < clock + NS_PER_MS ? last + 1n : clock
  const before = fs.marks.current(open.ino)
  const patience = limits === undefined ? undefined : patienceOf(fs.table, limits)
  try {
    const change = { mtimeNs: now, nowNs: now }
    open.attributesChanged(fs.marks, before, await fs.metadata.setAttributes(open.ino, change, patience))
    fs.known.xattrsStayed(open.ino, before)
  } catch (error) {
    // A file of lost+found may be reclaimed while it is open.
    if (codeOf(error) === 'ENOENT') return
    open.hasNewContent = true
    throw error
  }
}

/** EFBIG beyond 2^53 - 1 bytes. */
export function checkSize(end: number, syscall: string, path: string | undefined): void {
  if (end > MAX_FILE_SIZE) throw systemError('EFBIG', 'a file has at most 2^53 - 1 bytes', { syscall, path })
}
