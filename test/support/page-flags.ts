/** What the kernel says of pages: /proc/self/pagemap and /proc/kpageflags. For root only. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { MappedMemory } from '../../src/platform/memory-map.ts'

const PAGE = 4096
const PRESENT = 1n << 63n
const FRAME = (1n << 55n) - 1n
/** Bits of kpageflags: COMPOUND_HEAD, COMPOUND_TAIL. */
const COMPOUND = (1n << 15n) | (1n << 16n)

/** How many pages of a mapping are in large folios. Touches each of them. Undefined: who runs this may not know. */
export function pagesInLargeFolios(memory: MappedMemory): number | undefined {
  if (process.getuid?.() !== 0) return undefined
  const bytes = new Uint8Array(memory.view(0, memory.length))
  const [pagemap, kpageflags] = [openSync('/proc/self/pagemap', 'r'), openSync('/proc/kpageflags', 'r')]
  const word = Buffer.alloc(8)
  let large = 0
  try {
    for (let at = 0; at < memory.length; at += PAGE) {
      Atomics.load(bytes, at)
      readSync(pagemap, word, 0, 8, Number(memory.address / BigInt(PAGE)) * 8 + (at / PAGE) * 8)
      const entry = word.readBigUInt64LE()
      // A container's root sees no frames.
      if ((entry & PRESENT) === 0n || (entry & FRAME) === 0n) return undefined
      readSync(kpageflags, word, 0, 8, Number(entry & FRAME) * 8)
      if ((word.readBigUInt64LE() & COMPOUND) !== 0n) large++
    }
  } finally {
    closeSync(pagemap)
    closeSync(kpageflags)
  }
  return large
}
