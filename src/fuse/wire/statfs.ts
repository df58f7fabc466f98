/** STATFS: `fuse_kstatfs`. */
import { writeU64 } from './integers.ts'

export interface Statfs {
  /** In units of `blockBytes`. */
  readonly blocks: number
  readonly freeBlocks: number
  /** For who is not root. */
  readonly availableBlocks: number
  readonly inodes: number
  readonly freeInodes: number
  readonly blockBytes: number
  readonly nameBytesMax: number
}

const STATFS_OUT_BYTES = 80

export function encodeStatfs(statfs: Statfs): Buffer {
  const bytes = Buffer.alloc(STATFS_OUT_BYTES)
  writeU64(bytes, statfs.blocks, 0)
  writeU64(bytes, statfs.freeBlocks, 8)
  writeU64(bytes, statfs.availableBlocks, 16)
  writeU64(bytes, statfs.inodes, 24)
  writeU64(bytes, statfs.freeInodes, 32)
  bytes.writeUInt32LE(statfs.blockBytes, 40)
  bytes.writeUInt32LE(statfs.nameBytesMax, 44)
  bytes.writeUInt32LE(statfs.blockBytes, 48)
  return bytes
}
