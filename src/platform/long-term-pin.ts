/**
 * Long-term pins of the kernel (FOLL_LONGTERM): what io_uring takes for registered buffers, and RDMA for memory regions.
 * The kernel refuses them on shared mappings of files whose file system tracks dirty pages, such as ext4, XFS and btrfs:
 * a device that writes there later would do so behind its back. It takes them on tmpfs, memfd and hugetlbfs.
 *
 * Tried for real: a ring is made, the memory is registered with it, the ring is closed. Callers: `holdfast doctor`.
 */
import { closeSync } from 'node:fs'
import { constants } from 'node:os'

import { lastErrno, lastErrorCode, libc } from './libc.ts'

/** The same numbers on x64 and arm64. */
const SYS_IO_URING_SETUP = 425
const SYS_IO_URING_REGISTER = 427
const IORING_REGISTER_BUFFERS = 0
/** struct io_uring_params. */
const PARAMS_BYTES = 120

/**
 * 'taken': the kernel pins this memory for as long as somebody likes; 'refused', with the error's code; 'unknown': it could
 * not be tried, with the reason.
 */
export type LongTermPin =
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'refused'; readonly code: string }
  | { readonly outcome: 'unknown'; readonly reason: string }

/** Tries it on bytes that are mapped at `address`, which must be that of a page. 100 µs. */
export function tryLongTermPin(address: bigint, length: number): LongTermPin {
  const ring = libc().syscall2(SYS_IO_URING_SETUP, 1, Buffer.alloc(PARAMS_BYTES))
  if (ring === -1) return { outcome: 'unknown', reason: `io_uring is not allowed here (${lastErrorCode()})` }
  try {
    const buffer = Buffer.alloc(16)
    buffer.writeBigUInt64LE(address, 0)
    buffer.writeBigUInt64LE(BigInt(length), 8)
    const result = libc().syscall4(SYS_IO_URING_REGISTER, ring, IORING_REGISTER_BUFFERS, buffer, 1)
    if (result === 0) return { outcome: 'taken' }
    // Of locked memory, of which the user may have no more (ulimit -l); of a filter of system calls (seccomp).
    const isOurs = [constants.errno.ENOMEM, constants.errno.EPERM, constants.errno.EACCES, constants.errno.ENOSYS]
    const code = lastErrorCode()
    if (isOurs.includes(lastErrno())) return { outcome: 'unknown', reason: `io_uring takes no buffers here (${code})` }
    return { outcome: 'refused', code }
  } finally {
    closeSync(ring)
  }
}
