/** STATX, which the kernel sends when somebody asks for a birth time: `fuse_statx_in`, `fuse_statx_out`. */
import type { Attributes } from './attributes.ts'
import { readU64, writeTimeNs, writeU64, writeValidMs } from './integers.ts'

const STATX_HAS_HANDLE = 1
/** STATX_BASIC_STATS and STATX_BTIME: all that is in `StatxAttributes`. */
const STATX_ALL = 0x7ff + 0x800
const STATX_OUT_BYTES = 32 + 256

export interface StatxAttributes extends Attributes {
  readonly birthtimeNs: bigint
}

export const readStatx = (body: Buffer): { readonly handle: number | undefined } => ({
  handle: (body.readUInt32LE(0) & STATX_HAS_HANDLE) === 0 ? undefined : readU64(body, 8),
})

/** `validMs`: how long the kernel may believe it. */
export function encodeStatx(attributes: StatxAttributes, validMs: number): Buffer {
  const bytes = Buffer.alloc(STATX_OUT_BYTES)
  writeValidMs(bytes, validMs, 0, 8)
  const at = 32
  bytes.writeUInt32LE(STATX_ALL & 0xfff, at)
  bytes.writeUInt32LE(attributes.blksize, at + 4)
  bytes.writeUInt32LE(attributes.nlink, at + 16)
  bytes.writeUInt32LE(attributes.uid, at + 20)
  bytes.writeUInt32LE(attributes.gid, at + 24)
  bytes.writeUInt16LE(attributes.mode, at + 28)
  writeU64(bytes, attributes.ino, at + 32)
  writeU64(bytes, attributes.size, at + 40)
  writeU64(bytes, attributes.blocks, at + 48)
  writeTimeNs(bytes, attributes.atimeNs, at + 64, at + 72)
  writeTimeNs(bytes, attributes.birthtimeNs, at + 80, at + 88)
  writeTimeNs(bytes, attributes.ctimeNs, at + 96, at + 104)
  writeTimeNs(bytes, attributes.mtimeNs, at + 112, at + 120)
  bytes.writeUInt32LE((attributes.rdev >> 8) & 0xfff, at + 128)
  bytes.writeUInt32LE((attributes.rdev & 0xff) | ((attributes.rdev >>> 12) & 0xfff00), at + 132)
  return bytes
}
