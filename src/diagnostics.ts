/**
 * What happens in a pool, told on channels of node:diagnostics_channel, to whoever subscribes in the same thread. Each
 * message says in which pool, and of which participant (its slot in the pin table): a participant tells of what it does
 * itself, nobody tells of others. Times are in milliseconds, offsets and lengths in bytes.
 *
 * Price: while nobody listens a look at a property, and none at all where a pin is granted or given back at once.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel'

/** Whose message it is. */
export interface Teller {
  /** The directory of the pool, as it was opened. */
  readonly pool: string
  readonly slot: number
}

/** `holdfast:wait`: a wait for pins, leases, layout changes or copies is over. */
export interface WaitMessage extends Teller {
  readonly waitedMs: number
  /** 'slice': the time of a part is up, and the operation goes on. */
  readonly outcome: 'done' | 'timeout' | 'slice' | 'aborted' | 'failed'
}

/** `holdfast:break`: a layout change is over, the waits for it included. */
export interface BreakMessage extends Teller {
  readonly inode: number | undefined
  /** 'trim': space past EOF, allocated ahead, goes back; 'remove': the content of a file without a name; 'copy': for a stable pin. */
  readonly change:
    | 'truncate'
    | 'punch'
    | 'zero'
    | 'collapse'
    | 'insert'
    | 'trim'
    | 'remove'
    | 'unlink'
    | 'rename'
    | 'copy'
  /**
   * 'sequestered': done, and pinned blocks went to lost+found. 'busy', 'timeout', 'aborted', 'failed': nothing has changed. 'none':
   * there was nothing to change any more.
   */
  readonly outcome: 'done' | 'sequestered' | 'none' | 'busy' | 'timeout' | 'aborted' | 'failed'
  readonly durationMs: number
}

/** `holdfast:recall`: the holder of a lease is asked for it. `holdfast:revoke`: it has not answered in time. */
export interface LeaseMessage extends Teller {
  readonly inode: number
  readonly offset: number
  readonly length: number
  /** The slot of the lease's holder. */
  readonly holder: number
}

/** `holdfast:reap`: what a dead participant left was cleared. */
export interface ReapMessage extends Teller {
  /** The slot it had. */
  readonly dead: number
}

/**
 * `holdfast:release`: a pin is given back that was held for 0.2 s or longer, or that is stable. Shorter ones are not told of: they
 * cost less than a message.
 */
export interface ReleaseMessage extends Teller {
  readonly inode: number
  readonly offset: number
  readonly length: number
  readonly heldMs: number
}

/**
 * `tracing:holdfast:operation:start`, `end`, `asyncStart`, `asyncEnd`, `error`: a call of a method of `File`. Of files that were
 * opened while somebody listened.
 */
export interface OperationMessage extends Teller {
  readonly operation:
    | 'pin'
    | 'sendTo'
    | 'read'
    | 'write'
    | 'sync'
    | 'truncate'
    | 'punchHole'
    | 'zeroRange'
    | 'collapseRange'
    | 'insertRange'
    | 'allocate'
    | 'copyFrom'
    | 'flushDma'
  readonly path: string
  error?: unknown
}

/** `holdfast:transaction`: the lock of the metadata was held so long. */
export interface TransactionMessage extends Teller {
  readonly durationMs: number
}

/**
 * `holdfast:response-limit`: a response of `holdfast/http` met a limit of its option `hold` before its client had taken all. 'copied':
 * the little that was left was copied, and goes on; 'aborted': its connection was closed.
 */
export interface ResponseLimitMessage extends Teller {
  readonly limit: 'time' | 'held-back' | 'space'
  readonly outcome: 'copied' | 'aborted'
  /** Since its client was first waited for. */
  readonly heldMs: number
  /** Bytes of its body. */
  readonly sentBytes: number
  readonly leftBytes: number
}

/** A channel for messages of one kind. */
interface Told<Message> {
  /** Look before making a message. */
  readonly hasSubscribers: boolean
  publish(message: Message): void
}

export const waits: Told<WaitMessage> = channel('holdfast:wait')
export const breaks: Told<BreakMessage> = channel('holdfast:break')
export const recalls: Told<LeaseMessage> = channel('holdfast:recall')
export const revokes: Told<LeaseMessage> = channel('holdfast:revoke')
export const reaps: Told<ReapMessage> = channel('holdfast:reap')
export const releases: Told<ReleaseMessage> = channel('holdfast:release')
export const transactions: Told<TransactionMessage> = channel('holdfast:transaction')
export const responseLimits: Told<ResponseLimitMessage> = channel('holdfast:response-limit')
export const operations = tracingChannel<unknown, OperationMessage>('holdfast:operation')
