/** A request as the loop has read it. */
import { systemError } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { RequestBuffer } from './request-buffer.ts'
import type { Request } from './request.ts'
import { InHeader } from './wire/header.ts'
import { readU32, readU64 } from './wire/integers.ts'
import { opcodeName } from './wire/opcodes.ts'

export class LiveRequest implements Request {
  /** Whoever made the request must not use it again before it is answered. */
  readonly buffer: RequestBuffer
  readonly #length: number
  readonly opcode: number
  readonly nodeId: InodeNumber
  #interruption: AbortController | undefined

  constructor(buffer: RequestBuffer, length: number) {
    const { bytes } = buffer
    this.buffer = buffer
    this.#length = length
    this.opcode = readU32(bytes, InHeader.opcode)
    this.nodeId = readU64(bytes, InHeader.nodeId) as InodeNumber
  }

  get unique(): bigint {
    return this.buffer.bytes.readBigUInt64LE(InHeader.unique)
  }

  get uid(): number {
    return readU32(this.buffer.bytes, InHeader.uid)
  }

  get gid(): number {
    return readU32(this.buffer.bytes, InHeader.gid)
  }

  get pid(): number {
    return readU32(this.buffer.bytes, InHeader.pid)
  }

  get body(): Buffer {
    return this.buffer.body(this.#length)
  }

  get signal(): AbortSignal {
    return (this.#interruption ??= new AbortController()).signal
  }

  /** Aborts the signal, if anybody asked for it; a second call does nothing. */
  interrupt(): void {
    const reason = systemError('EINTR', 'the caller was interrupted; nothing has changed', {
      syscall: opcodeName(this.opcode),
    })
    // Also for who asks later: the operation may not have come to its wait yet.
    ;(this.#interruption ??= new AbortController()).abort(reason)
  }
}
