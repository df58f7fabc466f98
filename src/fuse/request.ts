/**
 * The seam between the loop, which reads requests and writes replies, and the operations, which carry them out.
 *
 * An operation is called with what the kernel asked and answers with what the kernel gets. It may answer at once, or with
 * a promise: then other requests are carried out meanwhile, and what it has of the request stays as it is until it
 * settles. It throws (or rejects with) system errors, whose `errno` is what the kernel gets; any other error is our own
 * mistake, is told on standard error, and the kernel gets EIO.
 */
import type { FileSystem } from '../files/file-system.ts'
import type { Pool } from '../index.ts'
import type { InodeNumber } from '../units.ts'
import type { Handles } from './handles.ts'
import type { Nodes } from './nodes.ts'
import type { MountOptions } from './options.ts'

/** One decoded request. */
export interface Request {
  readonly opcode: number
  /** Identifies the request while it is under way. */
  readonly unique: bigint
  readonly nodeId: InodeNumber
  /** Whose request it is. Of what the kernel does by itself (write-back, readahead): 0. */
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** What follows the header; it stays what it is until the operation settles. */
  readonly body: Buffer
  /**
   * Aborted by FUSE_INTERRUPT, with an EINTR system error as its reason. Made when it is first asked for: who does not wait
   * does not pay.
   */
  readonly signal: AbortSignal
}

/** What follows the header of a reply, written by one call. `done` is called when the kernel has it, to release claims. */
export interface Reply {
  readonly parts: readonly Uint8Array[]
  /** Instead of parts, of at most {@link SHORT_BYTES}: writes the reply at `at` when it is sent, and answers its end. */
  readonly encode?: Encode
  /** Below 0: it failed, as if the operation had thrown an error of that number, at a tenth of the price. */
  readonly errno?: number
  readonly done?: () => void
}

export const EMPTY: Reply = { parts: [] }

type Encode = (bytes: Uint8Array, at: number) => number

/** Bytes of a reply that is encoded when it is sent. */
export const SHORT_BYTES = 1024

const NO_PARTS: readonly Uint8Array[] = []

/** A reply for which no buffer is made. */
export const short = (encode: Encode): Reply => ({ parts: NO_PARTS, encode })

/** A reply of one part. */
export const reply = (part: Uint8Array): Reply => ({ parts: [part] })

/** undefined: no reply is owed (FORGET). */
export type Answer = Reply | undefined

export type Operation = (mounted: Mounted, request: Request) => Answer | Promise<Answer>

/** What is mounted, and what the kernel has of it. */
export interface Mounted {
  readonly pool: Pool
  readonly fs: FileSystem
  readonly options: MountOptions
  readonly handles: Handles
  readonly nodes: Nodes
  /** INIT flags that both sides have (`InitFlag`). */
  readonly negotiated: bigint
}
