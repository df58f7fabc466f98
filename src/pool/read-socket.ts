/**
 * Reading from a plain socket or pipe straight into blocks.
 *
 * A `net.Socket` that exists reads into buffers of its own; only a new one can be told where to put the bytes (`onread`).
 * So: the socket's own reading is held still, its descriptor is duplicated, a second net.Socket on the duplicate reads
 * into the blocks until they are full, is closed, and the first one goes on with the byte after the last.
 *
 * Invariants
 *   1. One of the two reads at a time, so bytes stay in order and none is lost. The first one is held still at its handle:
 *      the stream around it may ask for reading whenever it likes (it does so a tick after each push).
 *   2. No read begins after the last byte that fits: the callback that brought it stops the reading.
 *   3. Nothing settles before the handle of the duplicate is closed; from then on nobody can write into the blocks.
 *   4. The end of the stream is read once more by the first one, and said by it; so is an error.
 */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { isatty } from 'node:tty'
import { duplicateDescriptor } from '../platform/descriptor.ts'
import { closedEarly } from './closed-early.ts'
import type { Remainder } from './remainder.ts'

/** What libuv's stream is to node:net. Not public, but unchanged since Node.js 0.12; where it differs we copy. */
interface StreamHandle {
  readonly fd: number
  /** Whether the stream believes that it reads. */
  reading: boolean
  readStart(): number
  readStop(): number
}

/** Lengths are ints down there. */
const MOST_BYTES = 1 << 30

const handleOf = (socket: Socket): StreamHandle | null | undefined =>
  (socket as unknown as { _handle?: StreamHandle | null })._handle

/** The descriptor of a plain socket or pipe that can be read straight into blocks now; undefined for all else. */
export function descriptorOf(source: Readable): number | undefined {
  if (!(source instanceof Socket) || 'encrypted' in source || source.connecting || source.destroyed) return undefined
  const fd = handleOf(source)?.fd
  return fd === undefined || fd < 0 || isatty(fd) ? undefined : fd
}

/** Reads until nothing is left to fill or the socket ends. What the socket has buffered must have been taken before. */
export async function readFromSocket(
  source: Socket,
  fd: number,
  rest: Remainder,
  signal: AbortSignal | undefined,
): Promise<void> {
  const goOn = holdStill(source)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onClose = (): void => reject(closedEarly(source))
  const onAbort = (): void => reject(signal?.reason)
  let reader: Socket | undefined
  const nextPart = (): Uint8Array => {
    try {
      return rest.next(MOST_BYTES)
    } catch (error) {
      // Revoked; nobody above this callback could catch it.
      reader?.destroy()
      reject(error)
      return nowhere
    }
  }
  source.on('error', ignore)
  source.on('close', onClose)
  signal?.addEventListener('abort', onAbort)
  try {
    reader = new Socket({
      fd: duplicateDescriptor(fd),
      readable: true,
      writable: false,
      allowHalfOpen: true,
      onread: {
        buffer: nextPart,
        callback: (bytes) => {
          rest.advance(bytes)
          // Its idle timeout does not see what the duplicate reads.
          if (source.timeout !== undefined && source.timeout > 0) source.setTimeout(source.timeout)
          if (rest.left > 0) return true
          resolve()
          return false
        },
      },
    })
    reader.on('end', resolve)
    reader.on('error', reject)
    await promise
  } catch (error) {
    // The kernel tells an error of a connection once. The socket has not heard it; it is told, as if it had read itself.
    if (reader?.errored !== undefined && reader?.errored !== null) source.destroy(reader.errored)
    throw error
  } finally {
    reader?.destroy()
    source.off('close', onClose)
    signal?.removeEventListener('abort', onAbort)
    // A socket that failed may emit its error yet, and the call reports it.
    if (!source.destroyed) source.off('error', ignore)
    goOn()
  }
}

/** For an answer that is not used. */
const nowhere = new Uint8Array(1)
const ignore = (): void => undefined

/** Holds a socket's own reading still, until the returned function is called. */
function holdStill(socket: Socket): () => void {
  const handle = handleOf(socket)
  assert(handle !== undefined && handle !== null, 'a socket with a descriptor has a handle')
  // In front of the method: whoever wants to read meanwhile is remembered in `reading`.
  handle.readStart = () => 0
  handle.readStop()
  return () => {
    Reflect.deleteProperty(handle, 'readStart')
    if (handleOf(socket) === handle && handle.reading) handle.readStart()
  }
}
