/** The first request of a mount, in which both sides say what they can: `fuse_init_in`, `fuse_init_out`. */

/** The only major version there has been since 2006. */
export const FUSE_MAJOR = 7
/** What this speaks: Linux 5.4 … 6.18. */
export const MINOR_LEAST = 31
export const MINOR_MOST = 45

/** Flags of INIT; the upper 32 bits travel in a field of their own. Those that only other servers use are left out. */
export const InitFlag = {
  /** Reads of a file may be in flight side by side. */
  asyncRead: 1n << 0n,
  posixLocks: 1n << 1n,
  /** O_TRUNC comes with OPEN. */
  atomicTruncate: 1n << 3n,
  exportSupport: 1n << 4n,
  /** Writes may be larger than a page. */
  bigWrites: 1n << 5n,
  /** The umask comes with the request and is the server's to apply. */
  dontMask: 1n << 6n,
  flockLocks: 1n << 10n,
  ioctlDirectory: 1n << 11n,
  /** The page cache of a file goes when its size or mtime is another one. */
  autoInvalidateData: 1n << 12n,
  readdirplus: 1n << 13n,
  /** The kernel chooses between READDIR and READDIRPLUS. */
  readdirplusAuto: 1n << 14n,
  /** Direct I/O of one call may be in flight in several requests. */
  asyncDirectIo: 1n << 15n,
  writebackCache: 1n << 16n,
  noOpen: 1n << 17n,
  /** Lookups and readdirs of a directory may be in flight side by side. */
  parallelDirectoryOperations: 1n << 18n,
  posixAcl: 1n << 20n,
  abortError: 1n << 21n,
  /** `maxPages` of the reply counts. */
  maxPages: 1n << 22n,
  cacheSymlinks: 1n << 23n,
  noOpendir: 1n << 24n,
  explicitInvalidateData: 1n << 25n,
  /** The server takes setuid, setgid and capabilities off when it is told to, by flags of WRITE, OPEN and SETATTR. */
  handleKillPrivilegesV2: 1n << 28n,
  /** SETXATTR has a larger struct, with flags. */
  setxattrExtended: 1n << 29n,
  /** There is a second word of flags. */
  initExtended: 1n << 30n,
  hasExpireOnly: 1n << 35n,
  /** Files opened for direct I/O may be mapped, shared, too. */
  directIoAllowMmap: 1n << 36n,
  noExportSupport: 1n << 38n,
} as const

export interface InitRequest {
  readonly major: number
  readonly minor: number
  /** Bytes. */
  readonly maxReadahead: number
  readonly flags: bigint
}

const FLAGS2_AT = 16
const INIT_IN_BYTES_LEAST = 16
const INIT_OUT_BYTES = 64

/** Older kernels send no second word of flags. */
export function readInit(body: Buffer): InitRequest {
  const low = BigInt(body.readUInt32LE(12))
  const isExtended = (low & InitFlag.initExtended) !== 0n && body.length >= INIT_IN_BYTES_LEAST + 4
  return {
    major: body.readUInt32LE(0),
    minor: body.readUInt32LE(4),
    maxReadahead: body.readUInt32LE(8),
    flags: isExtended ? low | (BigInt(body.readUInt32LE(FLAGS2_AT)) << 32n) : low,
  }
}

export interface InitReply {
  readonly minor: number
  /** Bytes. */
  readonly maxReadahead: number
  readonly flags: bigint
  /** Requests in flight that nobody waits for (read-ahead, asynchronous direct I/O), and when to hold more back. */
  readonly maxBackground: number
  readonly congestionThreshold: number
  /** Bytes of one WRITE. */
  readonly maxWriteBytes: number
  /** Pages of one READ or WRITE. */
  readonly maxPages: number
  /** Times are exact to so many nanoseconds. */
  readonly timeGranularityNs: number
}

export function encodeInit(reply: InitReply): Buffer {
  const bytes = Buffer.alloc(INIT_OUT_BYTES)
  bytes.writeUInt32LE(FUSE_MAJOR, 0)
  bytes.writeUInt32LE(reply.minor, 4)
  bytes.writeUInt32LE(reply.maxReadahead, 8)
  bytes.writeUInt32LE(Number(reply.flags & 0xffff_ffffn), 12)
  bytes.writeUInt16LE(reply.maxBackground, 16)
  bytes.writeUInt16LE(reply.congestionThreshold, 18)
  bytes.writeUInt32LE(reply.maxWriteBytes, 20)
  bytes.writeUInt32LE(reply.timeGranularityNs, 24)
  bytes.writeUInt16LE(reply.maxPages, 28)
  bytes.writeUInt32LE(Number(reply.flags >> 32n), 32)
  return bytes
}
