/**
 * What kind of file system a file is on, and the one attribute of files that matters to us: NOCOW of btrfs.
 *
 * Callers: the device, the pool (`df`, `doctor`).
 */
import { statfsSync } from 'node:fs'
import { constants } from 'node:os'

import { callFailed, lastErrno, libc, retryInterrupted } from './libc.ts'

type FileSystemType = 'ext4' | 'xfs' | 'btrfs' | 'tmpfs' | 'other'

export interface FileSystem {
  readonly type: FileSystemType
  /** What statfs(2) calls f_type. ext2 and ext3 share ext4's. */
  readonly magic: number
  /** Bytes in a block of the file system. */
  readonly blockSize: number
  readonly totalBytes: number
  /** Bytes that this user may still take. */
  readonly freeBytes: number
}

const types: ReadonlyMap<number, FileSystemType> = new Map([
  [0xef53, 'ext4'],
  [0x5846_5342, 'xfs'],
  [0x9123_683e, 'btrfs'],
  [0x0102_1994, 'tmpfs'],
])

/** The file system of a path (links are followed) or of an open file. Throws as statfs(2): ENOENT, EACCES. 2 µs. */
export function fileSystemOf(file: string | number): FileSystem {
  const found = statfsSync(typeof file === 'number' ? `/proc/self/fd/${file}` : file)
  return {
    type: types.get(found.type) ?? 'other',
    magic: found.type,
    blockSize: found.bsize,
    totalBytes: found.blocks * found.bsize,
    freeBytes: found.bavail * found.bsize,
  }
}

/** `_IOR('f', 1, long)` and `_IOW('f', 2, long)` of linux/fs.h; the kernel reads and writes an int all the same. */
const FS_IOC_GETFLAGS = 0x8008_6601
const FS_IOC_SETFLAGS = 0x4008_6602
const FS_NOCOW_FL = 0x0080_0000

function attributes(fd: number): Buffer {
  const flags = Buffer.alloc(8)
  if (retryInterrupted(() => libc().ioctl(fd, FS_IOC_GETFLAGS, flags)) === 0) return flags
  const error = lastErrno()
  if (error === constants.errno.ENOTTY || error === constants.errno.EOPNOTSUPP) return flags
  throw callFailed('the attributes of a file could not be read', { syscall: 'ioctl FS_IOC_GETFLAGS' })
}

/** Whether a file of btrfs is written in place. False where there is no such attribute. */
export function isNoCopyOnWrite(fd: number): boolean {
  return (attributes(fd).readUInt32LE(0) & FS_NOCOW_FL) !== 0
}

/**
 * Has a file of btrfs written in place (`chattr +C`). The file must be empty: on one with data btrfs accepts the call
 * and does not obey. Throws EOPNOTSUPP elsewhere.
 */
export function setNoCopyOnWrite(fd: number): void {
  const flags = attributes(fd)
  flags.writeUInt32LE((flags.readUInt32LE(0) | FS_NOCOW_FL) >>> 0, 0)
  if (retryInterrupted(() => libc().ioctl(fd, FS_IOC_SETFLAGS, flags)) === 0) return
  throw callFailed('copy-on-write of a file could not be switched off', { syscall: 'ioctl FS_IOC_SETFLAGS' })
}
