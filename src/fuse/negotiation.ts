/** INIT: what kernel and server agree on. */
import { systemError } from '../errors.ts'
import type { InitReply, InitRequest } from './wire/init.ts'
import { FUSE_MAJOR, InitFlag, MINOR_LEAST, MINOR_MOST } from './wire/init.ts'

/** Bytes of one WRITE, and of one READ; the most that Linux gives to who has no say over it. */
const MAX_WRITE_BYTES = 1 << 20
const PAGE_BYTES = 4096
/**
 * The whole buffer for a request: what comes before the bytes of a WRITE fits into a page. Also other requests (SETXATTR,
 * 64 KiB) are shorter.
 */
export const REQUEST_BYTES = MAX_WRITE_BYTES + PAGE_BYTES
/** Read-ahead and asynchronous direct I/O in flight; each is a request for which nobody waits yet. */
const MAX_BACKGROUND = 64
const CONGESTION_THRESHOLD = 48

/** What the loop itself wants; operations add what they can carry out. */
const ALWAYS_WANTED =
  InitFlag.asyncRead |
  InitFlag.bigWrites |
  InitFlag.maxPages |
  InitFlag.initExtended |
  InitFlag.parallelDirectoryOperations

/**
 * Answers INIT. Locks (POSIX, BSD) are never asked for: the kernel keeps them itself. What the kernel does not offer is left
 * out. Throws EPROTO for a kernel before 5.4, which speaks another dialect.
 */
export function negotiate(request: InitRequest, wanted: bigint): InitReply {
  if (request.major !== FUSE_MAJOR || request.minor < MINOR_LEAST) {
    const what = `the kernel speaks FUSE ${request.major}.${request.minor}; mounting needs ${FUSE_MAJOR}.${MINOR_LEAST} (Linux 5.4) or later`
    throw systemError('EPROTO', what, { syscall: 'mount' })
  }
  return {
    minor: Math.min(request.minor, MINOR_MOST),
    maxReadahead: request.maxReadahead,
    flags: (ALWAYS_WANTED | wanted) & request.flags,
    maxBackground: MAX_BACKGROUND,
    congestionThreshold: CONGESTION_THRESHOLD,
    maxWriteBytes: MAX_WRITE_BYTES,
    maxPages: MAX_WRITE_BYTES / PAGE_BYTES,
    timeGranularityNs: 1,
  }
}
