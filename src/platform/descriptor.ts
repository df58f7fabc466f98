/**
 * Descriptors: one more for the same open file description, dup(2).
 *
 * Not through node:fs, which has no dup, and which in a worker thread closes by number, when the thread ends, whatever
 * it opened. Callers: reading from a socket into a pin.
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
