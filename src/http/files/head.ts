/**
 * Head: status line and header fields of a response as Node.js has written them, for others of the same second with the
 * same fields. Writing them anew costs 3 µs, more than anything else that is ours.
 *
 * What is in a head beside the status and the fields, among which is Content-Length, hangs on the date and on the response:
 * whether the connection stays, for how long, what was set or removed before. So one is taken from, and given to, plain
 * responses only: of which nobody has set anything, on a connection that stays. Of the others, and where somebody has put
 * himself in the place of `writeHead`, it is written anew.
 */
import { ServerResponse } from 'node:http'
import type { Answer, Fields } from './answer.ts'

/** With what Node.js keeps in a response, public or not: there since 0.x, but for what `undefined` stands for as well. */
export interface NodeResponse extends ServerResponse {
  _header?: unknown
  _headerSent?: unknown
  readonly _keepAliveTimeout?: unknown
  readonly _maxRequestsPerSocket?: unknown
  readonly _removedConnection?: unknown
  readonly _expect_continue?: unknown
  readonly maxRequestsOnConnectionReached?: unknown
}

export interface Head {
  readonly text: string
  readonly status: number
  /** Since 1970, of the Date in it. */
  readonly second: number
  /** Of the connection: what it says of keeping it. */
  readonly keepAliveTimeout: unknown
  readonly maxRequests: unknown
}

/** Compared, never called. */
const nodesWriteHead: unknown = Reflect.get(ServerResponse.prototype, 'writeHead')

/** As `response.writeHead(status, …)`. */
export function writeHeadOf(response: NodeResponse, { status, fields, headers }: Answer): void {
  if (fields === undefined || !isPlain(response)) {
    response.writeHead(status, fields?.list ?? [...headers].flat())
    return
  }
  const second = thisSecond()
  const { head } = fields
  if (head !== undefined && isHeadOf(head, response, status)) {
    response.statusCode = status
    response.statusMessage = 'OK'
    response._header = textAt(second, head, fields)
    response._headerSent = false
    return
  }
  response.writeHead(status, fields.list)
  keepHead(fields, response, status, second)
}

function keepHead(fields: Fields, response: NodeResponse, status: number, second: number): void {
  const { _header: text, _keepAliveTimeout: keepAliveTimeout, _maxRequestsPerSocket: maxRequests } = response
  if (typeof text !== 'string' || response.statusMessage !== 'OK') return
  fields.head = { text, status, second, keepAliveTimeout, maxRequests }
}

/** The text for a plain response of 200, on a connection that stays for so long, however many requests it has; undefined: it must be written. */
export function headNow(fields: Fields, keepAliveTimeout: number): string | undefined {
  const { head } = fields
  if (head?.status !== 200 || head.keepAliveTimeout !== keepAliveTimeout || head.maxRequests !== 0) return undefined
  return textAt(thisSecond(), head, fields)
}

const thisSecond = (): number => Math.floor(Date.now() / 1000)

/** No other line begins so: of the fields none is a date. */
const DATE = /\r\nDate: [^\r]*/

function textAt(second: number, head: Head, fields: Fields): string {
  if (head.second === second) return head.text
  const text = head.text.replace(DATE, `\r\nDate: ${new Date(second * 1000).toUTCString()}`)
  fields.head = { ...head, text, second }
  return text
}

const isHeadOf = (head: Head, response: NodeResponse, status: number): boolean =>
  head.status === status &&
  head.keepAliveTimeout === response._keepAliveTimeout &&
  head.maxRequests === response._maxRequestsPerSocket

const isPlain = (response: NodeResponse): boolean =>
  response.shouldKeepAlive &&
  response.sendDate &&
  response._removedConnection === false &&
  response._expect_continue === false &&
  response.maxRequestsOnConnectionReached === false &&
  response.statusMessage === undefined &&
  response.writeHead === nodesWriteHead &&
  response.getHeaderNames().length === 0
