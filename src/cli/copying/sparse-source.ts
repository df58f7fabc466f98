/**
 * Sparse files of the host: where their data is. Node.js has no call for holes, so there are two ways, and both are used:
 * the host's own map of the file, where it has one (not tmpfs), and a look at the bytes.
 */
import type { FileHandle } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'
import type { ByteRange } from '../../platform/file-space.ts'
import { unallocatedSpace } from '../../platform/file-space.ts'
import { BLOCK_SIZE } from '../../units.ts'

/** Parts of the first `size` bytes outside of which the host has nothing but zeros. */
export async function dataOf(handle: FileHandle, size: number): Promise<ByteRange[]> {
  // What is only in memory so far may not be in the map.
  await handle.datasync()
  const data: ByteRange[] = []
  let start = 0
  for (const hole of [...holesOf(handle, size), { start: size, end: size }]) {
    if (start < hole.start) data.push({ start, end: hole.start })
    start = hole.end
  }
  return data
}

function holesOf(handle: FileHandle, size: number): ByteRange[] {
  try {
    return unallocatedSpace(handle.fd, 0, size) ?? []
  } catch (error) {
    // No map, whatever the reason: then all of it is read.
    if (codeOf(error) === undefined) throw error
    return []
  }
}

const ZEROS = Buffer.alloc(BLOCK_SIZE)

/** The parts of `bytes` that are not blocks of zeros, in order. */
export function* nonZeroRuns(bytes: Buffer): Generator<ByteRange> {
  let start: number | undefined
  for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
    const block = bytes.subarray(at, at + BLOCK_SIZE)
    const isZero = block.equals(ZEROS.subarray(0, block.length))
    if (isZero && start !== undefined) {
      yield { start, end: at }
      start = undefined
    } else if (!isZero) start ??= at
  }
  if (start !== undefined) yield { start, end: bytes.length }
}
