/** Requests: counted, logged when they are over, and known while they are under way. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Log } from './logging.ts'

export class Traffic {
  readonly #log: Log
  readonly #underWay = new Set<ServerResponse>()
  readonly #requests: Counter<'method' | 'status'>
  readonly #seconds: Histogram

  constructor(registry: Registry, log: Log) {
    this.#log = log
    const registers = [registry]
    this.#requests = new Counter({
      name: 'holdfast_http_requests_total',
      help: 'Requests answered; status 499: the client went away before the end.',
      labelNames: ['method', 'status'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'holdfast_http_response_seconds',
      help: 'From a request to the end of its response.',
      buckets: [0.001, 0.01, 0.1, 1, 10, 60, 600],
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
  begin({ method = '', url = '' }: IncomingMessage, response: ServerResponse): void {
    const sinceMs = performance.now()
    this.#underWay.add(response)
    response.once('close', () => {
      this.#underWay.delete(response)
      const ms = performance.now() - sinceMs
      // Of a body that went to the socket by itself, Node.js knows the end only.
      const status = response.writableEnded ? response.statusCode : 499
      this.#requests.inc({ method: KNOWN_METHODS.has(method) ? method : 'other', status })
      this.#seconds.observe(ms / 1000)
      const path = url.split('?', 1)[0]
      this.#log[status >= 500 ? 'error' : 'info']({ path, status, ms: Math.round(ms) }, method)
    })
  }

  get underWay(): number {
    return this.#underWay.size
  }

  /** Ends responses that have no end of their own: streams of events. */
  endStreams(): void {
    for (const response of this.#underWay) if (response.req.headers.accept === 'text/event-stream') response.destroy()
  }
}

/** Others are whatever a client makes up. */
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
