/** What stands before every request and every reply: `fuse_in_header`, `fuse_out_header`. */
import { readU32, writeU32 } from './integers.ts'

/** Bytes of a request's header; its body follows. */
export const IN_HEADER_BYTES = 40
/** Bytes of a reply's header. */
export const OUT_HEADER_BYTES = 16

/** Offsets in a request's header; its `length` counts the header, too. */
export const InHeader = {
  length: 0,
  opcode: 4,
  unique: 8,
  nodeId: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  /** 16 bits: extensions at the end of the body, in units of 8 bytes; only of what was negotiated. */
  extensionUnits: 36,
} as const

/** Offsets in a reply's header; `error` is 0 or a negative errno. */
export const OutHeader = { length: 0, error: 4, unique: 8 } as const

/**
 * Writes the header of a reply to the request whose bytes are `request`: the number that identifies it is carried over as
 * it is. `errno` as in errors of Node.js: 0 or negative.
 */
export function writeOutHeader(
  bytes: Buffer,
  request: Buffer,
  { bodyBytes, errno = 0 }: { bodyBytes: number; errno?: number },
): void {
  writeU32(bytes, OUT_HEADER_BYTES + bodyBytes, OutHeader.length)
  writeU32(bytes, errno, OutHeader.error)
  writeU32(bytes, readU32(request, InHeader.unique), OutHeader.unique)
  writeU32(bytes, readU32(request, InHeader.unique + 4), OutHeader.unique + 4)
}
