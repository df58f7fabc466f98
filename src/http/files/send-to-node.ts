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
import { sendNow } from '../../platform/socket-send.ts'
import type { Answer } from './answer.ts'
import { Body } from './body.ts'
import { breaksOff, hasSent } from './deliveries.ts'
import type { Hold, Holds, Limit } from './holds.ts'

/** Bytes left with Node.js when the socket is full: enough that its being taken means there is room again. */
const BELL_BYTES = 16 << 10
/** Bytes sent in one turn of the event loop; others have theirs in between. */
const TURN_BYTES = 2 << 20
const COPY_BYTES = 64 << 10
/** Up to here a copy behind the header, sent in one call, is cheaper than a call of its own. */
const SMALL_BYTES = 16 << 10

/**
 * undefined: the kernel has all of the answer. Else resolves when it has; rejects when the client has gone, or the answer was
 * given up. What is wrong from the start is thrown.
 */
export function sendToNode(response: ServerResponse, answer: Answer, holds: Holds): Promise<void> | undefined {
  const body = new Body(answer)
  let rest: Promise<void> | undefined
  try {
    if (response.destroyed || response.headersSent) throw gone()
    response.writeHead(answer.status, answer.list ?? [...answer.headers].flat())
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
    const state = this.#sendHeader() ? this.#sendSome() : 'full'
    if (state !== 'sent') return this.#sendRest(state)
    this.#response.end()
    return undefined
  }

  async #sendRest(first: State): Promise<void> {
    const { body } = this
    let state = first
    const response = this.#response
    response.on('close', this.#onClose)
    response.on('error', this.#onClose)
    this.#holds.add(this)
    try {
      while (state !== 'sent') {
        const socket = plainSocket(response)
        if (state === 'turn is over') await this.#written((done) => setImmediate(done))
        else if (socket === undefined) await this.#written((done) => response.write(body.take(COPY_BYTES), done))
        else await this.#written((done) => socket.write(body.take(BELL_BYTES), done))
        this.#mustBeThere()
        state = this.#sendSome()
      }
      response.end()
    } finally {
      this.#holds.delete(this)
      response.off('close', this.#onClose)
      hasSent(response, body.sent)
      body.end()
    }
  }

  /** The header, ready for the first bytes to follow, or with all of a small body; false: it is with Node.js. */
  #sendHeader(): boolean {
    const response = this.#response as ServerResponse & { _header?: unknown; _headerSent?: unknown }
    const { body } = this
    const socket = plainSocket(response)
    const { _header: header } = response
    if (socket === undefined || typeof header !== 'string' || response._headerSent !== false) {
      response.flushHeaders()
      return false
    }
    const isSmall = body.left <= SMALL_BYTES
    const bytes = Buffer.allocUnsafe(header.length + (isSmall ? body.left : 0))
    bytes.write(header, 'latin1')
    if (isSmall) body.copyTo(bytes, header.length)
    const sent = sendNow(descriptorOf(socket), bytes, !isSmall)
    response._headerSent = true
    if (sent === bytes.length) return true
    socket.write(bytes.subarray(sent))
    return isSmall
  }

  /** Sends while there is room, and it is this response's turn. */
  #sendSome(): State {
    const { body } = this
    if (body.left === 0) return 'sent'
    const socket = plainSocket(this.#response)
    if (socket === undefined) return 'full'
    const fd = descriptorOf(socket)
    for (let turn = TURN_BYTES; body.left > 0 && turn > 0;) {
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

  readonly #onClose = (): void => {
    this.#failure ??= gone()
    this.#wake?.()
  }

  #mustBeThere(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#response.destroyed) throw gone()
  }
}

/** The socket that may be sent to now. */
function plainSocket(response: ServerResponse): Socket | undefined {
  const { socket } = response
  if (!(socket instanceof Socket) || socket instanceof TLSSocket) return undefined
  return socket.destroyed || socket.writableLength > 0 || descriptorOf(socket) < 0 ? undefined : socket
}

/** -1: none, or not known. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' ? handle.fd : -1
}
