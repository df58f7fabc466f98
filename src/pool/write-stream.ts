/**
 * Writing pins to streams: straight from the blocks where the stream ends in a socket or pipe of libuv, else by copy.
 *
 * Straight. `write(view)` of a plain socket makes libuv call write(2) with the blocks' own address, now or when the
 * peer has made room; the kernel copies or sends within that call. Nothing refers to the blocks after the callback.
 *   - An abort cannot take a queued write back. While bytes are queued the target is destroyed, as fetch does it: closing
 *     the handle is what takes the pointers away from libuv. With nothing queued the target is left alone.
 *   - An HTTP message may drop a write without calling back: then it is over when the connection is closed, and no sooner
 *     (a request that is upgraded is closed while its connection sends on).
 *   - An HTTP message that has no connection yet keeps what it gets, and sends it even after it was destroyed
 *     (a response that is queued behind another one). It gets copies until it has one.
 *
 * By copy. A stream in JavaScript keeps references for as long as it likes, and a view detached by a release would arrive
 * empty. It gets copies, one at a time; an abort leaves the target as it is, with whole pieces in it.
 */
import type { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import { closedEarly } from './closed-early.ts'
import { Remainder } from './remainder.ts'
import { Turns } from './turns.ts'

/** What is needed of a stream; `Writable`, `OutgoingMessage` and the like. */
export interface ByteSink extends EventEmitter {
  readonly writableLength?: number
  readonly errored?: Error | null
  readonly destroyed?: boolean
  write(bytes: Uint8Array, callback: (error?: Error | null) => void): boolean
  cork?(): void
  uncork?(): void
  destroy?(error?: Error): unknown
}

/** Lengths are ints down there. */
const DIRECT_BYTES = 1 << 30
const COPY_BYTES = 256 << 10

const turns = new Turns()

/** Writes all of the views, behind what was written before. Returns how many bytes. */
export function writeToStream(
  target: ByteSink,
  views: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<number> {
  return turns.take(target, signal, async () => {
    const rest = new Remainder(views, 'writeTo')
    while (rest.left > 0) {
      signal?.throwIfAborted()
      const connection = connectionOf(target)
      if (connection === undefined) {
        const piece = rest.next(COPY_BYTES)
        await new Writing(target, undefined, signal).run([piece.slice()])
        rest.advance(piece.length)
      } else {
        await new Writing(target, connection, signal).run(rest.list(rest.left).flatMap(inParts))
        rest.advance(rest.left)
      }
    }
    rest.check()
    return rest.done
  })
}

/** The socket or pipe that reads the blocks itself. Undefined: none, or none yet. */
function connectionOf(target: ByteSink): Socket | undefined {
  const connection: unknown = target instanceof Socket ? target : socketOfMessage(target)
  if (!(connection instanceof Socket)) return undefined
  // TLS encrypts, which is a copy already. Node's stdout and stderr ignore destroy(): nothing would take queued blocks back.
  return 'encrypted' in connection || '_isStdio' in connection ? undefined : connection
}

/** Imported, node:http would be a fifth of what the import of this library takes; who has a message has loaded it. */
function socketOfMessage(target: ByteSink): unknown {
  return target instanceof process.getBuiltinModule('node:http').OutgoingMessage ? target.socket : undefined
}

function inParts(view: Uint8Array): Uint8Array[] {
  if (view.length <= DIRECT_BYTES) return [view]
  const parts: Uint8Array[] = []
  for (let at = 0; at < view.length; at += DIRECT_BYTES) parts.push(view.subarray(at, at + DIRECT_BYTES))
  return parts
}

/** Pieces on their way into a target. With a connection they are blocks of a pin, else copies. */
class Writing {
  readonly #target: ByteSink
  readonly #connection: Socket | undefined
  /** Whose 'close' is the end of it, called back or not. */
  readonly #closing: ByteSink | Socket
  readonly #signal: AbortSignal | undefined
  readonly #settled = Promise.withResolvers<void>()
  #waiting = 0
  #failure: { readonly error: unknown } | undefined

  constructor(target: ByteSink, connection: Socket | undefined, signal: AbortSignal | undefined) {
    this.#target = target
    this.#connection = connection
    this.#closing = connection ?? target
    this.#signal = signal
  }

  /** Hands all pieces over at once, in order. Settles when each was called back, or none can be read any more. */
  run(pieces: readonly Uint8Array[]): Promise<void> {
    this.#target.on('error', this.#onError)
    this.#closing.on('close', this.#onClose)
    this.#signal?.addEventListener('abort', this.#onAbort)
    this.#write(pieces)
    return this.#settled.promise
  }

  #write(pieces: readonly Uint8Array[]): void {
    const target = this.#target
    this.#waiting = pieces.length
    if (pieces.length > 1) target.cork?.()
    for (const [index, piece] of pieces.entries()) {
      try {
        target.write(piece, this.#onWritten)
      } catch (error) {
        // Such as a body longer than its Content-Length.
        this.#fail(error)
        this.#waiting -= pieces.length - index
        break
      }
    }
    if (pieces.length > 1) target.uncork?.()
    if (this.#waiting === 0) this.#settle()
  }

  readonly #onWritten = (error?: Error | null): void => {
    // Why the connection was destroyed says more than that the write was cancelled by it.
    if (error !== undefined && error !== null) this.#fail(this.#connection?.errored ?? error)
    // Some versions of Node.js call back without an error what destroy() cancelled.
    else if (this.#connection?.destroyed === true) this.#fail(closedEarly(this.#connection))
    this.#waiting--
    if (this.#waiting === 0) this.#settle()
  }

  readonly #onError = (error: Error): void => {
    this.#fail(error)
    if (this.#connection === undefined) this.#settle()
  }

  readonly #onClose = (): void => {
    // Callbacks that come at all come in this turn of the event loop, and know better.
    setImmediate(() => {
      this.#fail(closedEarly(this.#closing))
      this.#settle()
    })
  }

  readonly #onAbort = (): void => {
    this.#fail(this.#signal?.reason)
    if (this.#connection === undefined) {
      this.#settle()
    } else if (this.#target.writableLength !== 0 || this.#connection.writableLength > 0) {
      this.#target.destroy?.()
      this.#connection.destroy()
    }
  }

  /** The first reason counts. */
  #fail(error: unknown): void {
    this.#failure ??= { error }
  }

  #settle(): void {
    this.#closing.off('close', this.#onClose)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    const isAlive = this.#failure === undefined || (this.#signal?.aborted === true && this.#target.destroyed !== true)
    // The 'error' of a target that failed may be yet to come, and the call reports it.
    if (isAlive) this.#target.off('error', this.#onError)
    if (this.#failure === undefined) this.#settled.resolve()
    else this.#settled.reject(this.#failure.error)
  }
}
