/** A server of files in a process of its own: `KIND DIRECTORY`, prints its port. */
import fastifyStatic from '@fastify/static'
import fastify from 'fastify'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { join } from 'node:path'
import send from 'send'
import sirv from 'sirv'
import { middleware, shortcut } from '../src/http/index.ts'
import { openPool } from '../src/index.ts'
import { BARE, MEMORY } from './http-sides.ts'

const [kind, directory] = process.argv.slice(2)
const host = join(directory, 'host')

function serve(listener: RequestListener): Server {
  const server = createServer(listener).listen(0, '127.0.0.1', () => {
    console.log((server.address() as AddressInfo).port)
  })
  return server
}

if (kind === 'holdfast') {
  const files = middleware(await openPool(join(directory, 'pool')))
  shortcut(serve(files), files)
} else if (kind === BARE) {
  serve(middleware(await openPool(join(directory, 'pool'))))
} else if (kind === 'send') {
  serve((request, response) => void send(request, request.url ?? '/', { root: host }).pipe(response))
} else if (kind === 'sirv') {
  // As it is meant for production: what is there is looked up once, at the start.
  serve(sirv(host, { etag: true }))
} else if (kind === 'sirv that looks again') {
  serve(sirv(host, { etag: true, dev: true }))
} else if (kind === MEMORY) {
  // The least that any of them can cost: no file at all.
  const contents = new Map<string, Buffer>()
  serve(({ url = '/' }, response) => {
    const content = contents.get(url) ?? readFileSync(host + url)
    contents.set(url, content)
    response.writeHead(200, ['content-length', String(content.length), 'content-type', 'application/octet-stream'])
    response.end(content)
  })
} else {
  const app = fastify()
  await app.register(fastifyStatic, { root: host })
  await app.listen({ port: 0, host: '127.0.0.1' })
  console.log((app.server.address() as AddressInfo).port)
}
