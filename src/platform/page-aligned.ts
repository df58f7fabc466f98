/** Memory that begins at a page, as I/O past the page cache (O_DIRECT) asks for, and that goes when nobody refers to it. */
import { addressOf } from './libc.ts'

const PAGE_BYTES = 4096

/** Zeros at first. For less than a page more than is asked for, and 1 µs; memory of a mapping (memory-map.ts) must be unmapped. */
export function pageAligned(length: number): Uint8Array<ArrayBuffer> {
  const memory = new Uint8Array(length + PAGE_BYTES - 1)
  const start = (PAGE_BYTES - Number(addressOf(memory) % BigInt(PAGE_BYTES))) % PAGE_BYTES
  return memory.subarray(start, start + length)
}
