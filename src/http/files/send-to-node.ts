/**
 * Sends an answer as a response of node:http.
 *
 * Straight. Over a plain socket the bytes go by send(2) from the blocks into the socket's buffer: header and first bytes
 * in one packet, then as much as there is room for. When it is full, a small copy is left with Node.js, which says when
 * the kernel has taken that; then it goes on from the blocks. So nothing refers to the blocks while the client is waited
 * for, and they can be let go at any time (holds.ts).
 *   - It stays behind what Node.js has queued before: only a socket with nothing queued is sent to.
 *   - The descriptor is looked up before every send: a socket that is destroyed gives its number to the next one.
 *
 * By copy. TLS, HTTP/2, a response whose turn has not come (pipelining), a socket that writes of others wait for.
 */
import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { systemError } from '../../errors.ts'
import { MOST_TEXT, sendNow, sendTextNow } from '../../platform/socket-send.ts'
import type { Answer } from './answer.ts'
import { Body } from './body.ts'
import { breaksOff, hasSent } from './deliveries.ts'
import type { NodeResponse } from './head.ts'
import { writeHeadOf } from './head.ts'
import type { Hold, Holds, Limit } from './holds.ts'

/** Bytes left with Node.js when the socket is full: enough that its being taken means there is room again. */
const BELL_BYTES = 16 << 10
/** Bytes sent in one turn of the event loop; others have theirs in between. */
export const TURN_BYTES = 2 << 20
const COPY_BYTES = 64 << 10

/**
 * undefined: the kernel has all of the answer. Else resolves when it has; rejects when the client has gone, or the answer was
 * given up. What is wrong from the start is thrown.
 */
export function sendToNode(response: ServerResponse, answer: Answer, holds: Holds): Promise<void> | undefined {
  const body = new Body(answer)
  let rest: Promise<void> | undefined
  try {
    if (response.destroyed || response.headersSent) throw gone()
    // What goes past Node.js is not in its count.
    response.strictContentLength = false
    writeHeadOf(response, answer)
    if (body.left === 0 || response.req.method === 'HEAD') response.end()
    else rest = new Sending(response, body, holds).send()
    return rest
  } finally {
    if (rest === undefined) {
      if (answer.source !== undefined) hasSent(response, response.req.method === 'HEAD' ? 0 : body.sent)
      body.end()
    }
  }
}

/** The same for what is left of a body, of a response whose header is out. */
export function sendRestToNode(response: ServerResponse, body: Body, holds: Holds): Promise<void> | undefined {
  let rest: Promise<void> | undefined
  try {
    rest = new Sending(response, body, holds).sendOn()
    return rest
  } finally {
    if (rest === undefined) {
      hasSent(response, body.sent)
      body.end()
    }
  }
}

const gone = (): Error =>
  systemError('ECONNRESET', 'the client went away before it had the whole response', { syscall: 'send' })

type State = 'sent' | 'full' | 'turn is over'

class Sending implements Hold {
  readonly mayCopy = true
  readonly body: Body
  readonly #response: ServerResponse
  readonly #holds: Holds
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(response: ServerResponse, body: Body, holds: Holds) {
    this.#response = response
    this.body = body
    this.#holds = holds
  }

  giveUp(limit: Limit): void {
    const what = `the client was too slow (limit: ${limit}); the blocks it was sent were let go`
    this.#failure = systemError('ETIMEDOUT', what, { syscall: 'send' })
    breaksOff(this.#response, limit)
    this.#response.destroy()
    this.#wake?.()
  }

  /** Header and body, up to the end of the response. undefined: it is over. */
  send(): Promise<void> | undefined {
    return this.#endAfter(this.#sendHeader())
  }

  /** Body only. */
  sendOn(): Promise<void> | undefined {
    return this.#endAfter(this.#sendSome(descriptorOf(this.#response), TURN_BYTES))
  }

  #endAfter(state: State): Promise<void> | undefined {
    if (state !== 'sent') return this.#sendRest(state)
    this.#response.end()
    return undefined
  }

  async #sendRest(first: State): Promise<void> {
    const { body } = this
    let state = first
    const response = this.#response
    const onClose = (): void => {
      this.#failure ??= gone()
      hasSent(response, body.sent)
      this.#wake?.()
    }
    // First: whoever listens for the end reads how much was sent.
    response.prependListener('close', onClose)
    response.on('error', onClose)
    this.#holds.add(this)
    try {
      while (state !== 'sent') {
        const isPlain = descriptorOf(response) >= 0
        if (state === 'turn is over') await this.#written((done) => setImmediate(done))
        else if (!isPlain) await this.#written((done) => response.write(body.take(COPY_BYTES), done))
        else await this.#written((done) => response.socket!.write(body.take(BELL_BYTES), done))
        this.#mustBeThere()
        state = this.#sendSome(descriptorOf(response), TURN_BYTES)
      }
      response.end()
    } finally {
      this.#holds.delete(this)
      response.off('close', onClose)
      hasSent(response, body.sent)
      body.end()
    }
  }

  /** The header and what there is room for, in one call. */
  #sendHeader(): State {
    const response = this.#response as NodeResponse
    const { body } = this
    const fd = descriptorOf(response)
    const { _header: header } = response
    if (fd < 0 || typeof header !== 'string' || response._headerSent !== false || header.length > MOST_TEXT) {
      response.flushHeaders()
      return 'full'
    }
    const part = body.next(TURN_BYTES)
    const sent = sendTextNow(fd, header, part, part.length < body.left)
    response._headerSent = true
    if (sent < header.length) {
      response.socket!.write(header.slice(sent), 'latin1')
      return 'full'
    }
    body.advance(sent - header.length)
    return sent < header.length + part.length ? 'full' : this.#sendSome(fd, TURN_BYTES - part.length)
  }

  /** Sends up to so many bytes while there is room, and it is this response's turn. */
  #sendSome(fd: number, most: number): State {
    const { body } = this
    if (fd < 0) return body.left === 0 ? 'sent' : 'full'
    for (let turn = most; body.left > 0 && turn > 0;) {
      const part = body.next(turn)
      const sent = sendNow(fd, part, part.length < body.left)
      if (sent === 0) return 'full'
      body.advance(sent)
      turn -= sent
    }
    return body.left === 0 ? 'sent' : 'turn is over'
  }

  /** Until the callback is called, the response is closed or given up. */
  #written(write: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      write(resolve)
    })
  }

  #mustBeThere(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#response.destroyed) throw gone()
  }
}

/** Of the socket that may be sent to now; -1: there is none, or it is not known. */
export function descriptorOf({ socket }: { readonly socket: Socket | null }): number {
  if (!(socket instanceof Socket) || socket instanceof TLSSocket) return -1
  if (socket.destroyed || socket.writableLength > 0) return -1
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: unknown } | null }
  const fd = handle?.fd
  return typeof fd === 'number' ? fd : -1
}
