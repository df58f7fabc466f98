/**
 * Pins and FileHandles: the kernel reads and writes the blocks themselves. Blocks are page aligned, so O_DIRECT works
 * where the range of the pin and the position are aligned; else the kernel says EINVAL, and that is passed on.
 *
 * Invariant: nothing settles while an operation is under way. libuv cannot take back what a thread has begun, so an abort
 * waits for it; parts are small enough for that to be soon (a handle of a FIFO may wait for its writer all the same).
 */
import type { FileHandle } from 'node:fs/promises'
import { systemError } from '../errors.ts'
import type { PunchWatch } from '../layout/punch-marks.ts'
import { BLOCK_SIZE } from '../units.ts'
import { readByCopy } from './read-by-copy.ts'
import { Remainder } from './remainder.ts'

/** Bytes of one operation. */
const PART_BYTES = 16 << 20

export interface FileIo {
  readonly position?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Writes all of the views; returns how many bytes. */
export async function writeToFile(handle: FileHandle, views: readonly Uint8Array[], io: FileIo): Promise<number> {
  const rest = new Remainder(views, 'writeTo')
  while (rest.left > 0) {
    io.signal?.throwIfAborted()
    const { bytesWritten } = await handle.writev(rest.list(PART_BYTES), positionOf(io, rest))
    if (bytesWritten === 0)
      throw systemError('EIO', 'the file takes no more bytes and gives no error', { syscall: 'write' })
    rest.advance(bytesWritten)
  }
  io.signal?.throwIfAborted()
  rest.check()
  return rest.done
}

/**
 * Fills the views until they are full or the file ends; returns how many bytes. With `watch`, of the blocks that the views
 * are of, what a punch nearby may have lost is read again.
 */
export async function readFromFile(
  handle: FileHandle,
  views: readonly Uint8Array[],
  io: FileIo,
  watch?: PunchWatch,
): Promise<number> {
  const rest = new Remainder(views, 'readFrom')
  while (rest.left > 0) {
    io.signal?.throwIfAborted()
    const part = rest.list(PART_BYTES)
    const position = positionOf(io, rest)
    watch?.begin()
    // At the end of an O_DIRECT file nothing may be aligned any more; there the kernel says 0, not EINVAL.
    const { bytesRead } = await handle.readv(part, position)
    if (bytesRead === 0) break
    if (watch === undefined || isThere(part, bytesRead, watch)) rest.advance(bytesRead)
    else if ((await readByCopy(handle, rest, bytesRead, position)) === 0) break
  }
  io.signal?.throwIfAborted()
  rest.check()
  return rest.done
}

/**
 * Whether what was read is in the blocks for good. The store into each page, which changes nothing, has the kernel know that
 * the page is dirty: that of an O_DIRECT read is clean for a moment longer when a flush came in between.
 */
function isThere(part: readonly Uint8Array[], bytes: number, watch: PunchWatch): boolean {
  let left = bytes
  for (const view of part) {
    const length = Math.min(view.length, left)
    for (let at = 0; at < length; at += BLOCK_SIZE) Atomics.or(view, at, 0)
    if (length > 0) Atomics.or(view, length - 1, 0)
    left -= length
  }
  return !watch.hasPunch()
}

const positionOf = ({ position }: FileIo, { done }: Remainder): number | undefined =>
  position === undefined ? undefined : position + done
