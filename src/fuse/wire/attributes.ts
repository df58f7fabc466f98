/** Attributes of an inode, and GETATTR: `fuse_attr`, `fuse_getattr_in`, `fuse_attr_out`. */
import type { Stat } from '../../pool/stat.ts'
import { readU64, writeTimeNs, writeU64, writeValidMs } from './integers.ts'

/** What the kernel wants to know of an inode. It packs `rdev`: minor bits 0-7, major 8-19, the rest of minor 20-31. */
export type Attributes = Pick<
  Stat,
  'ino' | 'mode' | 'nlink' | 'uid' | 'gid' | 'rdev' | 'size' | 'blksize' | 'blocks' | 'atimeNs' | 'mtimeNs' | 'ctimeNs'
>

export const ATTRIBUTES_BYTES = 88
const ATTR_OUT_BYTES = 16 + ATTRIBUTES_BYTES

/** Writes `fuse_attr` at `at`. 100 ns. */
export function writeAttributes(bytes: Buffer, attributes: Attributes, at: number): void {
  writeU64(bytes, attributes.ino, at)
  writeU64(bytes, attributes.size, at + 8)
  writeU64(bytes, attributes.blocks, at + 16)
  writeTimeNs(bytes, attributes.atimeNs, at + 24, at + 48)
  writeTimeNs(bytes, attributes.mtimeNs, at + 32, at + 52)
  writeTimeNs(bytes, attributes.ctimeNs, at + 40, at + 56)
  bytes.writeUInt32LE(attributes.mode, at + 60)
  bytes.writeUInt32LE(attributes.nlink, at + 64)
  bytes.writeUInt32LE(attributes.uid, at + 68)
  bytes.writeUInt32LE(attributes.gid, at + 72)
  bytes.writeUInt32LE(attributes.rdev, at + 76)
  bytes.writeUInt32LE(attributes.blksize, at + 80)
  bytes.writeUInt32LE(0, at + 84)
}

/** The reply to GETATTR and SETATTR. `validMs`: how long the kernel may believe it. */
export function encodeAttributes(attributes: Attributes, validMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(ATTR_OUT_BYTES)
  writeValidMs(bytes, validMs, 0, 8)
  bytes.writeUInt32LE(0, 12)
  writeAttributes(bytes, attributes, 16)
  return bytes
}

const GETATTR_HAS_HANDLE = 1

/** GETATTR: the handle when the caller has one (fstat), else undefined. */
export const readGetattr = (body: Buffer): { readonly handle: number | undefined } => ({
  handle: (body.readUInt32LE(0) & GETATTR_HAS_HANDLE) === 0 ? undefined : readU64(body, 8),
})
