/**
 * libc: the few system calls that Node.js does not offer, through koffi. Nothing else in the project imports koffi.
 *
 * Only the modules of `src/platform/` call this; everything above uses theirs. Raw prototypes: they return what libc
 * returns, and whoever gets -1 turns it into an error with {@link callFailed} before any other call is made.
 *
 * Nothing is loaded before the first call, so that a machine we do not run on gets our explanation and not koffi's.
 */
import type koffi from 'koffi'

import { createRequire } from 'node:module'
import { constants } from 'node:os'

import { systemError } from '../errors.ts'
import type { HoldfastError, SystemErrorDetail } from '../errors.ts'
import { BLOCK_SIZE } from '../units.ts'

type Koffi = typeof koffi

/** Addresses are bigints, sizes and offsets safe integers. `off_t` has 64 bits on all that we support. */
interface Libc {
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): number
  munmap(address: bigint, length: number): number
  msync(address: bigint, length: number, flags: number): number
  madvise(address: bigint, length: number, advice: number): number
  fallocate(fd: number, mode: number, offset: number, length: number): number
  /** Returns the error number, 0 for none. */
  posix_fadvise(fd: number, offset: number, length: number, advice: number): number
  lseek(fd: number, offset: number, whence: number): number
  fcntl(fd: number, command: number, argument: Uint8Array | null): number
  ioctl(fd: number, request: number, argument: Uint8Array): number
  open(path: string, flags: number): number
  mkfifo(path: string, mode: number): number
  memfd_create(name: string, flags: number): number
  /** syscall(2), as io_uring_setup and io_uring_register need it: libc has no functions for them. */
  syscall2(number: number, first: number, pointer: Uint8Array): number
  syscall4(number: number, first: number, second: number, pointer: Uint8Array, fourth: number): number
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): number
  read(fd: number, bytes: Uint8Array, length: number): number
  write(fd: number, bytes: Uint8Array, length: number): number
  mount(source: string, target: string, type: string, flags: number, data: string): number
  /** `async` calls it on a thread of libuv's pool; `lastErrno()` in the callback is that of this call. */
  umount2: { async(target: string, flags: number, callback: (error: unknown, result: number) => void): void }
  socketpair(domain: number, type: number, protocol: number, fds: Uint8Array): number
  recvmsg(fd: number, message: Uint8Array, flags: number): number
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number
  sendmsg(fd: number, message: Uint8Array, flags: number): number
}

/** `_SC_PAGESIZE` of unistd.h, the same in glibc and musl. */
const SC_PAGESIZE = 30

interface Loaded {
  readonly koffi: Koffi
  readonly calls: Libc
}

let loaded: Loaded | undefined

function load(): Loaded {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) {
    const here = `${process.platform} ${process.arch}`
    throw systemError('ENOSYS', `Holdfast runs on Linux x64 and arm64; this is ${here}`, { syscall: 'dlopen' })
  }
  let module: Koffi
  try {
    module = createRequire(import.meta.url)('koffi') as Koffi
  } catch (error) {
    const explanation = `koffi, which calls libc, cannot be loaded; install it for ${process.platform} ${process.arch}, optional packages included`
    throw systemError('ENOSYS', explanation, { syscall: 'dlopen', cause: error })
  }
  // null is the process itself: Node.js is linked to the one libc that is right, glibc or musl
  const library = module.load(null)
  const pageSize: unknown = library.func('long sysconf(int name)')(SC_PAGESIZE)
  if (pageSize !== BLOCK_SIZE) {
    const explanation = `pages of this kernel have ${String(pageSize)} bytes, Holdfast needs ${BLOCK_SIZE}; use a kernel with 4 KiB pages`
    throw systemError('ENOSYS', explanation, { syscall: 'sysconf' })
  }
  const calls: Libc = {
    mmap: library.func('int64_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)'),
    munmap: library.func('int munmap(uint64_t address, size_t length)'),
    msync: library.func('int msync(uint64_t address, size_t length, int flags)'),
    madvise: library.func('int madvise(uint64_t address, size_t length, int advice)'),
    fallocate: library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
    posix_fadvise: library.func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)'),
    lseek: library.func('int64_t lseek(int fd, int64_t offset, int whence)'),
    // variadic in C; on Linux x64 and arm64 these arguments travel in the same registers either way
    fcntl: library.func('int fcntl(int fd, int command, void *argument)'),
    ioctl: library.func('int ioctl(int fd, unsigned long request, void *argument)'),
    open: library.func('int open(const char *path, int flags)'),
    mkfifo: library.func('int mkfifo(const char *path, uint32_t mode)'),
    memfd_create: library.func('int memfd_create(const char *name, unsigned int flags)'),
    syscall2: library.func('syscall', 'int64_t', ['int64_t', 'int64_t', 'void *']),
    syscall4: library.func('syscall', 'int64_t', ['int64_t', 'int64_t', 'int64_t', 'void *', 'int64_t']),
    poll: library.func('int poll(void *descriptors, unsigned long count, int timeout)'),
    read: library.func('int64_t read(int fd, void *bytes, size_t length)'),
    write: library.func('int64_t write(int fd, const void *bytes, size_t length)'),
    mount: library.func(
      'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
    ),
    umount2: library.func('int umount2(const char *target, int flags)'),
    socketpair: library.func('int socketpair(int domain, int type, int protocol, void *fds)'),
    recvmsg: library.func('int64_t recvmsg(int fd, void *message, int flags)'),
    send: library.func('int64_t send(int fd, void *bytes, size_t length, int flags)'),
    sendmsg: library.func('int64_t sendmsg(int fd, void *message, int flags)'),
  }
  return { koffi: module, calls }
}

/**
 * Throws `ENOSYS` unless this is Linux on x64 or arm64 with 4 KiB pages and koffi can be loaded. Costs some
 * milliseconds the first time, nothing later.
 */
export function assertSupportedPlatform(): void {
  loaded ??= load()
}

/** The prototypes. Throws as {@link assertSupportedPlatform} does. */
export function libc(): Libc {
  return (loaded ??= load()).calls
}

/** An ArrayBuffer over memory that is not V8's: `length` bytes at `address`. It keeps nothing alive. 2 µs. */
export function viewMemory(address: bigint, length: number): ArrayBuffer {
  return (loaded ??= load()).koffi.view(address, length)
}

/** Where the bytes of a Buffer are, for structs that point to them; they stay there while the Buffer is reachable. */
export function addressOf(bytes: Uint8Array): bigint {
  return (loaded ??= load()).koffi.address(bytes)
}

/** errno of the last call from this thread. */
export function lastErrno(): number {
  return (loaded ??= load()).koffi.errno()
}

const names = new Map<number, string>()
for (const [name, number] of Object.entries(constants.errno)) names.set(number, name)
// numbers with two names, and those that Node.js has no name for
names.set(constants.errno.EAGAIN, 'EAGAIN')
names.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP')
names.set(116, 'ESTALE')
names.set(117, 'EUCLEAN')

/** The name of the last call's errno, `'EIO'` for a number without one. */
export function lastErrorCode(): string {
  return names.get(lastErrno()) ?? 'EIO'
}

/** The last call's errno as an error. */
export function callFailed(explanation: string, detail: SystemErrorDetail): HoldfastError {
  return systemError(lastErrorCode(), explanation, detail)
}

/** Calls again while a signal interrupts: `EINTR` never leaves this folder. */
export function retryInterrupted(call: () => number): number {
  for (;;) {
    const result = call()
    if (result !== -1 || lastErrno() !== constants.errno.EINTR) return result
  }
}
