/** A request as the loop has read it. */
import { systemError } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { Request } from './request.ts'
import { IN_HEADER_BYTES, InHeader } from './wire/header.ts'
import { readU64 } from './wire/integers.ts'
import { opcodeName } from './wire/opcodes.ts'

export class LiveRequest implements Request {
  /** Header and body; whoever made the request must not use the buffer again before it is answered. */
  readonly bytes: Buffer
  readonly #length: number
  readonly opcode: number
  readonly nodeId: InodeNumber
  #body: Buffer | undefined
  #interruption: AbortController | undefined

  constructor(bytes: Buffer, length: number) {
    this.bytes = bytes
    this.#length = length
    this.opcode = bytes.readUInt32LE(InHeader.opcode)
    this.nodeId = readU64(bytes, InHeader.nodeId) as InodeNumber
  }

  get unique(): bigint {
    return this.bytes.readBigUInt64LE(InHeader.unique)
  }

  get uid(): number {
    return this.bytes.readUInt32LE(InHeader.uid)
  }

  get gid(): number {
    return this.bytes.readUInt32LE(InHeader.gid)
  }

  get pid(): number {
    return this.bytes.readUInt32LE(InHeader.pid)
  }

  get body(): Buffer {
    return (this.#body ??= this.bytes.subarray(IN_HEADER_BYTES, this.#length))
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
