/**
 * Pins and FileHandles: the kernel reads and writes the blocks themselves. Blocks are page aligned, so O_DIRECT works
 * where the range of the pin and the position are aligned; else the kernel says EINVAL, and that is passed on.
 *
 * Invariant: nothing settles while an operation is under way. libuv cannot take back what a thread has begun, so an abort
 * waits for it; parts are small enough for that to be soon (a handle of a FIFO may wait for its writer all the same).
 */
import type { FileHandle } from 'node:fs/promises'
import { systemError } from '../errors.ts'
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

/** Fills the views until they are full or the file ends; returns how many bytes. */
export async function readFromFile(handle: FileHandle, views: readonly Uint8Array[], io: FileIo): Promise<number> {
  const rest = new Remainder(views, 'readFrom')
  while (rest.left > 0) {
    io.signal?.throwIfAborted()
    // At the end of an O_DIRECT file nothing may be aligned any more; there the kernel says 0, not EINVAL.
    const { bytesRead } = await handle.readv(rest.list(PART_BYTES), positionOf(io, rest))
    if (bytesRead === 0) break
    rest.advance(bytesRead)
  }
  io.signal?.throwIfAborted()
  rest.check()
  return rest.done
}

const positionOf = ({ position }: FileIo, { done }: Remainder): number | undefined =>
  position === undefined ? undefined : position + done
