/** Content: READ (and the head of READDIR), WRITE, LSEEK, FALLOCATE, COPY_FILE_RANGE. Offsets and lengths in bytes. */
import { readU64, writeU64 } from './integers.ts'

export interface ReadRequest {
  readonly handle: number
  /** Of READDIR and READDIRPLUS what the last entry seen said; 0 at first. */
  readonly offset: number
  /** Bytes that fit into the reply. */
  readonly size: number
  /** Of open(2), as they are now: fcntl may have changed O_DIRECT and O_APPEND. */
  readonly flags: number
}

/** READ, READDIR, READDIRPLUS. */
export const readRead = (body: Buffer): ReadRequest => ({
  handle: readU64(body, 0),
  offset: readU64(body, 8),
  size: body.readUInt32LE(16),
  flags: body.readUInt32LE(32),
})

/** Where the bytes of a WRITE begin in its body. */
const WRITE_IN_BYTES = 40

const WriteFlag = { cache: 1 << 0, killSetIds: 1 << 2 } as const

export interface WriteRequest {
  readonly handle: number
  readonly offset: number
  /** A view of the request. */
  readonly data: Buffer
  /** Of open(2), as they are now. */
  readonly flags: number
  /** From the page cache (a shared mapping), so the handle may be another opener's, and no caller is known. */
  readonly isFromCache: boolean
  /** Take setuid and setgid off (only with `handleKillPrivilegesV2`). */
  readonly killsSetIds: boolean
}

export function readWrite(body: Buffer): WriteRequest {
  const size = body.readUInt32LE(16)
  const writeFlags = body.readUInt32LE(20)
  return {
    handle: readU64(body, 0),
    offset: readU64(body, 8),
    data: body.subarray(WRITE_IN_BYTES, WRITE_IN_BYTES + size),
    flags: body.readUInt32LE(32),
    isFromCache: (writeFlags & WriteFlag.cache) !== 0,
    killsSetIds: (writeFlags & WriteFlag.killSetIds) !== 0,
  }
}

/** The reply to WRITE and COPY_FILE_RANGE: how many bytes it came to, at most 2^32 - 1. */
export function encodeWritten(bytesWritten: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeUInt32LE(bytesWritten, 0)
  bytes.writeUInt32LE(0, 4)
  return bytes
}

export const SEEK_DATA = 3
export const SEEK_HOLE = 4

/** The kernel asks for SEEK_DATA and SEEK_HOLE only; it does the rest itself. */
export const readLseek = (
  body: Buffer,
): { readonly handle: number; readonly offset: number; readonly whence: number } => ({
  handle: readU64(body, 0),
  offset: readU64(body, 8),
  whence: body.readUInt32LE(16),
})

/** The reply to LSEEK and COPY_FILE_RANGE_64. */
export function encodeOffset(offset: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  writeU64(bytes, offset, 0)
  return bytes
}

/** Mode bits of fallocate(2) that the kernel passes on. */
export const FallocateFlag = { keepSize: 0x01, punchHole: 0x02, zeroRange: 0x10 } as const

export interface FallocateRequest {
  readonly handle: number
  readonly offset: number
  readonly length: number
  readonly mode: number
}

export const readFallocate = (body: Buffer): FallocateRequest => ({
  handle: readU64(body, 0),
  offset: readU64(body, 8),
  length: readU64(body, 16),
  mode: body.readUInt32LE(24),
})

export interface CopyRequest {
  /** Of the file in the header. */
  readonly handle: number
  readonly offset: number
  readonly targetNodeId: number
  readonly targetHandle: number
  readonly targetOffset: number
  readonly length: number
  readonly flags: number
}

/** COPY_FILE_RANGE and COPY_FILE_RANGE_64. */
export const readCopy = (body: Buffer): CopyRequest => ({
  handle: readU64(body, 0),
  offset: readU64(body, 8),
  targetNodeId: readU64(body, 16),
  targetHandle: readU64(body, 24),
  targetOffset: readU64(body, 32),
  length: readU64(body, 40),
  flags: readU64(body, 48),
})
