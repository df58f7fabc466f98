/** What is the same behind every front end: validators, redirects, other kinds of pools and connections, nonsense. */
import express from 'express'
import fc from 'fast-check'
import { Hono } from 'hono'
import { mount } from 'hono/mount'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { createSecureServer, connect as connectHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FilesOptions } from '../../src/http/index.ts'
import { middleware, serveFiles } from '../../src/http/index.ts'
import type { Pool } from '../../src/index.ts'
import { everything, until } from '../support/pinned-content.ts'
import { SEED } from '../support/seed.ts'
import { atEnd, openedAgain, temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'
import type { Ask } from './front-ends.ts'
import { asking, listening, servingHono } from './front-ends.ts'

const started = async (t: TestContext, pool: Pool, options?: FilesOptions): Promise<Ask> =>
  asking(await listening(t, middleware(pool, options)))

const nothingPinned = (pool: Pool): Promise<void> =>
  until('nothing is pinned', async () => (await pool.pins()).length === 0)

test('a tag belongs to exactly the bytes it is sent with, while another participant replaces and appends', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
  const other = await openedAgain(t, pool)
  await pool.writeFile('/a', '0'.repeat(5000))
  const ask = await started(t, pool, { etag: 'strong' })
  const bodies = new Map<string, string>()
  let isOver = false
  const writing = (async () => {
    for (let nth = 1; !isOver; nth++) {
      if (nth % 3 === 0) await other.writeFile('/a', `${nth},`, { flags: 'a' })
      else {
        await other.writeFile('/new', `${nth};`.repeat(1000 + (nth % 7)))
        await other.rename('/new', '/a')
      }
    }
  })()
  let repeated = 0
  for (let round = 0; round < 40; round++) {
    const replies = await Promise.all([ask('/a'), ask('/a'), ask('/a')])
    for (const { status, headers, body } of replies) {
      assert.equal(status, 200)
      if (headers.etag === undefined) continue
      const before = bodies.get(headers.etag)
      if (before !== undefined) repeated++
      assert.ok(before === undefined || before === body.toString(), `two bodies of ${headers.etag}`)
      bodies.set(headers.etag, body.toString())
    }
  }
  isOver = true
  await writing
  assert.ok(bodies.size > 10 && repeated > 10, `${bodies.size} tags, ${repeated} seen again`)
})

test('what is written in place has a new tag when its writer has closed it', async (t) => {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await pool.writeFile('/a', 'first')
  const ask = await started(t, pool)
  const before = (await ask('/a')).headers.etag!
  await other.writeFile('/a', 'other', { flags: 'r+' })
  const after = await ask('/a', { headers: { 'if-none-match': before } })
  assert.deepEqual([after.status, after.body.toString()], [200, 'other'])
  assert.notEqual(after.headers.etag, before)
  assert.equal((await ask('/a', { headers: { 'if-none-match': after.headers.etag! } })).status, 304)
})

test('If-Range: a strong tag and the date resume, a weak tag and another state do not', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', '0123456789')
  const [weak, strong] = [await started(t, pool), await started(t, pool, { etag: 'strong' })]
  const resume = async (ask: Ask, ifRange: string): Promise<number> =>
    (await ask('/a', { headers: { range: 'bytes=5-', 'if-range': ifRange } })).status
  const { etag, 'last-modified': date } = (await strong('/a')).headers
  assert.equal(await resume(strong, etag!), 206)
  assert.equal(await resume(strong, date!), 206)
  assert.equal(await resume(strong, '"other"'), 200)
  assert.equal(await resume(strong, new Date(0).toUTCString()), 200)
  assert.equal(await resume(weak, (await weak('/a')).headers.etag!), 200)
})

test('where an app of hono is mounted files are below the mount point, and redirects stay there', async (t) => {
  const pool = await temporaryPool(t)
  await pool.mkdir('/d')
  await pool.writeFile('/d/index.html', 'of d')
  const inner = new Hono().use(serveFiles(pool))
  const app = new Hono().all('/files/*', mount(inner.fetch))
  const ask = asking(await servingHono(t, app))
  assert.equal((await ask('/files/d/')).body.toString(), 'of d')
  const { status, headers } = await ask('/files/d?x=1')
  assert.deepEqual([status, headers.location], [301, '/files/d/?x=1'])
})

test('a directory without its slash is redirected, below a mount point too, and never to another host', async (t) => {
  const pool = await temporaryPool(t)
  await pool.mkdir('/sub/ä b', { recursive: true })
  await pool.mkdir('/evil.example')
  await pool.writeFile('/sub/index.html', 'index')
  const plain = await started(t, pool)
  assert.equal((await plain('/sub?x=1')).headers.location, '/sub/?x=1')
  assert.equal((await plain('/sub/%C3%A4%20b')).headers.location, '/sub/%C3%A4%20b/')
  assert.equal((await plain('//evil.example')).headers.location, '/evil.example/')
  assert.equal((await plain('/%5Cevil.example/..')).status, 403)
  const app = express().use('/files', middleware(pool))
  const mounted = asking(await listening(t, app))
  assert.equal((await mounted('/files/sub')).headers.location, '/files/sub/')
  assert.equal((await mounted('/files/sub/')).body.toString(), 'index')
})

test('setHeaders adds and changes; what it throws is a bare 500 that onError is told of', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a.txt', 'a')
  const told: unknown[] = []
  const ask = await started(t, pool, {
    onError: (error) => told.push(error),
    setHeaders: (headers, path, { size }) => {
      headers.set('content-disposition', `attachment; filename="${path.slice(1)}"`)
      headers.set('x-size', String(size))
      if (path === '/bad.txt') headers.set('x-bad', 'a\r\nb: c')
      if (path === '/worse.txt') throw new Error('secret')
    },
  })
  const { headers } = await ask('/a.txt')
  assert.deepEqual([headers['content-disposition'], headers['x-size']], ['attachment; filename="a.txt"', '1'])
  for (const path of ['/bad.txt', '/worse.txt']) {
    await pool.writeFile(path, 'x')
    const { status, body, headers: got } = await ask(path)
    assert.deepEqual([status, body.toString(), got['b']], [500, 'Internal Server Error\n', undefined])
  }
  assert.equal(told.length, 2)
  await nothingPinned(pool)
})

test('options of the wrong type or range are refused at once', async (t) => {
  const pool = await temporaryPool(t)
  const wrong: unknown[] = [
    { root: 1 },
    { index: 5 },
    { extensions: [1] },
    { dotfiles: 'maybe' },
    { etag: 'weak' },
    { maxAge: '1d' },
    { maxAge: -1 },
    { setHeaders: 'x' },
    { immutable: 'yes' },
    { onError: 'log' },
    { hold: { graceMs: -1 } },
    { write: {} },
  ]
  for (const options of wrong)
    assert.throws(
      () => middleware(pool, options as FilesOptions),
      /ERR_|argument|property|out of range/,
      JSON.stringify(options),
    )
})

test("a pool that is open for reading only, and files of dax: 'never', are served by copy", async (t) => {
  const pool = await temporaryPool(t)
  const content = Buffer.alloc(300_000, 'copied ')
  await pool.writeFile('/a', content)
  await pool.configure('/a', { dax: 'never' })
  const never = await started(t, pool)
  assert.deepEqual((await never('/a')).body, content)
  await pool.sync()
  const observer = await openedAgain(t, pool, { readOnly: true })
  const ask = await started(t, observer, { write: { maxBytes: 100 } })
  assert.deepEqual((await ask('/a')).body, content)
  assert.equal((await ask('/a', { headers: { range: 'bytes=7-12' } })).body.toString(), 'copied')
  assert.equal((await ask('/a', { method: 'PUT', body: 'x' })).status, 403)
  await nothingPinned(pool)
})

function certificate(t: TestContext): { key: Buffer; cert: Buffer } | undefined {
  const directory = temporaryDirectory(t)
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')]
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost -keyout ${key} -out ${cert}`
  return spawnSync('openssl', words.split(' ')).status === 0
    ? { key: readFileSync(key), cert: readFileSync(cert) }
    : undefined
}

test('over TLS and HTTP/2 the same bytes go, by copy', async (t) => {
  const identity = certificate(t)
  if (identity === undefined) {
    t.skip('there is no openssl')
    return
  }
  const pool = await temporaryPool(t)
  const content = Buffer.alloc(1 << 20, 'encrypted ')
  await pool.writeFile('/a', content)
  const secure = createServer(identity, middleware(pool)).listen(0)
  await once(secure, 'listening')
  atEnd(t, () => secure.close())
  const { port } = secure.address() as AddressInfo
  const asked = request({ port, path: '/a', rejectUnauthorized: false, agent: false } as RequestOptions).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  assert.deepEqual(await everything(response), content)
  const listener = middleware(pool) as unknown as Parameters<typeof createSecureServer>[1]
  const http2 = createSecureServer(identity, listener).listen(0)
  await once(http2, 'listening')
  atEnd(t, () => http2.close())
  const session = connectHttp2(`https://localhost:${(http2.address() as AddressInfo).port}`, {
    rejectUnauthorized: false,
  })
  atEnd(t, () => session.close())
  const stream = session.request({ ':path': '/a' })
  assert.deepEqual(await everything(stream), content)
  await nothingPinned(pool)
})

test('no nonsense of clients crashes it, hangs it, or leaves a pin', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', 'content of a')
  await pool.mkdir('/d')
  const errors: unknown[] = []
  const options = { write: { maxBytes: 100 }, onError: (error: unknown) => void errors.push(error) }
  const port = await listening(t, middleware(pool, options))
  const ask = asking(port)
  const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  const path = fc.oneof(
    fc.constantFrom('/a', '/d', '/d/', '/a/', '*'),
    fc
      .array(fc.constantFrom('%', '2', 'e', 'f', '0', '/', '.', 'a', 'd', '%2e', '%00', '%c3', ';', '@', ':', '\\'), {
        maxLength: 12,
      })
      .map((parts) => `/${parts.join('')}`),
  )
  const names = [
    'range',
    'if-range',
    'if-match',
    'if-none-match',
    'if-modified-since',
    'if-unmodified-since',
    'cache-control',
    'content-range',
    'content-encoding',
  ]
  const value = fc.oneof(
    text,
    fc.constantFrom('bytes=0-0,2-3', 'bytes=-1', '*', 'W/"', '"', 'bytes=9007199254740993-', 'bytes=--1'),
  )
  const headers = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 })
  const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH')
  const property = fc.asyncProperty(path, headers, method, async (url, given, verb) => {
    const { status, body } = await ask(url, {
      method: verb,
      headers: given,
      ...(verb === 'PUT' ? { body: 'put' } : {}),
    })
    assert.ok(status >= 200 && status < 500, `${verb} ${url} is ${status}`)
    assert.doesNotMatch(body.toString(), /\bat \S+:\d+|\.ts\b/)
    if (!(await pool.exists('/a'))) await pool.writeFile('/a', 'content of a')
  })
  await fc.assert(property, { seed: SEED, numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 500) })
  assert.deepEqual(errors, [])
  for (const line of ['GET', '\0\0\0\0', 'GET /a HTTP/9.9\r\n\r\n', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`]) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.end(line)
    await everything(socket).catch(() => undefined)
  }
  await sleep(10)
  await nothingPinned(pool)
  assert.equal((await ask('/a')).status, 200)
})
