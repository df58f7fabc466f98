/** serve: a pool over HTTP, with its inspector, until it is closed. */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import type { Server } from 'node:http'
import { codeOf, systemError } from '../../errors.ts'
import { metrics } from '../../metrics/index.ts'
import type { Pool } from '../../pool/pool.ts'
import { shortenWay } from '../files/shortcut.ts'
import { filesOfPool, makeApp } from './app.ts'
import { isLoopback, isOwnName } from './host-names.ts'
import type { Log } from './logging.ts'
import { Traffic } from './traffic.ts'

export interface ServeOptions {
  /** 0: any that is free. */
  readonly port: number
  readonly host: string
  /** True: other machines may get there. */
  readonly isPublic: boolean
  /** What is to be shown to change something; undefined: nothing may be changed. */
  readonly token: string | undefined
  /** Directory of the built inspector; undefined: there is none. */
  readonly page: string | undefined
  readonly log: Log
}

/** A pool that is served. */
export interface Serving {
  /** `http://127.0.0.1:8080/`. */
  readonly url: string
  readonly port: number
  /**
   * Takes no more connections, lets responses under way end, for `graceMs` at most, and cuts off what is left. Resolves with how
   * many those were.
   */
  close(graceMs: number): Promise<number>
}

/**
 * Listens. EADDRINUSE, EACCES: the port. EADDRNOTAVAIL, ENOTFOUND: the host. EPERM: the host can be reached from other machines,
 * and nobody said it may.
 */
export async function serve(pool: Pool, options: ServeOptions): Promise<Serving> {
  const { host, log, token } = options
  const address = await addressOf(host)
  const isForThisMachine = isLoopback(address)
  if (!isForThisMachine && !options.isPublic) {
    const what =
      `other machines can get to ${host}: whoever does reads all files, and without TLS so does who listens on the way; ` +
      `put a proxy before the server (docs/guide/operating.md), or say --public`
    throw systemError('EPERM', what, { syscall: 'listen' })
  }
  const counted = metrics(pool)
  const traffic = new Traffic(counted.registry, log)
  const onError = (error: unknown, path: string): void => log.error({ err: error, path }, 'a response failed')
  const files = filesOfPool(pool, { token, onError })
  const loopbackName = isForThisMachine ? host : undefined
  const app = makeApp({ pool, files, metrics: counted, token, loopbackName, page: options.page, onError })
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
  // An upload takes as long as it takes; Node.js would end it after five minutes.
  if (token !== undefined) server.requestTimeout = 0
  server.prependListener('request', (request, response) => traffic.begin(request, response))
  shortenWay(server, files, {
    allows: (name) => loopbackName === undefined || isOwnName(name, loopbackName),
    hasPassed: (request, bytes) => traffic.passed(request, bytes),
    begins: (request, response) => traffic.begin(request, response),
  })
  try {
    await listen(server, options.port, address)
  } catch (error) {
    counted[Symbol.dispose]()
    throw error
  }
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/`,
    port,
    close: async (graceMs) => {
      const cut = await close(server, traffic, graceMs)
      counted[Symbol.dispose]()
      return cut
    },
  }
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (error) {
    const what = `there is no host '${host}'; give an address of this machine with --host`
    throw systemError('EADDRNOTAVAIL', what, { syscall: 'getaddrinfo', cause: error })
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'somebody else listens on port PORT; end that, or take another one with --port (0: any that is free)',
  EACCES: 'port PORT is for root only; take one from 1024 on with --port',
  EADDRNOTAVAIL: 'ADDRESS is no address of this machine; give one with --host',
}

async function listen(server: Server, port: number, address: string): Promise<void> {
  server.listen(port, address)
  try {
    await once(server, 'listening')
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (!(code in ADVICE)) throw error
    const what = ADVICE[code].replace('PORT', String(port)).replace('ADDRESS', address)
    throw systemError(code, what, { syscall: 'listen', cause: error })
  }
}

/** How often connections are looked at that have just sent their last response. */
const LOOK_MS = 20

async function close(server: Server, traffic: Traffic, graceMs: number): Promise<number> {
  const closed = once(server, 'close')
  server.close()
  traffic.endStreams()
  const deadlineMs = performance.now() + graceMs
  while (traffic.underWay > 0 && performance.now() < deadlineMs) await sleep(LOOK_MS)
  const cut = traffic.underWay
  traffic.cutOff()
  // Those that keep a connection for a next request.
  if (cut === 0) server.closeIdleConnections()
  server.closeAllConnections()
  await closed
  return cut
}
