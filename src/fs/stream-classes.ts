/**
 * `ReadStream` and `WriteStream` of one `fs`: Node's own, with its functions. As Node's they may be called with and without
 * `new`, and on an object that has their prototype: programs that extend or patch them do that, so they are no `class`.
 */
import * as nodeFs from 'node:fs'
import type { PathLike, ReadStream, WriteStream } from 'node:fs'
import { optionsOf } from './arguments.ts'
import { FileHandle } from './file-handle.ts'
import type { ReadStreamOptions, StreamFs, WriteStreamOptions } from './streams.ts'

interface StreamOptions {
  encoding?: unknown
  fd?: unknown
  fs?: unknown
}

/** A class that is made as Node's, with the functions of `fs`, unless the caller gives others. */
function streamClass(nodeClass: object, fs: StreamFs): object {
  const make = nodeClass as (...args: unknown[]) => void
  function Stream(this: unknown, path: PathLike, options?: unknown): unknown {
    if (!(this instanceof Stream)) return Reflect.construct(Stream, [path, options]) as unknown
    const given = optionsOf<StreamOptions>(options)
    Reflect.apply(make, this, [path, { ...given, fs: given.fs ?? fs }])
    return this
  }
  Object.defineProperty(Stream, 'name', { value: make.name })
  Object.setPrototypeOf(Stream, make)
  Object.setPrototypeOf(Stream.prototype as object, make.prototype as object)
  return Stream
}

export function streamsOf(fs: StreamFs) {
  const Read = streamClass(nodeFs.ReadStream, fs) as typeof nodeFs.ReadStream
  const Write = streamClass(nodeFs.WriteStream, fs) as typeof nodeFs.WriteStream
  return {
    ReadStream: Read,
    WriteStream: Write,

    /** Of a path, or of a descriptor or handle that is open (`fd`). */
    createReadStream(path: PathLike, options?: unknown): ReadStream {
      const given = optionsOf<StreamOptions>(options)
      if (given.fd instanceof FileHandle) return given.fd.createReadStream(given as ReadStreamOptions)
      return Reflect.construct(Read, [path, given]) as ReadStream
    },

    createWriteStream(path: PathLike, options?: unknown): WriteStream {
      const given = optionsOf<StreamOptions>(options)
      if (given.fd instanceof FileHandle) return given.fd.createWriteStream(given as WriteStreamOptions)
      return Reflect.construct(Write, [path, given]) as WriteStream
    },
  }
}
