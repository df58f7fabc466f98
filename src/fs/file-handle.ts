/**
 * FileHandle: an open file as `fs.promises.open` gives it, and what stands behind a descriptor of the callbacks.
 *
 * `close()` waits for what is under way, and nothing begins after it. A handle that is forgotten is closed with the pool.
 */
import { EventEmitter } from 'node:events'
import type { BigIntStats, Mode, ReadPosition, ReadStream, Stats, TimeLike, WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Interface } from 'node:readline'
import { ReadableStream } from 'node:stream/web'
import type { UnderlyingByteSource } from 'node:stream/web'
import { systemError } from '../errors.ts'
import { boolean, encodingOf, idOf, integer, modeOf, optionsOf, signalOf, timeOf } from './arguments.ts'
import { contentOf, readRest, readRestInto, writeContent } from './contents.ts'
import type { Descriptors } from './descriptors.ts'
import { aborted, codedError, inNodesWords } from './node-words.ts'
import type { OpenNode } from './open-node.ts'
import { bigintStatsOf, statsOf } from './stats.ts'
import type { ReadStreamOptions, WriteStreamOptions } from './streams.ts'
import { readStreamOfHandle, writeStreamOfHandle } from './streams.ts'
import { placeOf, readTransfer, viewsOf, writeTransfer } from './transfers.ts'

const WEB_STREAM_BYTES = 64 << 10

export class FileHandle extends EventEmitter {
  readonly #descriptors: Descriptors
  readonly #node: OpenNode
  readonly #dev: number
  #fd: number
  #underWay = 0
  #closing: PromiseWithResolvers<void> | undefined
  #hasWebStream = false

  constructor(descriptors: Descriptors, node: OpenNode, dev: number) {
    super()
    this.#descriptors = descriptors
    this.#node = node
    this.#dev = dev
    this.#fd = descriptors.add(this)
  }

  /** For the callbacks of the same `fs`; -1 once it is closed. */
  get fd(): number {
    return this.#fd
  }

  /** EBADF once `close` was called. An error of the file has no path, as in node:fs. */
  async #use<T>(syscall: string, action: (node: OpenNode) => Promise<T>): Promise<T> {
    if (this.#fd < 0) throw systemError('EBADF', 'file closed', { syscall })
    this.#underWay++
    try {
      return await inNodesWords({ syscall }, () => action(this.#node), this.#node.path)
    } finally {
      if (--this.#underWay === 0) this.#closing?.resolve()
    }
  }

  async close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closed
    this.#closing = Promise.withResolvers<void>()
    this.#descriptors.remove(this.#fd)
    this.#fd = -1
    if (this.#underWay === 0) this.#closing.resolve()
    this.#closed = this.#close(this.#closing.promise)
    return this.#closed
  }

  #closed: Promise<void> | undefined

  async #close(idle: Promise<void>): Promise<void> {
    await idle
    try {
      await inNodesWords({ syscall: 'close' }, () => this.#node.close(), this.#node.path)
    } finally {
      this.emit('close')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async read(
    first?: unknown,
    second?: number | object | null,
    length?: number | null,
    at?: ReadPosition | null,
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    const { buffer, ...part } = readTransfer(first, second, length, at)
    const bytesRead = await this.#use('read', async (node) =>
      part.length === 0 ? 0 : (await node.read(buffer, part)).bytesRead,
    )
    return { bytesRead, buffer }
  }

  async write(
    data: unknown,
    second?: unknown,
    third?: unknown,
    at?: unknown,
  ): Promise<{ bytesWritten: number; buffer: unknown }> {
    const { buffer, ...part } = writeTransfer(data, second, third, at)
    const bytesWritten = await this.#use('write', async (node) =>
      buffer.byteLength === 0 ? 0 : (await node.write(buffer, part)).bytesWritten,
    )
    return { bytesWritten, buffer: data }
  }

  /** Fills one buffer after the other. */
  async readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    at?: unknown,
  ): Promise<{ bytesRead: number; buffers: T }> {
    const views = viewsOf(buffers)
    const start = placeOf(at)
    const bytesRead = await this.#use('read', async (node) => {
      if (views.length === 0) throw systemError('EINVAL', 'there is nothing to read into', { syscall: 'read' })
      const whole = Buffer.allocUnsafe(views.reduce((sum, { byteLength }) => sum + byteLength, 0))
      const { bytesRead: bytes } = await node.read(whole, { position: start })
      spread(whole.subarray(0, bytes), views)
      return bytes
    })
    return { bytesRead, buffers }
  }

  /** In one step, so that what is appended stays together. */
  async writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    at?: unknown,
  ): Promise<{ bytesWritten: number; buffers: T }> {
    const views = viewsOf(buffers)
    const start = placeOf(at)
    const bytesWritten = await this.#use('write', async (node) => {
      const whole = Buffer.concat(views.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)))
      // Nothing, too, only where something may be written.
      return (await node.write(whole, { position: start })).bytesWritten
    })
    return { bytesWritten, buffers }
  }

  /** From where the descriptor is to the end. */
  async readFile(options?: unknown): Promise<NodeJS.ArrayBufferView | string> {
    const given = optionsOf<{ encoding?: unknown; signal?: unknown; buffer?: unknown }>(options)
    const encoding = encodingOf(given)
    const signal = signalOf(given)
    const { buffer } = given
    const bytes = await this.#use('read', (node) =>
      unlessAborted(signal, () => (buffer === undefined ? readRest(node, signal) : readRestInto(node, buffer, signal))),
    )
    return encoding === undefined
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding)
  }

  /** From where the descriptor is. */
  async writeFile(data: unknown, options?: unknown): Promise<void> {
    const given = optionsOf<{ encoding?: unknown; signal?: unknown; flush?: unknown }>(options)
    const signal = signalOf(given)
    const content = contentOf(data)
    const flush = boolean('options.flush', given.flush ?? undefined)
    await this.#use('write', (node) =>
      unlessAborted(signal, () => writeContent(node, content, encodingOf(given), signal)),
    )
    if (flush) await this.sync()
  }

  appendFile(data: unknown, options?: unknown): Promise<void> {
    return this.writeFile(data, options)
  }

  async stat(options?: { bigint?: boolean | undefined }): Promise<Stats | BigIntStats> {
    const stat = await this.#use('fstat', (node) => node.stat())
    return options?.bigint === true ? bigintStatsOf(stat, this.#dev) : statsOf(stat, this.#dev)
  }

  /** A length below 0 is 0, as in node:fs. */
  async truncate(length: number | null = 0): Promise<void> {
    const bytes = Math.max(0, integer('len', length ?? 0, Number.MIN_SAFE_INTEGER))
    await this.#use('ftruncate', (node) => node.truncate(bytes))
  }

  async chmod(mode: Mode): Promise<void> {
    const bits = modeOf(mode)
    await this.#use('fchmod', (node) => node.chmod(bits))
  }

  async chown(uid: number, gid: number): Promise<void> {
    const ids = [idOf('uid', uid), idOf('gid', gid)] as const
    await this.#use('fchown', (node) => node.chown(...ids))
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    const times = [timeOf('atime', atime), timeOf('mtime', mtime)] as const
    await this.#use('futime', (node) => node.utimes(...times))
  }

  async sync(): Promise<void> {
    await this.#use('fsync', (node) => node.sync())
  }

  async datasync(): Promise<void> {
    await this.#use('fdatasync', (node) => node.sync())
  }

  createReadStream(options?: ReadStreamOptions): ReadStream {
    return readStreamOfHandle(this, options)
  }

  createWriteStream(options?: WriteStreamOptions): WriteStream {
    return writeStreamOfHandle(this, options)
  }

  readLines(options?: ReadStreamOptions): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Infinity })
  }

  /**
   * Bytes from where the descriptor is. With `autoClose` the handle is closed at the end, or when the stream is cancelled.
   * ERR_INVALID_STATE: the handle is closed, or has had one already.
   */
  readableWebStream({ autoClose = false }: { autoClose?: boolean } = {}): ReadableStream<Uint8Array> {
    if (this.#fd < 0) throw codedError('ERR_INVALID_STATE', 'Invalid state: The FileHandle is closed')
    if (this.#hasWebStream) throw codedError('ERR_INVALID_STATE', 'Invalid state: The FileHandle is locked')
    this.#hasWebStream = true
    const end = async (): Promise<void> => {
      if (autoClose) await this.close()
    }
    const source: UnderlyingByteSource = {
      type: 'bytes',
      pull: async (controller) => {
        const { bytesRead, buffer } = await this.read(Buffer.allocUnsafeSlow(WEB_STREAM_BYTES))
        if (bytesRead > 0) return controller.enqueue(new Uint8Array(buffer.buffer as ArrayBuffer, 0, bytesRead))
        await end()
        controller.close()
        controller.byobRequest?.respond(0)
      },
      cancel: end,
    }
    return new ReadableStream(source)
  }
}

/** Divides bytes over buffers, in order. */
function spread(bytes: Uint8Array, views: readonly NodeJS.ArrayBufferView[]): void {
  let at = 0
  for (const { buffer, byteOffset, byteLength } of views) {
    const part = bytes.subarray(at, at + byteLength)
    new Uint8Array(buffer, byteOffset, byteLength).set(part)
    at += part.length
  }
}

/** The pool rejects with the signal's own reason; node:fs with an AbortError that has it as its cause. */
async function unlessAborted<T>(signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw signal?.aborted === true && error === signal.reason ? aborted(signal) : error
  }
}
