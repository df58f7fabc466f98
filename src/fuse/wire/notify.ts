/**
 * What the server tells the kernel unasked: `fuse_notify_inval_inode_out`, `fuse_notify_inval_entry_out`. A whole message,
 * with its header: `unique` 0, and the kind in the place of the error.
 */
import { OUT_HEADER_BYTES, OutHeader } from './header.ts'
import { writeU64 } from './integers.ts'

const NotifyCode = { invalidateInode: 2, invalidateEntry: 3 } as const

function message(code: number, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(OUT_HEADER_BYTES + bodyBytes)
  bytes.writeUInt32LE(bytes.length, OutHeader.length)
  bytes.writeInt32LE(code, OutHeader.error)
  return bytes
}

/**
 * Attributes of an inode are forgotten, and its page cache from `offset` on, `length` bytes or, with 0, to the end. A
 * negative offset: attributes only. Writing it fails with ENOENT when the kernel does not know the inode.
 */
export function encodeInvalidateInode(nodeId: number, offset: number, length: number): Buffer {
  const bytes = message(NotifyCode.invalidateInode, 24)
  writeU64(bytes, nodeId, OUT_HEADER_BYTES)
  bytes.writeBigInt64LE(BigInt(offset), OUT_HEADER_BYTES + 8)
  bytes.writeBigInt64LE(BigInt(length), OUT_HEADER_BYTES + 16)
  return bytes
}

/** A name in a directory is forgotten. It waits for that directory's lock: never write it while a request of it is open. */
export function encodeInvalidateEntry(parent: number, name: string): Buffer {
  const nameBytes = Buffer.byteLength(name)
  const bytes = message(NotifyCode.invalidateEntry, 16 + nameBytes + 1)
  writeU64(bytes, parent, OUT_HEADER_BYTES)
  bytes.writeUInt32LE(nameBytes, OUT_HEADER_BYTES + 8)
  bytes.write(name, OUT_HEADER_BYTES + 16)
  return bytes
}
