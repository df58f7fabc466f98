/**
 * Reading into a pin by copy, after a read straight into it of which it is not known that it arrived (file-io.ts): into
 * memory of our own, and from there by the CPU, whose stores are never lost.
 */
import type { FileHandle } from 'node:fs/promises'
import { positionIn } from '../platform/descriptor.ts'
import { mapAnonymous } from '../platform/memory-map.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { Remainder } from './remainder.ts'

/** Bytes of one copy. */
const COPY_BYTES = 1 << 20

/**
 * Reads the `length` bytes again that were just read from `position`, by default where the handle was. Goes through `rest`,
 * and returns how many there still are. Price: that of the read once more, and of a copy.
 */
export async function readByCopy(
  handle: FileHandle,
  rest: Remainder,
  length: number,
  position: number | undefined,
): Promise<number> {
  const end = position === undefined ? positionIn(handle.fd) : position + length
  if (end === undefined) {
    // A pipe: the kernel has copied by the CPU.
    rest.advance(length)
    return length
  }
  const memory = mapAnonymous(COPY_BYTES)
  // Page aligned, as O_DIRECT asks for.
  const view = memory.view(0, COPY_BYTES)
  try {
    const copy = new Uint8Array(view)
    let done = 0
    while (done < length) {
      const wanted = Math.min(COPY_BYTES, Math.ceil((length - done) / BLOCK_SIZE) * BLOCK_SIZE)
      const { bytesRead } = await handle.read(copy, 0, wanted, end - length + done)
      const count = Math.min(bytesRead, length - done)
      rest.fill(copy.subarray(0, count))
      done += count
      // Somebody has made the file shorter since.
      if (bytesRead < wanted) break
    }
    return done
  } finally {
    view.transfer(0)
    memory.unmap()
  }
}
