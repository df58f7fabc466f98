/** Content: READ, WRITE, LSEEK, COPY_FILE_RANGE. */
import { constants } from 'node:fs'
import { codeOf, systemError } from '../../errors.ts'
import { copyRange } from '../../files/copies.ts'
import { mustRefresh, writeFrom, writeNow } from '../../files/data.ts'
import { syncFile } from '../../files/durability.ts'
import type { MappedRead } from '../../files/mapped-reads.ts'
import { readMapped, readMappedNow } from '../../files/mapped-reads.ts'
import { seek } from '../../files/ranges.ts'
import { BLOCK_SIZE } from '../../units.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { EMPTY, reply } from '../request.ts'
import type { OpenedFile } from '../handles.ts'
import type { CopyRequest, WriteRequest } from '../wire/data.ts'
import {
  encodeOffset,
  encodeWritten,
  readCopy,
  readLseek,
  readRead,
  readWrite,
  SEEK_DATA,
  SEEK_HOLE,
} from '../wire/data.ts'
import { CallLimits } from './call-limits.ts'
import { dropPrivileges, dropPrivilegesFor, hasNoPrivileges } from './privileges.ts'

const { O_APPEND, O_DSYNC } = constants

/** The reply is the blocks themselves, claimed until the kernel has copied them. At EOF it is empty. */
export const read: Operation = (mounted, request) => {
  const { handle, offset, size } = readRead(request.body)
  const { open, path } = mounted.handles.files.get(handle)
  const outcome = readMappedNow(mounted.fs, open, offset, size)
  if (typeof outcome !== 'string') return answerMapped(outcome)
  return readMapped(mounted.fs, open, offset, size, new CallLimits(mounted, request), path).then(answerMapped)
}

const answerMapped = ({ parts, release }: MappedRead): Reply =>
  parts.length === 0 ? EMPTY : release === undefined ? { parts } : { parts, done: release }

/** ENOSPC: there is not even room for a block; else what there is room for counts, and the next write meets it. EFBIG. */
export const write: Operation = (mounted, request) => {
  const asked = readWrite(request.body)
  const file = mounted.handles.files.get(asked.handle)
  const { data, offset, flags, isFromCache } = asked
  const isPlain = !isFromCache && (flags & (O_APPEND | O_DSYNC)) === 0
  if (isPlain && hasNoPrivileges(mounted, file.open) && writeNow(mounted.fs, file.open, data, offset))
    return reply(encodeWritten(data.length))
  return writeSlowly(mounted, request, file, asked)
}

async function writeSlowly(mounted: Mounted, request: Request, file: OpenedFile, asked: WriteRequest): Promise<Reply> {
  const limits = new CallLimits(mounted, request)
  // What comes from the page cache was stored there before.
  if (!asked.isFromCache) await dropPrivileges(mounted, request, file.open, limits, !asked.killsSetIds)
  const bytesWritten = await (asked.isFromCache ? writeBack : writeOut)(mounted, file, asked, limits)
  // The kernel flushes by itself only what went through its page cache.
  if ((asked.flags & O_DSYNC) !== 0) await syncFile(mounted.fs, file.open, limits)
  return reply(encodeWritten(bytesWritten))
}

async function writeOut(
  { fs }: Mounted,
  { open, path }: OpenedFile,
  { data, offset, flags }: WriteRequest,
  limits: CallLimits,
): Promise<number> {
  // Where the end is, only the pool knows.
  const position = (flags & O_APPEND) === 0 ? offset : 'end'
  for (let length = data.length; ; length = Math.ceil(length / 2)) {
    try {
      return (await writeFrom(fs, open, data.subarray(0, length), position, limits, path)).bytesWritten
    } catch (error) {
      // write(2) stores as much as there is room for.
      if (codeOf(error) !== 'ENOSPC' || length <= BLOCK_SIZE) throw error
    }
  }
}

/**
 * What was written through a shared mapping comes page by page, of which a part may lie past EOF. Stores there are nobody's:
 * they neither grow the file nor are an error, also when another process has made it shorter meanwhile.
 */
async function writeBack(
  { fs }: Mounted,
  { open, path }: OpenedFile,
  { data, offset }: WriteRequest,
  limits: CallLimits,
): Promise<number> {
  await mustRefresh(fs, open, 'write', path)
  const length = Math.min(data.length, open.size - offset)
  if (length > 0) await writeFrom(fs, open, data.subarray(0, length), offset, limits, path)
  return data.length
}

/** SEEK_DATA and SEEK_HOLE; all else the kernel does. ENXIO: nothing up to EOF. */
export const lseek: Operation = async ({ fs, handles }, { body }) => {
  const { handle, offset, whence } = readLseek(body)
  const { open, path } = handles.files.get(handle)
  const what = whence === SEEK_DATA ? 'data' : whence === SEEK_HOLE ? 'hole' : undefined
  if (what === undefined) throw systemError('EINVAL', 'there is data and there are holes', { syscall: 'lseek', path })
  return reply(encodeOffset(await seek(fs, open, offset, what, path)))
}

/** Of one request, so that others get their turn; the caller asks for the rest. Bytes. */
const COPY_MOST = 16 << 20

export const copyFileRange: Operation = async (mounted, request) =>
  reply(encodeWritten(await copy(mounted, request, readCopy(request.body))))

export const copyFileRange64: Operation = async (mounted, request) =>
  reply(encodeOffset(await copy(mounted, request, readCopy(request.body))))

async function copy(
  mounted: Mounted,
  request: Request,
  { handle, offset, targetHandle, targetOffset, length, flags }: CopyRequest,
): Promise<number> {
  const { fs, handles } = mounted
  const from = handles.files.get(handle)
  const to = handles.files.get(targetHandle)
  const detail = { syscall: 'copy_file_range', path: from.path, dest: to.path }
  if (flags !== 0) throw systemError('EINVAL', 'it takes no flags', detail)
  const limits = new CallLimits(mounted, request)
  await dropPrivilegesFor(mounted, request, to.open, limits)
  const bytes = await copyRange(fs, {
    from: from.open,
    start: offset,
    length: Math.min(length, COPY_MOST),
    to: to.open,
    position: targetOffset,
    limits,
    path: from.path,
    dest: to.path,
  })
  if (to.isSynchronous) await syncFile(fs, to.open, limits)
  return bytes
}
