/** Memory that begins at a page, as I/O past the page cache (O_DIRECT) asks for, and that goes when nobody refers to it. */
import { BLOCK_SIZE } from '../units.ts'
import { addressOf } from './libc.ts'

/** Zeros at first. For less than a page more than is asked for, and 1 µs; memory of a mapping (memory-map.ts) must be unmapped. */
export function pageAligned(length: number): Uint8Array<ArrayBuffer> {
  const memory = new Uint8Array(length + BLOCK_SIZE - 1)
  const start = (BLOCK_SIZE - Number(addressOf(memory) % BigInt(BLOCK_SIZE))) % BLOCK_SIZE
  return memory.subarray(start, start + length)
}
