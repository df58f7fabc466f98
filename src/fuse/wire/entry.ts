/** What a name leads to: `fuse_entry_out`, the reply to LOOKUP and to whatever makes a name. */
import type { Attributes } from './attributes.ts'
import { ATTRIBUTES_BYTES, writeAttributes } from './attributes.ts'
import { writeBits64, writeU64, writeValidMs } from './integers.ts'

export interface Entry {
  /** The inode number of the pool; the kernel counts each entry it gets as a lookup, until FORGET. */
  readonly nodeId: number
  /** Another one when the number is used for another inode; the lower 64 bits count. */
  readonly generation: bigint
  readonly attributes: Attributes
  /** How long the kernel may believe the name, and the attributes, in milliseconds. */
  readonly entryValidMs: number
  readonly attributesValidMs: number
}

export const ENTRY_OUT_BYTES = 40 + ATTRIBUTES_BYTES

/** Writes `fuse_entry_out` at `at`; answers its end. */
export function writeEntry(bytes: Uint8Array, entry: Entry, at: number): number {
  writeU64(bytes, entry.nodeId, at)
  writeBits64(bytes, entry.generation, at + 8)
  writeValidMs(bytes, entry.entryValidMs, at + 16, at + 32)
  writeValidMs(bytes, entry.attributesValidMs, at + 24, at + 36)
  writeAttributes(bytes, entry.attributes, at + 40)
  return at + ENTRY_OUT_BYTES
}

/** The reply to LOOKUP that lets the kernel remember, for so long, that there is no such name; answers its end. */
export function writeNoEntry(bytes: Uint8Array, entryValidMs: number, at: number): number {
  bytes.fill(0, at, at + ENTRY_OUT_BYTES)
  writeValidMs(bytes, entryValidMs, at + 16, at + 32)
  return at + ENTRY_OUT_BYTES
}
