/**
 * I/O on pins: which way the bytes go for which target or source. The pin is retained by the caller until the returned
 * promise settles, so nothing here settles before the kernel is done with the blocks (promise 8).
 *
 *   target or source                     to the kernel          abort
 *   FileHandle, also O_DIRECT            the blocks             after the operation under way (16 MiB at most)
 *   socket, pipe, HTTP message on one    the blocks             writing: destroys it if bytes are queued; reading: at once
 *   HTTP message without connection yet  copies of 256 KiB      at once
 *   any other stream, also TLS, stdout   copies of 256 KiB      at once
 */
import type { FileHandle } from 'node:fs/promises'
import type { OutgoingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { checkBytes, invalidValue, wrongType } from '../errors.ts'
import type { PunchWatch } from '../layout/punch-marks.ts'
import { readFromFile, writeToFile } from './file-io.ts'
import type { IoOptions } from './pin.ts'
import { readFromStream } from './read-stream.ts'
import type { ByteSink } from './write-stream.ts'
import { writeToStream } from './write-stream.ts'

export type WriteTarget = FileHandle | Writable | OutgoingMessage
export type ReadSource = FileHandle | Readable

/** Writes the views, in order; returns how many bytes. */
export async function writeFromPin(
  views: readonly Uint8Array[],
  target: WriteTarget,
  options: IoOptions,
): Promise<number> {
  checkOptions(options)
  if (isFileHandle(target)) return writeToFile(target, views, options)
  if (!isSink(target)) throw wrongType('target', 'a FileHandle or a writable stream', target)
  refusePosition(options)
  return writeToStream(target, views, options.signal)
}

/** Fills the views, in order, until they are full or the source ends; returns how many bytes. `watch`: of blocks, if they are any. */
export async function readIntoPin(
  views: readonly Uint8Array[],
  source: ReadSource,
  options: IoOptions,
  watch?: PunchWatch,
): Promise<number> {
  checkOptions(options)
  if (isFileHandle(source)) return readFromFile(source, views, options, watch)
  if (!(source instanceof Readable)) throw wrongType('source', 'a FileHandle or a readable stream', source)
  refusePosition(options)
  return readFromStream(source, views, options.signal)
}

function checkOptions({ position, signal }: IoOptions): void {
  if (position !== undefined) checkBytes('position', position)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType('signal', 'an AbortSignal', signal)
  signal?.throwIfAborted()
}

function refusePosition({ position }: IoOptions): void {
  if (position !== undefined) throw invalidValue('position', 'is for files; a stream has none', position)
}

/** The class is not public. */
function isFileHandle(value: unknown): value is FileHandle {
  return has(value, 'fd', 'number') && has(value, 'readv', 'function') && has(value, 'writev', 'function')
}

/** Not `instanceof Writable`: HTTP messages are none, nor are streams of other packages. */
function isSink(value: unknown): value is ByteSink {
  return has(value, 'write', 'function') && has(value, 'on', 'function') && has(value, 'off', 'function')
}

function has(value: unknown, key: string, type: 'function' | 'number'): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === type
}
