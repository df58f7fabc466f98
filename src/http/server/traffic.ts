/** Requests: counted, logged when they are over, and known while they are under way. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import { Counter, Gauge, Histogram } from 'prom-client'
import { breaksOff, deliveryOf } from '../files/deliveries.ts'
import type { Log } from './logging.ts'

export class Traffic {
  readonly #log: Log
  readonly #underWay = new Set<ServerResponse>()
  readonly #requests: Counter<'method' | 'status'>
  readonly #seconds: Histogram
  readonly #bytes: Counter

  constructor(registry: Registry, log: Log) {
    this.#log = log
    const registers = [registry]
    this.#requests = new Counter({
      name: 'holdfast_http_requests_total',
      help: 'Requests answered; status 499: the response was broken off before its end.',
      labelNames: ['method', 'status'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'holdfast_http_response_seconds',
      help: 'From a request to the end of its response.',
      buckets: [0.001, 0.01, 0.1, 1, 10, 60, 600],
      registers,
    })
    this.#bytes = new Counter({
      name: 'holdfast_http_response_bytes_total',
      help: 'Bytes of the bodies of responses that were sent.',
      registers,
    })
    const underWay = this.#underWay
    const gauge: Gauge = new Gauge({
      name: 'holdfast_http_responses_under_way',
      help: 'Responses that have not ended.',
      registers,
      collect: () => gauge.set(underWay.size),
    })
  }

  /** A request has come. */
  begin({ method = '', url = '', socket }: IncomingMessage, response: ServerResponse): void {
    const sinceMs = performance.now()
    const sinceBytes = socket.bytesWritten
    this.#underWay.add(response)
    response.once('close', () => {
      this.#underWay.delete(response)
      const ms = performance.now() - sinceMs
      const delivery = deliveryOf(response)
      const bytes = delivery.bytes ?? bodyBytes(response, socket.bytesWritten - sinceBytes)
      // Of a body that went to the socket by itself, Node.js knows the end only.
      const outcome = response.writableEnded ? 'whole' : 'aborted'
      const why = outcome === 'whole' ? undefined : (delivery.brokenOff ?? 'client')
      const status = outcome === 'whole' ? response.statusCode : 499
      this.#requests.inc({ method: KNOWN_METHODS.has(method) ? method : 'other', status })
      this.#seconds.observe(ms / 1000)
      this.#bytes.inc(bytes)
      const path = url.split('?', 1)[0]
      const isOurs = status >= 500 || why === 'error'
      const event = { path, status, bytes, ms: Math.round(ms), outcome, ...(why === undefined ? {} : { why }) }
      this.#log[isOurs ? 'error' : 'info'](event, method)
    })
  }

  get underWay(): number {
    return this.#underWay.size
  }

  /** The server ends, and with it what is under way. */
  cutOff(): void {
    for (const response of this.#underWay) breaksOff(response, 'end')
  }

  /** Ends responses that have no end of their own: streams of events. */
  endStreams(): void {
    for (const response of this.#underWay) {
      if (!isStreamOfEvents(response)) continue
      breaksOff(response, 'end')
      response.destroy()
    }
  }
}

/** Of what Node.js has put on the connection for a response. */
function bodyBytes(response: ServerResponse, written: number): number {
  const { _header: header } = response as ServerResponse & { _header?: unknown }
  return Math.max(0, written - (typeof header === 'string' ? header.length : 0))
}

/** Others are whatever a client makes up. */
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** By what was answered: a client need not say that it wants one. */
function isStreamOfEvents(response: ServerResponse): boolean {
  const { _header: header } = response as ServerResponse & { _header?: unknown }
  return typeof header === 'string' && /^content-type: *text\/event-stream/im.test(header)
}
