/**
 * Bytes from a host file, a stream or another file into a file of the pool, and out of it. Holes stay holes. A source that
 * gets shorter meanwhile makes a shorter copy.
 */
import type { Stats } from 'node:fs'
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { addAbortSignal } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { codeOf, systemError } from '../../errors.ts'
import type { File, Pool } from '../../index.ts'
import type { Progress } from '../progress.ts'
import type { Run } from '../verb.ts'
import { dataOf, nonZeroRuns } from './sparse-source.ts'

/** Bytes pinned at a time. */
const WINDOW_BYTES = 8 << 20
/** Bytes read at a time where they are looked at. */
const PIECE_BYTES = 1 << 20
/** Host files up to this size are read and written synchronously: a turn of the thread pool takes longer. */
const SHORT_BYTES = 128 << 10

/** Reads a host file into an empty one. ENXIO: there is something else at the path by now. */
export async function fillFromHost(run: Run, file: File, path: string, progress: Progress): Promise<void> {
  // Not through a symlink, and not waiting for the other end of a fifo.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const fd = openSync(path, flags)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw systemError('ENXIO', 'this is no regular file any more', { syscall: 'open', path })
    if (stat.size <= SHORT_BYTES) return await fillAtOnce(run, file, readFileSync(fd), isSparse(stat), progress)
  } finally {
    closeSync(fd)
  }
  await using source = await open(path, flags)
  await fillFromHandle(run, file, source, progress)
}

const isSparse = ({ blocks, size }: Stats): boolean => blocks * 512 < size

async function fillAtOnce(
  { signal }: Run,
  file: File,
  data: Buffer,
  mayHaveHoles: boolean,
  progress: Progress,
): Promise<void> {
  if (mayHaveHoles) await file.truncate(data.length)
  for (const { start, end } of mayHaveHoles ? nonZeroRuns(data) : [{ start: 0, end: data.length }]) {
    await writeAll(file, data.subarray(start, end), start, signal)
    progress.add(end - start)
  }
}

/** Reads an open host file into an empty one, straight into its blocks; as much as the source had at the start. */
export async function fillFromHandle(run: Run, file: File, source: FileHandle, progress: Progress): Promise<void> {
  const stat = await source.stat()
  const { size } = stat
  await file.truncate(size)
  if (isSparse(stat)) return fillFromSparse(run, file, source, size, progress)
  for (let offset = 0; offset < size;) {
    const length = Math.min(WINDOW_BYTES, size - offset)
    const bytesRead = await fillWindow(run, file, source, offset, length)
    progress.add(bytesRead)
    offset += bytesRead
    if (bytesRead < length) return file.truncate(offset)
  }
}

async function fillWindow(
  { signal }: Run,
  file: File,
  source: FileHandle,
  offset: number,
  length: number,
): Promise<number> {
  using pin = await file.pin({ offset, length, mode: 'write', signal })
  return await pin.readFrom(source, { position: offset, signal })
}

/** By copy: what is zero must not get a block. */
async function fillFromSparse(
  { signal }: Run,
  file: File,
  source: FileHandle,
  size: number,
  progress: Progress,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size))
  for (const { start, end } of await dataOf(source, size)) {
    for (let offset = start; offset < end;) {
      signal.throwIfAborted()
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, end - offset), offset)
      if (bytesRead === 0) return file.truncate(offset)
      for (const run of nonZeroRuns(buffer.subarray(0, bytesRead))) {
        await writeAll(file, buffer.subarray(run.start, run.end), offset + run.start, signal)
        progress.add(run.end - run.start)
      }
      offset += bytesRead
    }
  }
}

/** Reads a stream to its end, by copy. Destroys it when the run is interrupted. */
export async function fillFromStream({ signal }: Run, file: File, source: Readable, progress: Progress): Promise<void> {
  signal.throwIfAborted()
  addAbortSignal(signal, source)
  let position = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    await writeAll(file, chunk, position, signal)
    position += chunk.length
    progress.add(chunk.length)
  }
}

/** A short write means that space ran out; the next one then says so. */
async function writeAll(file: File, data: Uint8Array, position: number, signal: AbortSignal): Promise<void> {
  for (let done = 0; done < data.length;) {
    const { bytesWritten } = await file.write(data, { offset: done, position: position + done, signal })
    done += bytesWritten
  }
}

/** Copies `from` to an empty file of the same pool. */
export async function fillFromFile({ signal }: Run, to: File, from: File, progress: Progress): Promise<void> {
  await to.truncate((await from.stat()).size)
  const size = await inDataWindows(from, async (offset, length) => {
    // Nothing here waits for the kernel: without a turn of the event loop neither Ctrl-C nor progress would get through.
    await setImmediate(undefined, { signal })
    progress.add(await to.copyFrom(from, { offset, length, position: offset, signal }))
  })
  if (size < (await to.stat()).size) await to.truncate(size)
}

/** Writes a file of the pool to an empty one of the host; `isDurable`: and to its disk. */
export async function sendToHost(
  run: Run,
  pool: Pool,
  from: File,
  path: string,
  isDurable: boolean,
  progress: Progress,
): Promise<void> {
  if ((await from.stat()).size > SHORT_BYTES) {
    await using target = await open(path, 'r+')
    await (pool.isReadOnly ? copyToHandle : sendToHandle)(run, from, target, progress)
    if (isDurable) await target.sync()
    return
  }
  const fd = openSync(path, 'r+')
  try {
    const size = await inDataWindows(from, async (offset, length) => {
      const { bytesRead, buffer } = await from.read(Buffer.allocUnsafe(length), {
        position: offset,
        signal: run.signal,
      })
      for (let done = 0; done < bytesRead;) done += writeSync(fd, buffer, done, bytesRead - done, offset + done)
      progress.add(bytesRead)
    })
    ftruncateSync(fd, size)
    if (isDurable) fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Who may only read a pool can pin nothing. */
async function copyToHandle({ signal }: Run, from: File, to: FileHandle, progress: Progress): Promise<void> {
  const buffer = Buffer.allocUnsafe(WINDOW_BYTES)
  const size = await inDataWindows(from, async (offset, length) => {
    signal.throwIfAborted()
    const { bytesRead } = await from.read(buffer, { length, position: offset, signal })
    for (let done = 0; done < bytesRead;) {
      done += (await to.write(buffer, done, bytesRead - done, offset + done)).bytesWritten
    }
    progress.add(bytesRead)
  })
  await to.truncate(size)
}

/** Straight from its blocks. */
async function sendToHandle({ signal }: Run, from: File, to: FileHandle, progress: Progress): Promise<void> {
  const size = await inDataWindows(from, async (offset, length) => {
    using pin = await from.pin({ offset, length, mode: 'read', signal })
    progress.add(await pin.writeTo(to, { position: offset, signal }))
  })
  await to.truncate(size)
}

/**
 * Calls `copy` for where the file has data, a window at a time, up to where it ended at the start. Returns the size that
 * the copy is to have.
 */
async function inDataWindows(file: File, copy: (offset: number, length: number) => Promise<void>): Promise<number> {
  const { size } = await file.stat()
  for (let at = 0; ;) {
    const window = await nextDataWindow(file, at, size)
    if (window === undefined) break
    try {
      await copy(window.offset, window.length)
    } catch (error) {
      // It has got shorter since the window was looked up: look again.
      if (codeOf(error) !== 'ERANGE') throw error
      continue
    }
    at = window.offset + window.length
  }
  return Math.min(size, (await file.stat()).size)
}

async function nextDataWindow(
  file: File,
  from: number,
  size: number,
): Promise<{ offset: number; length: number } | undefined> {
  try {
    for (let at = from; at < size;) {
      const offset = await file.seekData(at)
      const length = Math.min(await file.seekHole(offset), offset + WINDOW_BYTES, size) - offset
      if (length > 0) return { offset, length }
      // Punched between the two questions, or data past the end.
      at = offset + 1
    }
  } catch (error) {
    if (codeOf(error) !== 'ENXIO') throw error
  }
  return undefined
}
