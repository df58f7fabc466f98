/** Opening and closing: OPEN, OPENDIR, CREATE, TMPFILE, FLUSH, FSYNC, FSYNCDIR, RELEASE, RELEASEDIR. */
import type { Entry } from './entry.ts'
import { writeEntry } from './entry.ts'
import { readU64, writeU32, writeU64 } from './integers.ts'
import { readNameAt } from './names.ts'

const OPEN_KILLS_SET_IDS = 1

export interface OpenRequest {
  /** O_RDONLY, O_APPEND, O_TRUNC, O_DIRECT … of open(2), as on this architecture. */
  readonly flags: number
  /** O_TRUNC takes setuid and setgid off (only with `handleKillPrivilegesV2`). */
  readonly killsSetIds: boolean
}

/** OPEN and OPENDIR. */
export const readOpen = (body: Buffer): OpenRequest => ({
  flags: body.readUInt32LE(0),
  killsSetIds: (body.readUInt32LE(4) & OPEN_KILLS_SET_IDS) !== 0,
})

export interface CreateRequest extends OpenRequest {
  /** Type and permission bits, masked already unless `dontMask` was negotiated. */
  readonly mode: number
  readonly umask: number
  /** Of TMPFILE the kernel's placeholder. */
  readonly name: string
}

/** CREATE, and TMPFILE. */
export const readCreate = (body: Buffer): CreateRequest => ({
  flags: body.readUInt32LE(0),
  mode: body.readUInt32LE(4),
  umask: body.readUInt32LE(8),
  killsSetIds: (body.readUInt32LE(12) & OPEN_KILLS_SET_IDS) !== 0,
  name: readNameAt(body, 16),
})

/** What the kernel may do with an open file. */
export const OpenFlag = {
  /** Past the page cache. */
  directIo: 1 << 0,
  /** What is in the page cache stays. */
  keepCache: 1 << 1,
  nonSeekable: 1 << 2,
  /** Entries of the directory may be cached. */
  cacheDirectory: 1 << 3,
  stream: 1 << 4,
  /** Close sends no FLUSH. */
  noFlush: 1 << 5,
  /** Direct writes of one inode may be in flight side by side. */
  parallelDirectWrites: 1 << 6,
} as const

export interface Opened {
  /** Comes back with every request on the open file. */
  readonly handle: number
  /** A sum of `OpenFlag`. */
  readonly openFlags: number
}

const OPEN_OUT_BYTES = 16

/** Writes the reply to OPEN and OPENDIR at `at`; answers its end. */
export function writeOpened(bytes: Uint8Array, { handle, openFlags }: Opened, at: number): number {
  writeU64(bytes, handle, at)
  writeU32(bytes, openFlags, at + 8)
  writeU32(bytes, 0, at + 12)
  return at + OPEN_OUT_BYTES
}

/** The reply to CREATE and TMPFILE; answers its end. */
export const writeCreated = (bytes: Uint8Array, entry: Entry, opened: Opened, at: number): number =>
  writeOpened(bytes, opened, writeEntry(bytes, entry, at))

/** The handle with which FLUSH, FSYNC, FSYNCDIR, RELEASE and RELEASEDIR begin. */
export const readHandle = (body: Buffer): number => readU64(body, 0)

const FSYNC_DATA_ONLY = 1

/** FSYNC and FSYNCDIR. */
export const readFsync = (body: Buffer): { readonly handle: number; readonly isDataOnly: boolean } => ({
  handle: readU64(body, 0),
  isDataOnly: (body.readUInt32LE(8) & FSYNC_DATA_ONLY) !== 0,
})

/** RELEASE and RELEASEDIR: the last close. `flags` of open(2). */
export const readRelease = (body: Buffer): { readonly handle: number; readonly flags: number } => ({
  handle: readU64(body, 0),
  flags: body.readUInt32LE(8),
})
