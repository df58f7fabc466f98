/**
 * Read-ahead of reads through a descriptor. Callers: the device.
 */
import { libc } from './libc.ts'

const POSIX_FADV_RANDOM = 1

/**
 * Has reads through this descriptor bring in what they ask for, page by page, and nothing around it. Read-ahead would
 * make page-cache folios that span holes (see memory-map.ts). Advice: where it is not taken, reads go on as ever.
 */
export function readWithoutReadAhead(fd: number): void {
  libc().posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM)
}
