/** Errors of streams that I/O on pins goes through. They come out of the call, as with `stream.pipeline`. */
import type { EventEmitter } from 'node:events'

/** Why a stream was closed before the I/O on it was over. */
export function closedEarly(stream: { readonly errored?: Error | null }): Error {
  return stream.errored ?? Object.assign(new Error('Premature close'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}

/** Keeps 'error' events, which come after the callback of a write, from being uncaught: the call has reported them. */
export function hear(stream: EventEmitter): void {
  stream.on('error', ignore)
}

/** Undoes one `hear`, for a stream that goes on living. */
export function unhear(stream: EventEmitter): void {
  stream.off('error', ignore)
}

const ignore = (): void => undefined
