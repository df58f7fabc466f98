/**
 * Copies of files into, out of and within a pool.
 *
 * Into the pool a copy is written under a temporary name beside its place and renamed over what was there, so that no
 * reader sees half of it and an interruption changes nothing. A process that is killed in between leaves the temporary
 * file, `.holdfast-` and eight digits; it may be removed.
 */
import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { addAbortSignal } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { codeOf, systemError } from '../errors.ts'
import type { BusyOptions, File, Pool, Stat } from '../index.ts'
import type { InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { Progress } from './progress.ts'
import type { Run } from './verb.ts'

/** Bytes pinned at a time. */
const WINDOW_BYTES = 8 << 20

export const temporaryName = (): string => `.holdfast-${randomBytes(4).toString('hex')}`

export async function statUnlessMissing(pool: Pool, path: string): Promise<Stat | undefined> {
  return pool.stat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
}

/** `path`, or the file `name` in it when it is a directory: as cp and mv understand their last operand. */
export async function placeFor(pool: Pool, path: string, name: string): Promise<string> {
  const found = await statUnlessMissing(pool, path)
  return found?.isDirectory() === true ? posix.join(path, name) : path
}

/**
 * Makes the file at `path` what `fill` writes, whole or not at all. A file that is replaced hands on its permission bits
 * and policies; a new one gets `mode` less the umask. `options` are for the replaced file's pinned blocks.
 */
export async function replaceFile(
  run: Run,
  pool: Pool,
  path: string,
  mode: number,
  options: BusyOptions,
  fill: (file: File) => Promise<void>,
): Promise<void> {
  const old = await statUnlessMissing(pool, path)
  if (old?.isDirectory() === true) throw systemError('EISDIR', 'this is a directory', { syscall: 'open', path })
  const directory = posix.dirname(path)
  await pool.stat(directory)
  const temporary = posix.join(directory, temporaryName())
  try {
    await fillNewFile(pool, temporary, old, mode, fill)
    run.signal.throwIfAborted()
    await pool.rename(temporary, path, options)
  } catch (error) {
    await pool.unlink(temporary, { busy: 'sequester' }).catch((problem: unknown) => {
      if (codeOf(problem) !== 'ENOENT') throw problem
    })
    throw inWordsOf(error, temporary, path)
  }
}

async function fillNewFile(
  pool: Pool,
  temporary: string,
  old: Stat | undefined,
  mode: number,
  fill: (file: File) => Promise<void>,
): Promise<void> {
  // The other reading, /proc, is slower; nobody else changes it in this process.
  // oxlint-disable-next-line typescript/no-deprecated
  const bits = old === undefined ? mode & 0o777 & ~process.umask() : old.mode & 0o7777
  await using file = await pool.open(temporary, 'wx+', { mode: bits })
  if (old?.busy !== undefined || old?.dax !== undefined) await file.configure({ busy: old.busy, dax: old.dax })
  await fill(file)
  await file.sync()
}

/** Nobody asked for the temporary file: errors name what was asked for. */
function inWordsOf(error: unknown, temporary: string, path: string): unknown {
  if (!(error instanceof Error)) return error
  const names = [temporary, posix.basename(temporary)]
  for (const name of names) error.message = error.message.replaceAll(name, path)
  if ('path' in error && names.includes(String(error.path))) error.path = path
  return error
}

/** Reads a host file straight into the blocks of `file`, window by window; as much as the source had at the start. */
export async function fillFromHandle(run: Run, file: File, source: FileHandle, progress: Progress): Promise<void> {
  const { size } = await source.stat()
  await file.truncate(size)
  for (let offset = 0; offset < size;) {
    const length = Math.min(WINDOW_BYTES, size - offset)
    const bytesRead = await fillWindow(run, file, source, offset, length)
    progress.add(bytesRead)
    offset += bytesRead
    // The source got shorter meanwhile.
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

/** Reads a stream to its end, by copy. Destroys it when the run is interrupted. */
export async function fillFromStream({ signal }: Run, file: File, source: Readable, progress: Progress): Promise<void> {
  signal.throwIfAborted()
  addAbortSignal(signal, source)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    await writeAll(file, chunk, signal)
    progress.add(chunk.length)
  }
}

/** Copies `from` to an empty file of the same pool, block to block; holes stay holes. */
export async function fillFromFile(
  { signal }: Run,
  pool: Pool,
  to: File,
  from: File,
  progress: Progress,
): Promise<void> {
  const { size } = await from.stat()
  await to.truncate(size)
  for (const { offset, length } of await dataWindows(pool, from)) {
    // Nothing here waits for the kernel: without a turn of the event loop neither Ctrl-C nor progress would get through.
    await setImmediate(undefined, { signal })
    using source = await from.pin({ offset, length, mode: 'read', signal })
    using target = await to.pin({ offset, length, mode: 'write', signal })
    copyBytes(source.buffers, target.buffers)
    progress.add(length)
  }
}

/** Views of the same length together, cut in different places. */
function copyBytes(from: readonly Uint8Array[], to: readonly Uint8Array[]): void {
  const targets = [...to]
  for (let source of from) {
    while (source.length > 0) {
      const length = Math.min(source.length, targets[0].length)
      targets[0].set(source.subarray(0, length))
      source = source.subarray(length)
      targets[0] = targets[0].subarray(length)
      if (targets[0].length === 0) targets.shift()
    }
  }
}

/** Writes a file of the pool to a host file straight from its blocks; holes stay holes. */
export async function sendToHandle(
  { signal }: Run,
  pool: Pool,
  from: File,
  to: FileHandle,
  progress: Progress,
): Promise<void> {
  const { size } = await from.stat()
  await to.truncate(size)
  for (const { offset, length } of await dataWindows(pool, from)) {
    using pin = await from.pin({ offset, length, mode: 'read', signal })
    progress.add(await pin.writeTo(to, { position: offset, signal }))
  }
}

/** Where a file has blocks now, in pieces to be pinned one after the other. */
async function dataWindows(pool: Pool, file: File): Promise<{ offset: number; length: number }[]> {
  const layout = await pool.fileSystem.metadata.layout(file.ino as InodeNumber)
  const windows: { offset: number; length: number }[] = []
  for (const { fileBlock, count } of layout?.extents ?? []) {
    const end = Math.min((fileBlock + count) * BLOCK_SIZE, layout?.inode.size ?? 0)
    for (let offset = fileBlock * BLOCK_SIZE; offset < end; offset += WINDOW_BYTES) {
      windows.push({ offset, length: Math.min(WINDOW_BYTES, end - offset) })
    }
  }
  return windows
}

/** At the file's position. A short write means that space ran out; the next one then says so. */
async function writeAll(file: File, data: Uint8Array, signal: AbortSignal): Promise<void> {
  for (let done = 0; done < data.length;) done += (await file.write(data, { offset: done, signal })).bytesWritten
}
