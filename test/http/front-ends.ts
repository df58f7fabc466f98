/** The same files behind every front end, each on a real socket but one. */
import { serve } from '@hono/node-server'
import connect from 'connect'
import express from 'express'
import { Hono } from 'hono'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, RequestListener, Server } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { FilesOptions } from '../../src/http/index.ts'
import { middleware, serveFiles } from '../../src/http/index.ts'
import type { Pool } from '../../src/index.ts'
import { atEnd } from '../support/temporary-pool.ts'

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Asking {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array | string
}

export type Ask = (path: string, asking?: Asking) => Promise<Reply>

type Start = (t: TestContext, pool: Pool, options?: FilesOptions) => Promise<Ask>

export const frontEnds: Readonly<Record<string, Start>> = {
  'node:http': async (t, pool, options) => asking(await listening(t, middleware(pool, options))),
  connect: async (t, pool, options) => asking(await listening(t, connect().use(middleware(pool, options)))),
  'express 5': async (t, pool, options) => asking(await listening(t, express().use(middleware(pool, options)))),
  'hono on node-server': async (t, pool, options) =>
    asking(await servingHono(t, new Hono().use(serveFiles(pool, options)))),
  'hono without a server': async (_, pool, options) => {
    const app = new Hono().use(serveFiles(pool, options))
    return async (path, { method = 'GET', headers = {}, body } = {}) => {
      const init = { method, headers, ...(body === undefined ? {} : { body: Buffer.from(body) }) }
      const response = await app.request(path, init)
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Buffer.from(await response.arrayBuffer()),
      }
    }
  },
}

export async function listening(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return closing(t, server)
}

function closing(t: TestContext, server: Server): number {
  atEnd(t, () => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Asks with a path as it is: fetch would normalize it. */
export const asking =
  (port: number): Ask =>
  async (path, { method = 'GET', headers = {}, body } = {}) => {
    const asked = request({ port, host: '127.0.0.1', path, method, headers, timeout: 20_000 })
    asked.on('timeout', () => asked.destroy(new Error(`no answer to ${method} ${path}`)))
    asked.end(body)
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    const parts: Buffer[] = []
    for await (const part of response) parts.push(part as Buffer)
    return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }
  }

export async function servingHono(t: TestContext, { fetch }: Hono): Promise<number> {
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }) as Server
  await once(server, 'listening')
  return closing(t, server)
}
