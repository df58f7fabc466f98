/**
 * Shortcut: a known file is sent as soon as node:http has parsed the request for it, before it makes a response, tells anybody
 * of the request and runs middleware, which is a third of what a request for 64 KiB costs (docs/decisions/0016).
 *
 * HTTP stays with node:http: its parser reads, its timers watch the connection, its lists have it, it closes it. The parser
 * hands every request to one function, `parser.onIncoming`. Ours stands before it, and takes a request where all of this holds:
 *   1. It is a GET of HTTP/1.1 that leaves the connection open, has no body, and no field that an answer looks at, or node:http.
 *   2. A request of the connection was answered by node:http before, and nothing of any answer is still to be sent. So its
 *      timers are set as for a connection that waits for its next request, and stay so.
 *   3. The files were asked for this very target before, as it came, and sent all of a file, plainly (head.ts). That file is
 *      known as it is now, and pinned (recent-files.ts).
 *   4. The head that node:http wrote for it is the one it would write now, but for the date.
 * Everything else is node:http's, as if nobody stood here.
 *
 * What a client does not take at once is sent as always (send-to-node.ts): an `http.ServerResponse` is made for it, which also
 * keeps the connection from being closed as idle. Requests that come meanwhile wait for its end, MOST_WAITING at most.
 */
import type { MiddlewareHandler } from 'hono'
import type { IncomingMessage } from 'node:http'
import { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { wrongType } from '../../errors.ts'
import { sendTextNow } from '../../platform/socket-send.ts'
import type { SourcePart } from './answer.ts'
import { rememberTarget } from './asked-target.ts'
import { Body } from './body.ts'
import type { Files } from './files.ts'
import type { NodeResponse } from './head.ts'
import { filesOf } from './handlers.ts'
import type { FilesMiddleware } from './middleware.ts'
import { respondWithRest } from './middleware.ts'
import type { WholeFile } from './recent-files.ts'
import { descriptorOf, TURN_BYTES } from './send-to-node.ts'

/** Who asks for more before the response to the first is taken only wants memory, 2 KiB for each; the connection is closed. */
const MOST_WAITING = 2048

/** Of a server that does more than to send. */
export interface Passage {
  /** By what the request calls the server; false: node:http is to have it. */
  allows(host: string): boolean
  /** A response went out at once. */
  hasPassed(request: IncomingMessage, bytes: number): void
  /** One takes its time. */
  begins(request: IncomingMessage, response: ServerResponse): void
}

/** What node:http keeps in its sockets and parsers. Where it is not there, there is no shortcut. */
interface HttpSocket extends Socket {
  readonly parser?: { onIncoming?: OnIncoming; incoming?: unknown } | null
  readonly _httpMessage?: unknown
}
type HttpRequest = IncomingMessage & { readonly upgrade?: boolean }
type OnIncoming = (request: HttpRequest, isKept: boolean) => number

/** What a request has that is no plain question for all of a file. */
const LOOKED_AT: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'expect',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'transfer-encoding',
  'upgrade',
])

/**
 * Has the server answer requests for files that `handler`, of `middleware()` or `serveFiles()`, has sent before, as it would, but
 * past everything: no 'request' is told of, and no middleware sees them, neither before the handler nor behind it. So
 * what the handler sends for a target must be for everybody who asks for that target. For connections from now on. Over
 * TLS, and where `keepAliveTimeout`, `maxRequestsPerSocket` or header fields of others ask for another head, all stays as it is. TypeError.
 */
export function shortcut(server: Server, handler: FilesMiddleware | MiddlewareHandler): void {
  if (!(server instanceof Server)) throw wrongType('server', 'an http.Server', server)
  const files = typeof handler === 'function' ? filesOf(handler) : undefined
  if (files === undefined) throw wrongType('handler', 'what middleware() or serveFiles() has returned', handler)
  shortenWay(server, files)
}

export function shortenWay(server: Server, files: Files, passage?: Passage): void {
  server.on('connection', (socket: HttpSocket) => {
    if (typeof socket.parser?.onIncoming === 'function') new Connection(server, files, socket, passage).begin()
  })
}

class Connection {
  readonly #server: Server
  readonly #files: Files
  readonly socket: HttpSocket
  readonly #passage: Passage | undefined
  /** node:http's own. */
  readonly #onIncoming: OnIncoming
  #wasAnswered = false
  /** Is being sent, and is ours. */
  #response: ServerResponse | undefined
  #waiting: [request: HttpRequest, isKept: boolean][] = []

  constructor(server: Server, files: Files, socket: HttpSocket, passage: Passage | undefined) {
    this.#server = server
    this.#files = files
    this.socket = socket
    this.#passage = passage
    this.#onIncoming = socket.parser!.onIncoming!
  }

  begin(): void {
    this.socket.parser!.onIncoming = (request, isKept) => this.#take(request, isKept)
  }

  #take(request: HttpRequest, isKept: boolean): number {
    if (this.#response !== undefined) return this.#later(request, isKept)
    const fd = this.#wasAnswered && isKept ? descriptorOf(this) : -1
    const file = fd < 0 ? undefined : this.#fileFor(request)
    if (file !== undefined) {
      this.#send(request, file, fd)
      return 0
    }
    this.#wasAnswered = true
    rememberTarget(request)
    return this.#onIncoming(request, isKept)
  }

  #fileFor(request: HttpRequest): WholeFile | undefined {
    const { socket } = this
    const { keepAliveTimeout, maxRequestsPerSocket } = this.#server
    if (request.method !== 'GET' || request.httpVersion !== '1.1' || request.upgrade === true) return undefined
    if ((socket._httpMessage ?? null) !== null || !socket.writable) return undefined
    const host = maxRequestsPerSocket === 0 ? hostOf(request.rawHeaders) : undefined
    if (host === undefined || this.#passage?.allows(host) === false) return undefined
    return this.#files.wholeNow(request.url!, keepAliveTimeout)
  }

  #send(request: HttpRequest, { head, source }: WholeFile, fd: number): void {
    const { socket } = this
    const { length } = source
    const [first] = source.views(0, length)
    const part = first.length > TURN_BYTES ? first.subarray(0, TURN_BYTES) : first
    // Nobody reads the request: it need not be told of its end, which would cost 0.4 µs.
    if (socket.parser?.incoming === request) socket.parser.incoming = null
    let sent: number
    try {
      sent = sendTextNow(fd, head, part, part.length < length)
    } catch {
      socket.destroy()
      return
    }
    if (sent === head.length + length) this.#passage?.hasPassed(request, length)
    else
      this.#sendRest(
        request,
        head,
        sent,
        new Body({ body: [{ offset: 0, length } satisfies SourcePart], source: source.share() }),
      )
  }

  #sendRest(request: HttpRequest, head: string, sent: number, body: Body): void {
    const { socket } = this
    const response: NodeResponse = new ServerResponse(request)
    response.statusMessage = 'OK'
    response._header = head
    response._headerSent = true
    response.assignSocket(socket)
    if (sent < head.length) socket.write(head.slice(sent), 'latin1')
    else body.advance(sent - head.length)
    this.#response = response
    const { timeout = 0 } = socket
    socket.setTimeout(this.#server.timeout)
    response.once('finish', () => {
      response.detachSocket(socket)
      socket.setTimeout(timeout)
      response.emit('close')
      this.#goOn()
    })
    this.#passage?.begins(request, response)
    void respondWithRest(this.#files, response, body, request.url!)
  }

  #later(request: HttpRequest, isKept: boolean): number {
    // Others would write to the connection at once.
    if (request.upgrade === true) this.socket.destroy()
    else if (this.#waiting.push([request, isKept]) > MOST_WAITING) this.socket.destroy()
    return 0
  }

  #goOn(): void {
    this.#response = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const [request, isKept] of waiting) if (!this.socket.destroyed) this.#take(request, isKept)
  }
}

/** The Host of a request that has one, and nothing that is looked at; else undefined. */
function hostOf(rawHeaders: readonly string[]): string | undefined {
  let host: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at].toLowerCase()
    if (LOOKED_AT.has(name) || (name === 'host' && host !== undefined)) return undefined
    if (name === 'host') host = rawHeaders[at + 1]
  }
  return host
}
