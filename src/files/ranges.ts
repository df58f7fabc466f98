/**
 * Ranges: what fallocate(2) and lseek(2) do with a part of a file. Whatever takes blocks out or moves them goes through
 * the one door, layout/break-layout.ts; collapse and insert break [offset, EOF), since all of it moves.
 */
import { systemError } from '../errors.ts'
import type { CutRequest } from '../layout/break-layout.ts'
import { breakLayout } from '../layout/break-layout.ts'
import type { BusyPolicy } from '../metadata/metadata.ts'
import { BLOCK_SIZE, MAX_FILE_SIZE } from '../units.ts'
import { mustRefresh } from './data.ts'
import type { FileSystem } from './file-system.ts'
import { busyPolicyOf, withSpace } from './file-system.ts'
import { checkSize, growTo } from './growth.ts'
import type { BusyCall, Call } from './making.ts'
import type { OpenInode } from './open-inode.ts'
import { moved } from './preallocation.ts'

/** How a layout change is to be made. */
export interface Cutting extends Call {
  readonly busy: BusyPolicy
  /** Records of the leases that are not asked. */
  readonly ownLeases: ReadonlySet<number>
}

/** No leases of the caller's own. */
const NO_LEASES: ReadonlySet<number> = new Set()

/** For a layout change: the file as it is now, and the policy that follows from it. */
export async function cuttingOf(
  fs: FileSystem,
  open: OpenInode,
  { busy, ...call }: BusyCall,
  ownLeases = NO_LEASES,
): Promise<Cutting> {
  await mustRefresh(fs, open, call.syscall, call.path)
  return { ...call, busy: busyPolicyOf(fs, open.inode, { busy }), ownLeases }
}

/**
 * Sets the size. Shorter: everything from there on goes. The same: blocks past EOF go, as on ext4 and XFS. Longer: zeros, no
 * blocks.
 */
export async function resize(fs: FileSystem, open: OpenInode, size: number, how: Cutting): Promise<void> {
  if (size === open.size && hasBlocksPastEnd(open)) await cut(fs, open, how, { start: 'past end', end: MAX_FILE_SIZE })
  if (size >= open.size) return growTo(fs, open, size, how.limits, how.path)
  await cut(fs, open, how, { start: size, end: MAX_FILE_SIZE, sizeAfter: () => size, cause: 'truncate' })
}

function hasBlocksPastEnd({ extents, size }: OpenInode): boolean {
  const last = extents.at(-1)
  return last !== undefined && (last.fileBlock + last.count - 1) * BLOCK_SIZE >= size
}

/** Bytes [start, end) become a hole, as far as the file goes; the size stays. */
export async function punch(fs: FileSystem, open: OpenInode, start: number, end: number, how: Cutting): Promise<void> {
  const last = Math.min(end, open.size)
  if (start < last) await cut(fs, open, how, { start, end: last, cause: 'punch' })
}

/**
 * Bytes [start, end) become zeros, in fresh blocks: what was there leaves the file as by a punch. The file grows to `end`
 * unless `keepsSize`. All of it in one transaction.
 */
export function zero(
  fs: FileSystem,
  open: OpenInode,
  range: { readonly start: number; readonly end: number; readonly keepsSize: boolean },
  how: Cutting,
): Promise<void> {
  const { start, end, keepsSize } = range
  return cut(fs, open, how, {
    start,
    end,
    refills: true,
    cause: 'zero',
    ...(keepsSize ? {} : { sizeAfter: (size: number) => Math.max(size, end) }),
  })
}

/** Takes blocks [offset, offset + length) out and closes the gap: what follows moves down. EINVAL: not whole blocks, or up to EOF. */
export async function collapse(
  fs: FileSystem,
  open: OpenInode,
  offset: number,
  length: number,
  how: Cutting,
): Promise<void> {
  mustBeBlocks(offset, length, how)
  const sizeAfter = (size: number): number => {
    if (offset + length < size) return size - length
    throw systemError('EINVAL', `the range reaches EOF, at ${size}; truncate instead`, how)
  }
  await cut(fs, open, how, { start: offset, end: offset + length, shift: -length, sizeAfter, cause: 'collapse' })
}

/** Makes room: what is at `offset` and behind moves up by `length`, a hole comes between. EINVAL: not whole blocks, or at EOF. */
export async function insert(
  fs: FileSystem,
  open: OpenInode,
  offset: number,
  length: number,
  how: Cutting,
): Promise<void> {
  mustBeBlocks(offset, length, how)
  const sizeAfter = (size: number): number => {
    if (offset >= size) throw systemError('EINVAL', `the offset is at or past EOF, at ${size}; truncate instead`, how)
    checkSize(size + length, how.syscall, how.path)
    return size + length
  }
  await cut(fs, open, how, { start: offset, end: offset, shift: length, sizeAfter, cause: 'insert' })
}

function mustBeBlocks(offset: number, length: number, how: Cutting): void {
  if (offset % BLOCK_SIZE === 0 && length % BLOCK_SIZE === 0) return
  throw systemError('EINVAL', `offset and length must be multiples of ${BLOCK_SIZE}`, how)
}

async function cut(
  fs: FileSystem,
  open: OpenInode,
  how: Cutting,
  change: Pick<CutRequest, 'start' | 'end' | 'shift' | 'refills' | 'sizeAfter' | 'cause'>,
): Promise<void> {
  const request = { ino: open.ino, ...change, ...how }
  // An edge inside of a block may need a fresh block, and the pool or its host be full: freeing must not fail for that.
  const breaking = (): ReturnType<typeof breakLayout> => breakLayout(fs, request)
  const result = await withSpace(fs, how.syscall, how.path, breaking, () => fs.makeSpaceToFree())
  if (result === undefined) await mustRefresh(fs, open, how.syscall, how.path)
  const { shift = 0, end } = change
  if (shift !== 0) open.preallocated = moved(open.preallocated, end / BLOCK_SIZE, shift / BLOCK_SIZE)
  fs.freed()
}

/** The first byte at or behind `offset` that is in a block ('data') or in none ('hole'; EOF counts). ENXIO past EOF, or no data. */
export async function seek(
  fs: FileSystem,
  open: OpenInode,
  offset: number,
  what: 'data' | 'hole',
  path: string,
): Promise<number> {
  await mustRefresh(fs, open, 'lseek', path)
  const { size } = open
  if (offset < size) {
    let at = offset
    for (let i = open.firstAtOrBehind(Math.floor(offset / BLOCK_SIZE)); at < size; i++) {
      const extent = open.extents[i]
      const start = extent === undefined ? size : Math.max(at, Math.min(extent.fileBlock * BLOCK_SIZE, size))
      if (what === 'hole' && at < start) return at
      if (what === 'data' && start < size) return start
      if (extent === undefined) break
      at = (extent.fileBlock + extent.count) * BLOCK_SIZE
    }
    if (what === 'hole') return size
  }
  throw systemError('ENXIO', offset < size ? 'there is no data from here on' : `the file ends at ${size}`, {
    syscall: 'lseek',
    path,
  })
}
