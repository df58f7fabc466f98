/** A buffer that requests are read into, one at a time. */
import { REQUEST_BYTES } from './negotiation.ts'
import { IN_HEADER_BYTES } from './wire/header.ts'

/** Of the messages with a name and nothing else, and most others. */
const VIEWED_BYTES = 512

export class RequestBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(REQUEST_BYTES)
  /**
   * Views of bodies, by the length of the message: one for all requests of that length. Making one costs as much as a whole
   * small request else, and more when it is collected.
   */
  readonly #bodies = Array.from<Buffer | undefined>({ length: VIEWED_BYTES }).fill(undefined)

  /** What follows the header in a message of so many bytes; what is in it goes with the next message. */
  body(length: number): Buffer {
    if (length >= VIEWED_BYTES) return this.bytes.subarray(IN_HEADER_BYTES, length)
    return (this.#bodies[length] ??= this.bytes.subarray(IN_HEADER_BYTES, length))
  }
}
