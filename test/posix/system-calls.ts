/**
 * The system calls of Linux that node:fs does not offer, for tests. They throw errors with `code` and `syscall`, as node:fs
 * does. Sizes and offsets are bytes.
 */
import { constants as fsConstants } from 'node:fs'
import { constants } from 'node:os'
import koffi from 'koffi'

const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const AT_SYMLINK_FOLLOW = 0x400

/** Flags that node:fs has no constant for. `unnamed` is O_TMPFILE: a regular file in a directory, without a name. */
export const OPEN = { unnamed: 0o20000000 | fsConstants.O_DIRECTORY } as const

export const RENAME = { noReplace: 1, exchange: 2 } as const
export const FALLOCATE = { keepSize: 1, punchHole: 2 | 1, zeroRange: 0x10, zeroRangeKeepSize: 0x10 | 1 } as const
export const SEEK = { data: 3, hole: 4 } as const
export const XATTR = { create: 1, replace: 2 } as const
/** In place of nanoseconds. */
export const UTIME = { now: 0x3fff_ffff, omit: 0x3fff_fffe } as const

const F_SETLK = 6
const F_SETLKW = 7
const F_OFD_SETLK = 37
const LOCK_TYPES = { read: 0, write: 1, unlock: 2 } as const
const FLOCKS = { shared: 1, exclusive: 2, unlock: 8 } as const
const LOCK_NB = 4

const PROT_READ_WRITE = 3
const PROT_READ = 1
const MAPS = { shared: 1, private: 2, anonymous: 0x22 } as const
const MS_SYNC = 4

const library = koffi.load(null)
/** A prototype; koffi checks and turns the arguments. */
const call = (prototype: string): ((...given: unknown[]) => number) => library.func(prototype)

const linkat = call('int linkat(int from, const char *path, int to, const char *dest, int flags)')
const renameat2 = call('int renameat2(int from, const char *path, int to, const char *dest, uint flags)')
const utimensat = call('int utimensat(int fd, const char *path, void *times, int flags)')
const fallocateCall = call('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
const lseekCall = call('int64_t lseek(int fd, int64_t offset, int whence)')
const copyCall = call(
  'int64_t copy_file_range(int from, _Inout_ int64_t *at, int to, _Inout_ int64_t *dest, size_t length, uint flags)',
)
const lsetxattr = call('int lsetxattr(const char *path, const char *name, void *value, size_t size, int flags)')
const lgetxattr = call('int64_t lgetxattr(const char *path, const char *name, void *value, size_t size)')
const llistxattr = call('int64_t llistxattr(const char *path, void *list, size_t size)')
const lremovexattr = call('int lremovexattr(const char *path, const char *name)')
const fcntl = call('int fcntl(int fd, int command, void *argument)')
const nameToHandle = call('int name_to_handle_at(int fd, const char *path, void *handle, _Out_ int *mount, int flags)')
const openByHandleCall = call('int open_by_handle_at(int mount, void *handle, int flags)')
const flockCall = call('int flock(int fd, int operation)')
const mmap = call('int64_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)')
const munmap = call('int munmap(uint64_t address, size_t length)')
const msync = call('int msync(uint64_t address, size_t length, int flags)')

const errorNames = new Map(Object.entries(constants.errno).map(([name, errno]) => [errno, name]))
errorNames.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP')
errorNames.set(constants.errno.EAGAIN, 'EAGAIN')

/** The result, or what errno says as an error. */
function checked(syscall: string, result: number): number {
  if (result !== -1) return result
  const errno = koffi.errno()
  const code = errorNames.get(errno) ?? `errno ${errno}`
  throw Object.assign(new Error(`${code}: ${syscall}`), { code, syscall, errno: -errno })
}

/** linkat(2) of a path; `follow` goes through a last symlink, such as /proc/self/fd/7. */
export function link(path: string, dest: string, { follow = false } = {}): void {
  checked('linkat', linkat(AT_FDCWD, path, AT_FDCWD, dest, follow ? AT_SYMLINK_FOLLOW : 0))
}

/** renameat2(2). */
export function rename(path: string, dest: string, flags: number): void {
  checked('renameat2', renameat2(AT_FDCWD, path, AT_FDCWD, dest, flags))
}

export interface TimeSpec {
  readonly seconds: number | bigint
  readonly nanoseconds: number
}

/** utimensat(2). `undefined`: both now. */
export function setTimes(
  path: string,
  times?: { readonly atime: TimeSpec; readonly mtime: TimeSpec },
  { follow = true } = {},
): void {
  let given: Buffer | null = null
  if (times !== undefined) {
    given = Buffer.alloc(32)
    for (const [i, { seconds, nanoseconds }] of [times.atime, times.mtime].entries()) {
      given.writeBigInt64LE(BigInt(seconds), i * 16)
      given.writeBigInt64LE(BigInt(nanoseconds), i * 16 + 8)
    }
  }
  checked('utimensat', utimensat(AT_FDCWD, path, given, follow ? 0 : AT_SYMLINK_NOFOLLOW))
}

/** fallocate(2); modes in {@link FALLOCATE}. */
export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  checked('fallocate', fallocateCall(fd, mode, offset, length))
}

/** lseek(2); returns the new position. */
export function seek(fd: number, offset: number, whence: number): number {
  return checked('lseek', lseekCall(fd, offset, whence))
}

/** copy_file_range(2) at given positions; returns the bytes copied, which may be fewer. */
export function copyRange(from: number, at: number, to: number, dest: number, length: number): number {
  return checked('copy_file_range', copyCall(from, [at], to, [dest], length, 0))
}

/** lsetxattr(2): not through a last symlink. */
export function setXattr(path: string, name: string, value: string | Uint8Array, flags = 0): void {
  const bytes = Buffer.from(value)
  checked('lsetxattr', lsetxattr(path, name, bytes, bytes.length, flags))
}

/** lgetxattr(2). `room` 0 only asks how much there is. */
export function getXattr(path: string, name: string, room = 65_536): Buffer {
  const value = Buffer.alloc(room)
  return value.subarray(0, checked('lgetxattr', lgetxattr(path, name, value, room)))
}

/** How many bytes the value has, by lgetxattr(2) without room for it. */
export function sizeOfXattr(path: string, name: string): number {
  return checked('lgetxattr', lgetxattr(path, name, null, 0))
}

/** llistxattr(2), sorted. */
export function listXattrs(path: string, room = 65_536): string[] {
  const list = Buffer.alloc(room)
  const length = checked('llistxattr', llistxattr(path, list, room))
  return list.toString('utf8', 0, length).split('\0').slice(0, -1).toSorted()
}

/** lremovexattr(2). */
export function removeXattr(path: string, name: string): void {
  checked('lremovexattr', lremovexattr(path, name))
}

/** Bytes of a file handle behind its head of two words: room, type. */
const HANDLE_BYTES_MAX = 128

/** name_to_handle_at(2): what finds a file again without a path, also after the next mount. */
export function handleOf(path: string): Buffer {
  const handle = Buffer.alloc(8 + HANDLE_BYTES_MAX)
  handle.writeUInt32LE(HANDLE_BYTES_MAX, 0)
  checked('name_to_handle_at', nameToHandle(AT_FDCWD, path, handle, [0], 0))
  return handle
}

/** open_by_handle_at(2), on the file system that `mount` is open on. For root only. ESTALE. */
export function openByHandle(mount: number, handle: Buffer, flags = 0): number {
  return checked('open_by_handle_at', openByHandleCall(mount, handle, flags))
}

export interface LockRange {
  readonly start: number
  /** 0: to the end, however far that goes. */
  readonly length: number
}

/**
 * A lock of the process (fcntl(2), POSIX), or of the open file description. `waits`: sleeps until it can be had; else EAGAIN.
 */
export function lockRange(
  fd: number,
  type: keyof typeof LOCK_TYPES,
  { start, length }: LockRange,
  { of = 'process', waits = false }: { of?: 'process' | 'description'; waits?: boolean } = {},
): void {
  // struct flock: i16 type, i16 whence (0, from the start), i64 start at 8, i64 length at 16, i32 pid at 24
  const request = Buffer.alloc(32)
  request.writeInt16LE(LOCK_TYPES[type], 0)
  request.writeBigInt64LE(BigInt(start), 8)
  request.writeBigInt64LE(BigInt(length), 16)
  const command = (of === 'process' ? F_SETLK : F_OFD_SETLK) + (waits ? F_SETLKW - F_SETLK : 0)
  checked('fcntl', fcntl(fd, command, request))
}

/** flock(2), without waiting: EAGAIN when another description has it. */
export function lockWhole(fd: number, type: keyof typeof FLOCKS): void {
  checked('flock', flockCall(fd, FLOCKS[type] | LOCK_NB))
}

export interface Mapped extends Disposable {
  readonly bytes: Uint8Array
  /** msync(2), to the end. */
  sync(): void
}

/** mmap(2), of whole pages; unmapped when disposed. `'anonymous'`, which takes no file, is memory aligned for O_DIRECT. */
export function map(kind: keyof typeof MAPS, fd: number, length: number, { writable = true } = {}): Mapped {
  const address = BigInt(checked('mmap', mmap(null, length, writable ? PROT_READ_WRITE : PROT_READ, MAPS[kind], fd, 0)))
  return {
    bytes: new Uint8Array(koffi.view(address, length)),
    sync: () => void checked('msync', msync(address, length, MS_SYNC)),
    [Symbol.dispose]: () => void checked('munmap', munmap(address, length)),
  }
}
