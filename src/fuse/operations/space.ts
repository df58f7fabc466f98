/** Space: FALLOCATE, STATFS. */
import { systemError } from '../../errors.ts'
import { syncFile } from '../../files/durability.ts'
import { allocateRange, checkSize } from '../../files/growth.ts'
import { cuttingOf, punch, zero } from '../../files/ranges.ts'
import { BLOCK_SIZE } from '../../units.ts'
import type { Operation } from '../request.ts'
import { EMPTY, reply } from '../request.ts'
import { FallocateFlag, readFallocate } from '../wire/data.ts'
import { encodeStatfs } from '../wire/statfs.ts'
import { callOf } from './call-limits.ts'
import { dropPrivilegesFor } from './privileges.ts'

const NAME_MAX = 255

/**
 * Allocates, punches (by policy EBUSY, ETIMEDOUT, EINTR) or zeroes (likewise). EOPNOTSUPP for all else, ENOSPC with
 * nothing changed, EFBIG.
 */
export const fallocate: Operation = async (mounted, request) => {
  const { fs, handles } = mounted
  const { handle, offset, length, mode } = readFallocate(request.body)
  const { open, path, isSynchronous } = handles.files.get(handle)
  const call = callOf(mounted, request, 'fallocate', path)
  const end = offset + length
  checkSize(end, call.syscall, path)
  await dropPrivilegesFor(mounted, request, open, call.limits)
  const keepsSize = (mode & FallocateFlag.keepSize) !== 0
  const what = mode & ~FallocateFlag.keepSize
  if (what === 0) {
    await allocateRange(fs, open, { ...call, start: offset, end, isGrowing: !keepsSize })
  } else if (what === FallocateFlag.punchHole && keepsSize) {
    await punch(fs, open, offset, end, await cuttingOf(fs, open, call))
  } else if (what === FallocateFlag.zeroRange) {
    await zero(fs, open, { start: offset, end, keepsSize }, await cuttingOf(fs, open, call))
  } else {
    const can = 'a mounted pool can allocate, punch and zero ranges; open the pool with the library for the others'
    throw systemError('EOPNOTSUPP', can, call)
  }
  if (isSynchronous) await syncFile(fs, open, call.limits)
  return EMPTY
}

/** Inodes are not counted off against anything: 0, as on other file systems that make them as they need them. */
export const statfs: Operation = async ({ pool }) => {
  const { sizeBytes, freeBytes, busyBytes, availableBytes } = await pool.stats()
  return reply(
    encodeStatfs({
      blocks: sizeBytes / BLOCK_SIZE,
      freeBlocks: Math.max(freeBytes + busyBytes, availableBytes) / BLOCK_SIZE,
      availableBlocks: Math.floor(availableBytes / BLOCK_SIZE),
      inodes: 0,
      freeInodes: 0,
      blockBytes: BLOCK_SIZE,
      nameBytesMax: NAME_MAX,
    }),
  )
}
