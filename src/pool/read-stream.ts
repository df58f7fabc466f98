/**
 * Reading from streams into pins: what a stream has buffered is copied into the blocks; a plain socket or pipe is then
 * read straight into them (read-socket.ts). No more is taken than the pin holds; the rest stays in the stream.
 *
 * Nobody else may read the stream meanwhile. A stream that gives strings or objects is refused.
 */
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { wrongType } from '../errors.ts'
import { closedEarly } from './closed-early.ts'
import { descriptorOf, readFromSocket } from './read-socket.ts'
import { Remainder } from './remainder.ts'
import { Turns } from './turns.ts'

const turns = new Turns()

/** Fills the views until they are full or the source ends; returns how many bytes. */
export function readFromStream(
  source: Readable,
  views: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<number> {
  if (source.readableObjectMode || source.readableEncoding !== null) {
    throw wrongType('source', 'a stream of bytes, without objectMode and without setEncoding()', source)
  }
  return turns.take(source, signal, async () => {
    const rest = new Remainder(views, 'readFrom')
    while (rest.left > 0 && !source.readableEnded) {
      signal?.throwIfAborted()
      takeBuffered(source, rest)
      if (rest.left === 0) break
      const fd = descriptorOf(source)
      if (fd === undefined) {
        await takeAsItComes(source, rest, signal)
      } else {
        await readFromSocket(source as Socket, fd, rest, signal)
        break
      }
    }
    rest.check()
    return rest.done
  })
}

function takeBuffered(source: Readable, rest: Remainder): void {
  while (rest.left > 0 && source.readableLength > 0) {
    const chunk: unknown = source.read(Math.min(rest.left, source.readableLength))
    if (!(chunk instanceof Uint8Array)) return
    rest.fill(chunk)
  }
}

/** Copies until nothing is left to fill, the source ends, or it turns out to be a socket that has just been connected. */
async function takeAsItComes(source: Readable, rest: Remainder, signal: AbortSignal | undefined): Promise<void> {
  if (source.destroyed) throw closedEarly(source)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onReadable = (): void => {
    try {
      takeBuffered(source, rest)
    } catch (error) {
      return reject(error)
    }
    if (rest.left === 0 || descriptorOf(source) !== undefined) resolve()
    // With nothing buffered this asks for more, and has 'end' said when there is none.
    else source.read(0)
  }
  const onClose = (): void => (source.readableEnded ? resolve() : reject(closedEarly(source)))
  const onAbort = (): void => reject(signal?.reason)
  source.on('error', reject)
  source.on('readable', onReadable)
  source.on('end', resolve)
  source.on('close', onClose)
  signal?.addEventListener('abort', onAbort)
  try {
    await promise
  } finally {
    source.off('readable', onReadable)
    source.off('end', resolve)
    source.off('close', onClose)
    signal?.removeEventListener('abort', onAbort)
    source.off('error', reject)
  }
}
