/**
 * What of a file is in the page cache: advice. Where it is not taken, everything goes on as ever. Callers: the device.
 */
import { libc } from './libc.ts'

const POSIX_FADV_RANDOM = 1
const POSIX_FADV_DONTNEED = 4

/**
 * Has reads through this descriptor bring in what they ask for, page by page, and nothing around it. Read-ahead would
 * make page-cache folios that span holes (see memory-map.ts).
 */
export function readWithoutReadAhead(fd: number): void {
  libc().posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM)
}

/** Lets go of all pages of the file that are clean and that nobody has mapped. */
export function dropCachedPages(fd: number): void {
  libc().posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)
}
