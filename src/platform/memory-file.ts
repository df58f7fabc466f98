/**
 * Files that are only memory: memfd_create(2). They behave as a file of tmpfs without a name and are gone with their last
 * descriptor and mapping. Callers: the memory device.
 */
import { callFailed, libc } from './libc.ts'

const MFD_CLOEXEC = 1

/** A new, empty memory file; answers its descriptor, which the caller closes. `name` shows up in /proc only. */
export function createMemoryFile(name: string): number {
  const fd = libc().memfd_create(name, MFD_CLOEXEC)
  if (fd === -1) throw callFailed('no memory file could be made', { syscall: 'memfd_create' })
  return fd
}
