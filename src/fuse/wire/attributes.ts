/** Attributes of an inode, and GETATTR: `fuse_attr`, `fuse_getattr_in`, `fuse_attr_out`. */
import type { Stat } from '../../pool/stat.ts'
import { readU64, writeTimeNs, writeU32, writeU64, writeValidMs } from './integers.ts'

/** What the kernel wants to know of an inode. It packs `rdev`: minor bits 0-7, major 8-19, the rest of minor 20-31. */
export type Attributes = Pick<
  Stat,
  'ino' | 'mode' | 'nlink' | 'uid' | 'gid' | 'rdev' | 'size' | 'blksize' | 'blocks' | 'atimeNs' | 'mtimeNs' | 'ctimeNs'
>

export const ATTRIBUTES_BYTES = 88
const ATTR_OUT_BYTES = 16 + ATTRIBUTES_BYTES

/** Writes `fuse_attr` at `at`. */
export function writeAttributes(bytes: Uint8Array, attributes: Attributes, at: number): void {
  writeU64(bytes, attributes.ino, at)
  writeU64(bytes, attributes.size, at + 8)
  writeU64(bytes, attributes.blocks, at + 16)
  writeTimeNs(bytes, attributes.atimeNs, at + 24, at + 48)
  writeTimeNs(bytes, attributes.mtimeNs, at + 32, at + 52)
  writeTimeNs(bytes, attributes.ctimeNs, at + 40, at + 56)
  writeU32(bytes, attributes.mode, at + 60)
  writeU32(bytes, attributes.nlink, at + 64)
  writeU32(bytes, attributes.uid, at + 68)
  writeU32(bytes, attributes.gid, at + 72)
  writeU32(bytes, attributes.rdev, at + 76)
  writeU32(bytes, attributes.blksize, at + 80)
  writeU32(bytes, 0, at + 84)
}

/** Writes the reply to GETATTR and SETATTR at `at`; answers its end. `validMs`: how long the kernel may believe it. */
export function writeAttributesReply(bytes: Uint8Array, attributes: Attributes, validMs: number, at: number): number {
  writeValidMs(bytes, validMs, at, at + 8)
  writeU32(bytes, 0, at + 12)
  writeAttributes(bytes, attributes, at + 16)
  return at + ATTR_OUT_BYTES
}

const GETATTR_HAS_HANDLE = 1

/** GETATTR: the handle when the caller has one (fstat), else undefined. */
export const readGetattr = (body: Buffer): { readonly handle: number | undefined } => ({
  handle: (body.readUInt32LE(0) & GETATTR_HAS_HANDLE) === 0 ? undefined : readU64(body, 8),
})
