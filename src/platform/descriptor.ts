/**
 * Descriptors: one more for the same open file description, dup(2); and not to wait, O_NONBLOCK.
 *
 * Not through node:fs, which has no dup, and which in a worker thread closes by number, when the thread ends, whatever
 * it opened. Callers: reading from a socket into a pin; the mount.
 */
import { callFailed, libc } from './libc.ts'

const F_DUPFD_CLOEXEC = 1030
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
