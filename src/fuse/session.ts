/**
 * A session with the kernel: requests are read from the device one at a time, handed to their operation, and answered.
 *
 * States of a request: *read* → *done* (its operation answered at once, or before the event loop had a turn) or *pending* → done.
 * A pending one has the buffer it was read into to itself; the next requests are read into another one.
 *
 * Invariants
 *   1. Each request is answered once, except FORGET, BATCH_FORGET and INTERRUPT, which get no answer. An operation that fails
 *      is answered with its errno, one that made a mistake with EIO.
 *   2. Nothing waits for a pending request but its caller.
 *   3. `Reply.done` is called once, after the kernel has taken the reply or refused it, and before the next request is read.
 *   4. A request is in `#pending` from the moment its operation is known to be unfinished until it is answered.
 *
 * Concurrency. One thread, so nothing happens between two lines but while an operation's promise is given its chance: until
 * it settles, or the event loop has its turn. Nothing is read meanwhile. After it, a reply may go out between any two requests,
 * from the operation's own promise: the kernel finds the request by its number, and the device takes whole messages.
 *
 * INTERRUPT names a request that was read before: the kernel sends one only for what it has handed out (FR_SENT), and
 * requests are read by this thread alone, in order. So a request that is not pending is answered already, or its answer
 * is being written in this very turn, and the interruption has come too late. (A server with several readers must answer
 * EAGAIN then, so that the kernel asks again.) An operation that was interrupted settles by itself, with EINTR when it
 * stopped waiting or with success when it was past that; its caller waits for it either way, even when killed. So
 * operations that wait must take `request.signal`.
 */
import { writevSync } from 'node:fs'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { systemError } from '../errors.ts'
import { readMessage, writeMessage } from '../platform/messages.ts'
import { LiveRequest } from './live-request.ts'
import { negotiate } from './negotiation.ts'
import type { Answer, Mounted, Operation, Reply } from './request.ts'
import { SHORT_BYTES } from './request.ts'
import { RequestBuffer } from './request-buffer.ts'
import { OUT_HEADER_BYTES, writeOutHeader } from './wire/header.ts'
import { encodeInit, readInit } from './wire/init.ts'
import { readInterrupt } from './wire/interrupt.ts'
import { Opcode, opcodeName } from './wire/opcodes.ts'

export interface SessionParts {
  /** /dev/fuse, mounted and non-blocking. */
  readonly fd: number
  /** By opcode; what has none is ENOSYS, which the kernel remembers. */
  readonly operations: readonly (Operation | undefined)[]
  /** INIT flags that the operations can do with. */
  readonly wanted: bigint
  /** Called once, when INIT has said what both sides can. */
  readonly begin: (negotiated: bigint) => Mounted
  /** Told of our own mistakes, which the caller sees as EIO. */
  readonly onMistake: (error: unknown, opcode: string) => void
}

/** `nothing`: there was no request after all. `ended`: the file system is unmounted, or was aborted. */
export type Step = 'answered' | 'pending' | 'nothing' | 'ended'

/** For pending requests to settle at the end. */
const ENDING_MS_MAX = 1000
/** Buffers kept for the requests after a pending one. */
const SPARE_BUFFERS_MAX = 4
/** For errors. */
const DEVICE = '/dev/fuse'

const { EAGAIN, ECONNABORTED, EINTR, EIO, ENODEV, ENOENT, ENOSYS, EPERM } = constants.errno

export class Session {
  readonly #parts: SessionParts
  readonly #pending = new Map<bigint, LiveRequest>()
  readonly #spare: RequestBuffer[] = []
  /** Replies up to that size are written behind their header: cheaper than a write of two parts. */
  readonly #out = Buffer.alloc(OUT_HEADER_BYTES + SHORT_BYTES)
  readonly #header = this.#out.subarray(0, OUT_HEADER_BYTES)
  #buffer = new RequestBuffer()
  #mounted: Mounted | undefined
  #hasEnded = false
  /** Makes the operation that is given its chance a pending one. */
  #onTurn: (() => void) | undefined
  #isTurnAsked = false

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Requests whose operation has not settled. */
  get pendingCount(): number {
    return this.#pending.size
  }

  /** Reads one request and hands it to its operation. Not to be called again before the promise is settled, if there is one. */
  next(): Step | Promise<Step> {
    const length = readMessage(this.#parts.fd, this.#buffer.bytes)
    if (length < 0) return this.#unread(length)
    const request = new LiveRequest(this.#buffer, length)
    const { opcode } = request
    if (this.#mounted === undefined || opcode === Opcode.interrupt || opcode === Opcode.destroy)
      return this.#control(request)
    const operation = this.#parts.operations[opcode]
    if (operation === undefined) return this.#refuse(request, -ENOSYS)
    let answer: Answer | Promise<Answer>
    try {
      answer = operation(this.#mounted, request)
    } catch (error) {
      return this.#fail(request, error)
    }
    if (answer instanceof Promise) return this.#settle(request, answer)
    return this.#answer(request, answer)
  }

  /**
   * Nobody waits for the pending requests any more: interrupts them, and waits until they have settled, but not for long
   * (closing the pool ends what is left). Nothing is read or written from here on.
   */
  async end(): Promise<void> {
    this.#hasEnded = true
    for (const request of this.#pending.values()) request.interrupt()
    const deadline = Date.now() + ENDING_MS_MAX
    while (this.#pending.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  /** Why there is no request to carry out, by what read(2) said. */
  #unread(errno: number): Step {
    switch (-errno) {
      // unmounted, or aborted
      case ENODEV:
      case ECONNABORTED:
        return 'ended'
      // a signal; there is none; somebody killed the caller before we came to it; it was taken back while it was copied
      case EINTR:
      case EAGAIN:
      case ENOENT:
        return 'nothing'
      default:
        throw systemError(getSystemErrorName(errno), 'the next request cannot be read', {
          syscall: 'read',
          path: DEVICE,
        })
    }
  }

  /** What is not about files. */
  #control(request: LiveRequest): Step {
    const { parts, opcode } = { parts: this.#parts, opcode: request.opcode }
    if (opcode === Opcode.interrupt) {
      this.#pending.get(readInterrupt(request.body))?.interrupt()
      return 'answered'
    }
    if (opcode === Opcode.init) {
      const offered = readInit(request.body)
      try {
        const agreed = negotiate(offered, parts.wanted)
        this.#mounted = parts.begin(agreed.flags)
        return this.#answer(request, { parts: [encodeInit(agreed)] })
      } catch (error) {
        this.#fail(request, error)
        throw error
      }
    }
    return opcode === Opcode.destroy ? this.#answer(request, { parts: [] }) : this.#refuse(request, -EIO)
  }

  /**
   * Gives the operation its chance to settle without the event loop: most need no more than some microtasks. When those
   * have run out, and the event loop has its turn, it is waiting for something: pending.
   */
  #settle(request: LiveRequest, promise: Promise<Answer>): Promise<Step> {
    return new Promise((resolve) => {
      const becomesPending = (): void => {
        this.#pending.set(request.unique, request)
        this.#buffer = this.#spare.pop() ?? new RequestBuffer()
        resolve('pending')
      }
      const settled = (): void => {
        // Once it is pending, this may be another one's.
        if (this.#onTurn === becomesPending) this.#onTurn = undefined
        this.#leave(request)
      }
      promise.then(
        (answer) => {
          settled()
          resolve(this.#answer(request, answer))
        },
        (error: unknown) => {
          settled()
          resolve(this.#fail(request, error))
        },
      )
      this.#onTurn = becomesPending
      this.#askForTurn()
    })
  }

  /** One for all operations of a turn: it comes when no microtask is left, or when the loop has one for other reasons. */
  #askForTurn(): void {
    if (this.#isTurnAsked) return
    this.#isTurnAsked = true
    setImmediate(() => {
      this.#isTurnAsked = false
      const onTurn = this.#onTurn
      this.#onTurn = undefined
      onTurn?.()
    })
  }

  /** Its buffer may be used again: of the reply nothing but the request's number is left to be read. */
  #leave(request: LiveRequest): void {
    if (!this.#pending.delete(request.unique)) return
    if (this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(request.buffer)
  }

  #answer(request: LiveRequest, answer: Answer): Step {
    if (answer === undefined) return 'answered'
    if (answer.errno !== undefined) return this.#refuse(request, answer.errno)
    try {
      if (!this.#write(request, answer)) this.#refuse(request, -EIO)
    } finally {
      answer.done?.()
    }
    return 'answered'
  }

  #fail(request: LiveRequest, error: unknown): Step {
    const errno = (error as NodeJS.ErrnoException | undefined)?.errno
    // What the kernel would refuse as an error, and what has no number, is no system error.
    if (typeof errno === 'number' && errno < 0 && errno > -1000) return this.#refuse(request, errno)
    this.#parts.onMistake(error, opcodeName(request.opcode))
    return this.#refuse(request, -EIO)
  }

  #refuse(request: LiveRequest, errno: number): Step {
    writeOutHeader(this.#out, request.buffer.bytes, { bodyBytes: 0, errno })
    this.#sendOut(OUT_HEADER_BYTES, request)
    return 'answered'
  }

  /** False: the kernel says that there is no sense in it. */
  #write(request: LiveRequest, { parts, encode }: Reply): boolean {
    if (encode !== undefined) {
      const end = encode(this.#out, OUT_HEADER_BYTES)
      writeOutHeader(this.#out, request.buffer.bytes, { bodyBytes: end - OUT_HEADER_BYTES })
      return this.#sendOut(end, request)
    }
    let bodyBytes = 0
    for (const part of parts) bodyBytes += part.byteLength
    writeOutHeader(this.#out, request.buffer.bytes, { bodyBytes })
    if (bodyBytes > SHORT_BYTES) return this.#sendParts(parts, request)
    let at = OUT_HEADER_BYTES
    for (const part of parts) {
      this.#out.set(part, at)
      at += part.byteLength
    }
    return this.#sendOut(at, request)
  }

  /** Sends the first bytes of `#out`. */
  #sendOut(length: number, request: LiveRequest): boolean {
    if (this.#hasEnded) return true
    const errno = writeMessage(this.#parts.fd, this.#out, length)
    return errno === 0 || this.#unsent(errno, request)
  }

  #sendParts(parts: Reply['parts'], request: LiveRequest): boolean {
    if (this.#hasEnded) return true
    try {
      writevSync(this.#parts.fd, [this.#header, ...parts])
      return true
    } catch (error) {
      return this.#unsent((error as NodeJS.ErrnoException).errno ?? -EIO, request)
    }
  }

  /** Whether that is as it may be. */
  #unsent(errno: number, { opcode }: LiveRequest): boolean {
    switch (-errno) {
      // the caller was killed, or the file system unmounted: nobody is left to be answered
      case ENOENT:
      case ENODEV:
      case EPERM:
      case ECONNABORTED:
        return true
      default: {
        const detail = { syscall: 'write', path: DEVICE }
        const refused = systemError(getSystemErrorName(errno), 'the kernel does not take a reply', detail)
        this.#parts.onMistake(refused, opcodeName(opcode))
        return false
      }
    }
  }
}
