/** Streams: Node's own, which take the functions that they call as an option. */
import * as nodeFs from 'node:fs'
import type { ReadStream, WriteStream } from 'node:fs'
import type { FileHandle } from './file-handle.ts'
import { settle } from './settle.ts'

export type ReadStreamOptions = Exclude<Parameters<typeof nodeFs.createReadStream>[1], BufferEncoding | undefined>
export type WriteStreamOptions = Exclude<Parameters<typeof nodeFs.createWriteStream>[1], BufferEncoding | undefined>

type Done<Rest extends unknown[] = []> = (error: Error | null, ...rest: Rest) => void

/** What streams call. */
export interface StreamFs {
  open(path: string, flags: string | undefined, mode: number | undefined, done: Done<[fd?: number]>): void
  read(
    fd: number,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
    done: Done<[number, Buffer]>,
  ): void
  write(
    fd: number,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
    done: Done<[number, Buffer]>,
  ): void
  writev(fd: number, buffers: Buffer[], position: number | null, done: Done<[number, Buffer[]]>): void
  fsync(fd: number, done: Done): void
  close(fd: number, done: Done): void
}

/** A stream of a handle: closes it at its end, and is closed with it. */
export function readStreamOfHandle(handle: FileHandle, options: ReadStreamOptions = {}): ReadStream {
  const stream = nodeFs.createReadStream('', {
    ...options,
    fd: handle.fd,
    fs: functionsOf(handle),
  })
  handle.once('close', () => stream.close())
  return stream
}

export function writeStreamOfHandle(handle: FileHandle, options: WriteStreamOptions = {}): WriteStream {
  const stream = nodeFs.createWriteStream('', {
    ...options,
    fd: handle.fd,
    fs: functionsOf(handle),
  })
  handle.once('close', () => stream.close())
  return stream
}

function functionsOf(handle: FileHandle): Omit<StreamFs, 'open'> {
  return {
    read: (_fd, buffer, offset, length, position, done) =>
      settle(handle.read(buffer, offset, length, position), done, ({ bytesRead }) => [bytesRead, buffer]),
    write: (_fd, buffer, offset, length, position, done) =>
      settle(handle.write(buffer, offset, length, position), done, ({ bytesWritten }) => [bytesWritten, buffer]),
    writev: (_fd, buffers, position, done) =>
      settle(handle.writev(buffers, position), done, ({ bytesWritten }) => [bytesWritten, buffers]),
    fsync: (_fd, done) => settle(handle.sync(), done, () => []),
    close: (_fd, done) => settle(handle.close(), done, () => []),
  }
}
