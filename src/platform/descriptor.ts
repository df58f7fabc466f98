/**
 * Descriptors: one more for the same open file description, dup(2); where that is in its file, lseek(2); and not to wait,
 * O_NONBLOCK.
 *
 * Not through node:fs, which has neither, and which in a worker thread closes by number, when the thread ends, whatever
 * it opened. Callers: reading into a pin; the mount.
 */
import { callFailed, libc } from './libc.ts'

const F_DUPFD_CLOEXEC = 1030
const SEEK_CUR = 1
/** The least number the new descriptor may have: 0, in the place of a pointer. */
const anyNumber = null

/** Another descriptor of what `fd` is open on, not inherited by child processes. The caller closes it. EBADF, EMFILE. */
export function duplicateDescriptor(fd: number): number {
  const duplicate = libc().fcntl(fd, F_DUPFD_CLOEXEC, anyNumber)
  if (duplicate === -1) throw callFailed('a descriptor could not be duplicated', { syscall: 'fcntl' })
  return duplicate
}

const FIONBIO = 0x5421

/** Reads and writes through the descriptor's open file description never wait from here on: EAGAIN. */
export function makeNonBlocking(fd: number): void {
  const on = Buffer.alloc(4)
  on.writeInt32LE(1, 0)
  if (libc().ioctl(fd, FIONBIO, on) === -1) {
    throw callFailed('a descriptor could not be made non-blocking', { syscall: 'ioctl FIONBIO' })
  }
}

/** The byte that the next read or write through the descriptor begins at; undefined where there is none, as in a pipe. */
export function positionIn(fd: number): number | undefined {
  const position = libc().lseek(fd, 0, SEEK_CUR)
  return position === -1 ? undefined : position
}
