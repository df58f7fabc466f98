/** The shortcut answers as node:http and the handler do, and leaves to them what is not certain. */
import express from 'express'
import fc from 'fast-check'
import { Hono } from 'hono'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { RequestListener, Server, ServerOptions } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { duplexPair } from 'node:stream'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FilesOptions } from '../../src/http/index.ts'
import { middleware, serveFiles, shortcut } from '../../src/http/index.ts'
import type { Pool } from '../../src/index.ts'
import { everything, hashOf, MIB, sameBytes, until } from '../support/pinned-content.ts'
import { SEED } from '../support/seed.ts'
import { atEnd, openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import type { RawClient } from './raw-client.ts'
import { rawClient } from './raw-client.ts'

interface Served {
  readonly server: Server
  readonly port: number
  /** Targets that node:http has told of. */
  readonly told: string[]
}

interface How {
  readonly options?: FilesOptions
  readonly server?: ServerOptions
  readonly isShortened?: boolean
  readonly around?: (files: RequestListener) => RequestListener
}

async function served(t: TestContext, pool: Pool, how: How = {}): Promise<Served> {
  const { options, isShortened = true, around = (files) => files } = how
  const files = middleware(pool, options)
  const server = createServer(how.server ?? {}, around(files))
  const told: string[] = []
  server.prependListener('request', ({ url }) => void told.push(url!))
  if (isShortened) shortcut(server, files)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port, told }
}

const get = (target: string, more = ''): string => `GET ${target} HTTP/1.1\r\nhost: test\r\n${more}\r\n`
const withoutDate = (text: string): string => text.replaceAll(/\r\nDate: [^\r]*/g, '\r\nDate: now')
const nothingPinned = (pool: Pool): Promise<void> =>
  until('nothing is pinned', async () => (await pool.pins()).length === 0)
const SMALL = 'content of the file'

/** A connection on which the next plain request for the target takes the shortcut. */
async function warm(t: TestContext, { port, told }: Served, target = '/a'): Promise<RawClient> {
  const client = await rawClient(t, port)
  for (let nth = 0; nth < 3; nth++) await client.ask(get(target))
  told.length = 0
  return client
}

async function small(t: TestContext, how?: How): Promise<Served & { pool: Pool; client: RawClient }> {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', SMALL)
  const server = await served(t, pool, how)
  return { ...server, pool, client: await warm(t, server) }
}

test('a known file is answered before node:http tells of the request, byte for byte as it would be', async (t) => {
  const { pool, told, client } = await small(t)
  const long = await (await rawClient(t, (await served(t, pool, { isShortened: false })).port)).ask(get('/a'))
  for (const more of ['', 'user-agent: test\r\naccept: */*\r\nCookie: a=b\r\nConnection: keep-alive\r\n']) {
    const short = await client.ask(get('/a', more))
    assert.equal(withoutDate(short), withoutDate(long))
    assert.match(short, /\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/)
  }
  assert.deepEqual(told, [])
  const lower = (await client.ask(get('/a'))).toLowerCase()
  assert.ok(Math.abs(Date.parse(/\r\ndate: (?<date>[^\r]*)/.exec(lower)!.groups!['date']) - Date.now()) < 5000)
  await sleep(1100)
  const later = (await client.ask(get('/a'))).toLowerCase()
  assert.notEqual(later, lower, 'the date goes on')
  assert.deepEqual(told, [])
})

describe('node:http has the request', () => {
  const asked: Record<string, string> = {
    'of another method': get('/a').replace('GET', 'HEAD'),
    'of HTTP/1.0': get('/a', 'connection: keep-alive\r\n').replace('1.1', '1.0'),
    'that ends the connection': get('/a', 'connection: close\r\n'),
    'without a Host': 'GET /a HTTP/1.1\r\n\r\n',
    'with two Hosts': get('/a', 'Host: other\r\n'),
    'with a body': get('/a', 'content-length: 2\r\n') + 'ab',
    'with a chunked body': get('/a', 'transfer-encoding: chunked\r\n') + '0\r\n\r\n',
    'for a part': get('/a', 'range: bytes=1-2\r\n'),
    'with a condition': get('/a', 'If-None-Match: *\r\n'),
    'with another condition': get('/a', 'if-modified-since: Sat, 28 Nov 2099 10:00:00 GMT\r\n'),
    'of somebody known': get('/a', 'authorization: Bearer x\r\n'),
    'that waits': get('/a', 'expect: 100-continue\r\n'),
    'for another target that leads to the same': get('/%61'),
    'with a query': get('/a?b'),
    'with the whole address': get('http://test/a'),
  }
  for (const [name, text] of Object.entries(asked)) {
    test(name, async (t) => {
      const { pool, told, client } = await small(t)
      const bare = await rawClient(t, (await served(t, pool, { isShortened: false })).port)
      await bare.ask(get('/a'))
      const expected = await bare.exchange(Buffer.from(text), 50)
      assert.equal(
        withoutDate((await client.exchange(Buffer.from(text), 50)).toString()),
        withoutDate(expected.toString()),
      )
      if (name !== 'without a Host') assert.equal(told.length, 1)
    })
  }

  test('that is the first of a connection', async (t) => {
    const { port, told } = await small(t)
    await (await rawClient(t, port)).ask(get('/a'))
    assert.deepEqual(told, ['/a'])
  })

  const servers: Record<string, How> = {
    'where each response has fields of its own': {
      options: { setHeaders: (headers) => void headers.set('x-own', '1') },
    },
    'where others have set fields': {
      around: (files) => (request, response) => {
        response.setHeader('x-other', '1')
        files(request, response)
      },
    },
  }
  for (const [name, how] of Object.entries(servers)) {
    test(name, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/a', SMALL)
      const server = await served(t, pool, how)
      const client = await warm(t, server)
      await client.ask(get('/a'))
      assert.deepEqual(server.told, ['/a'])
    })
  }

  test('where a connection may have only so many', async (t) => {
    const { server, told, client } = await small(t)
    await client.ask(get('/a'))
    assert.deepEqual(told, [])
    server.maxRequestsPerSocket = 100
    await client.ask(get('/a'))
    assert.deepEqual(told, ['/a'])
  })

  test('where others had changed the target when the handler was asked for it', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/a', SMALL)
    const server = await served(t, pool, {
      around: (files) => (request, response) => {
        if (request.url === '/a') return void response.writeHead(403, { 'content-length': 0 }).end()
        request.url = '/a'
        files(request, response)
      },
    })
    const client = await warm(t, server, '/b')
    assert.match(await client.ask(get('/b')), /^HTTP\/1\.1 200 /)
    assert.match(await client.ask(get('/a')), /^HTTP\/1\.1 403 /)
    assert.deepEqual(server.told, ['/b', '/a'])
  })

  test('below a path, where the handler is asked for what is left of it', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/a', SMALL)
    const files = middleware(pool)
    const app = express()
      .disable('x-powered-by')
      .use('/below', files)
      .use((_, response) => void response.send('something else'))
    const server = createServer(app as RequestListener).listen(0, '127.0.0.1')
    shortcut(server, files)
    await once(server, 'listening')
    atEnd(t, () => {
      server.closeAllConnections()
      server.close()
    })
    const client = await rawClient(t, (server.address() as AddressInfo).port)
    for (let nth = 0; nth < 4; nth++) assert.match(await client.ask(get('/below/a')), /content of the file$/)
    assert.match(await client.ask(get('/a')), /something else$/)
  })
})

test('random heads, whole and in pieces, alone and behind each other, are answered as without the shortcut', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', SMALL)
  await pool.writeFile('/b', SMALL.repeat(9))
  const sides = [await served(t, pool), await served(t, pool, { isShortened: false })] as const
  for (const side of sides) for (const target of ['/a', '/b']) await warm(t, side, target)
  let shortened = 0
  const field = fc.constantFrom(
    ...['host: test', 'accept: */*', 'range: bytes=0-3', 'content-length: 3', 'content-length: 0', 'connection: close'],
    ...[
      'transfer-encoding: chunked',
      'connection: upgrade',
      'upgrade: x',
      'expect: 100-continue',
      'x: \u00e9',
      'y',
      ' z: 1',
    ],
    ...[
      'if-none-match: "x"',
      'connection: keep-alive',
      'keep-alive: 1',
      'Host:',
      'host : test',
      'a:b:c',
      'te: trailers',
    ],
  )
  const line = fc.constantFrom(
    'GET /a HTTP/1.1',
    'GET /b HTTP/1.1',
    'HEAD /a HTTP/1.1',
    'GET /a HTTP/1.0',
    'GET  /a HTTP/1.1',
    'get /a HTTP/1.1',
    'POST /a HTTP/1.1',
    'GET /a',
    'GET /none HTTP/1.1',
  )
  const usual = fc.constant(get('/a'))
  const odd = fc
    .tuple(
      line,
      fc.array(field, { maxLength: 4 }),
      fc.constantFrom('\r\n', '\r\n', '\r\n', '\n'),
      fc.constantFrom('', '', 'abc', '0\r\n\r\n'),
    )
    .map(([first, fields, end, body]) => [first, 'host: test', ...fields, '', ''].join(end) + body)
  const mutated = fc
    .tuple(
      fc.oneof(usual, odd),
      fc.nat(),
      fc.constantFrom('', '\0', '\r', '\n', ' ', ':', '\r\n', '\u00ff', '\t'),
      fc.nat(2),
    )
    .map(
      ([text, at, piece, removed]) =>
        text.slice(0, at % text.length) + piece + text.slice((at % text.length) + removed),
    )
  const chunk = fc.array(fc.oneof(usual, usual, odd, mutated), { minLength: 1, maxLength: 4 })
  const exchanges = fc.sample(fc.tuple(chunk, fc.nat()), {
    seed: SEED,
    numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 200),
  })
  const outcome = async (
    { port }: Served,
    [texts, cut]: [string[], number],
  ): Promise<{ answers: string; isOpen: boolean }> => {
    const client = await rawClient(t, port)
    await client.ask(get('/a'))
    const bytes = Buffer.from(texts.join(''), 'latin1')
    const at = cut % 3 === 0 ? cut % bytes.length : bytes.length
    const parts = [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0)
    let answers = ''
    for (const part of parts) answers += (await client.exchange(part, 40)).toString('latin1')
    const isOpen = !client.socket.closed && client.socket.readable
    client.socket.destroy()
    return { answers: withoutDate(answers), isOpen }
  }
  for (let at = 0; at < exchanges.length; at += 20) {
    await Promise.all(
      exchanges.slice(at, at + 20).map(async (each): Promise<void> => {
        const [short, long] = await Promise.all(sides.map((side) => outcome(side, each)))
        if (long.isOpen) return assert.deepEqual(short, long, JSON.stringify(each))
        // For a broken request node:http takes back what of the same turn is still in its queue, and says 400 if that was all.
        const [fewer, more] = [short, long]
          .map(({ answers }) => answers.replace(/HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/, ''))
          .toSorted((a, b) => a.length - b.length)
        assert.ok(!short.isOpen && more.startsWith(fewer), JSON.stringify([each, short, long]))
      }),
    )
  }
  shortened = sides[1].told.length - sides[0].told.length
  assert.ok(shortened > exchanges.length / 4, `${shortened} of ${exchanges.length} took the shortcut`)
})

for (const who of ['another participant', 'this one'] as const) {
  test(`what is sent is the file as it is, while ${who} changes it in every way`, async (t) => {
    const { pool, told, client } = await small(t)
    const other = who === 'this one' ? pool : await openedAgain(t, pool)
    const changes: (() => Promise<unknown>)[] = [
      () => other.writeFile('/a', 'CONTENT', { flags: 'r+' }),
      () => other.writeFile('/a', 'more', { flags: 'a' }),
      () => other.truncate('/a', 3),
      () => other.writeFile('/n', 'another').then(() => other.rename('/n', '/a')),
    ]
    for (const change of changes) {
      for (let nth = 0; nth < 3; nth++) await client.ask(get('/a'))
      told.length = 0
      await client.ask(get('/a'))
      assert.deepEqual(told, [])
      await change()
      const [, body] = (await client.ask(get('/a'))).split('\r\n\r\n')
      assert.equal(body, (await pool.readFile('/a')).toString())
    }
    await other.unlink('/a')
    assert.match(await client.ask(get('/a')), /^HTTP\/1\.1 404 /)
  })
}

describe('a client that does not take all at once', () => {
  const BYTES = 16 * MIB
  const IMPATIENT = { keepAliveTimeout: 1000, keepAliveTimeoutBuffer: 0 }

  async function slow(t: TestContext, how?: How): Promise<Served & { pool: Pool; content: Buffer; client: RawClient }> {
    const pool = await temporaryPool(t, { sizeBytes: 4 * BYTES })
    const content = randomBytes(BYTES)
    await pool.writeFile('/big', content)
    await pool.writeFile('/a', SMALL)
    const server = await served(t, pool, how)
    const client = await warm(t, server, '/big')
    for (let nth = 0; nth < 3; nth++) await client.ask(get('/a'))
    await nothingPinned(pool)
    server.told.length = 0
    return { ...server, pool, content, client }
  }

  /** Sends, and reads nothing until the result is called. */
  async function half(pool: Pool, { socket }: RawClient, text = get('/big')): Promise<() => Promise<Buffer>> {
    socket.removeAllListeners('data')
    socket.pause()
    socket.write(text)
    await until('it is being sent', async () => (await pool.pins()).some(({ path }) => path === '/big'))
    return () => everything(socket)
  }

  test('has the file as it was at its first byte, whole, and its pin ends with the last', async (t) => {
    const { pool, told, content, client } = await slow(t)
    const rest = await half(pool, client, get('/big') + get('/a', 'connection: close\r\n'))
    assert.deepEqual(told, [])
    assert.equal((await pool.pins()).length, 1)
    await pool.writeFile('/big', 'changed', { flags: 'r+' })
    await pool.truncate('/big', 5)
    const all = await rest()
    const start = all.indexOf('\r\n\r\n') + 4
    sameBytes(all.subarray(start, start + BYTES), content)
    const next = all.subarray(start + BYTES).toString()
    assert.match(next, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\ncontent of the file$/, 'the next request waited')
    await nothingPinned(pool)
  })

  test('and asks for more waits for it, in order, also by the shortcut', async (t) => {
    const { pool, told, client } = await slow(t)
    const rest = await half(
      pool,
      client,
      get('/big') + get('/a') + get('/none') + get('/a') + get('/a', 'connection: close\r\n'),
    )
    const all = await rest()
    const start = all.indexOf('\r\n\r\n') + 4 + BYTES
    const status = [...all.toString('latin1', start).matchAll(/HTTP\/1\.1 (?<status>\d+) /g)].map(
      ({ groups }) => groups!['status'],
    )
    assert.deepEqual(status, ['200', '404', '200', '200'])
    assert.ok(!told.includes('/big'))
    assert.equal(told[0], '/none', 'the first is sent by the shortcut')
  })

  test('and asks for much more has it all', async (t) => {
    const { pool, client } = await slow(t)
    const count = 1000
    const rest = await half(pool, client, get('/big') + get('/a').repeat(count) + get('/a', 'connection: close\r\n'))
    const all = (await rest()).subarray(BYTES)
    assert.equal(all.toString('latin1').split(SMALL).length, count + 2)
    await nothingPinned(pool)
  })

  test('and asks for more than can wait is cut off', async (t) => {
    const { pool, client } = await slow(t)
    const { socket } = client
    socket.pause()
    socket.write(get('/big') + get('/a').repeat(40_000))
    await sleep(300)
    await nothingPinned(pool)
  })

  test('and holds back too much of what has left its file is cut off', async (t) => {
    const { pool, content, client } = await slow(t, { options: { hold: { heldBackBytes: MIB, copyBytes: 0 } } })
    const rest = await half(pool, client)
    await pool.truncate('/big', 0)
    await nothingPinned(pool)
    const all = await rest()
    const body = all.subarray(all.indexOf('\r\n\r\n') + 4)
    assert.ok(body.length < BYTES)
    sameBytes(body, content.subarray(0, body.length))
  })

  test('is given as long for its next request as others', async (t) => {
    const { pool, client } = await slow(t, { server: IMPATIENT })
    const rest = await half(pool, client)
    const all = rest()
    await until('its connection is closed', () => client.socket.readableEnded)
    await all
  })

  test('and vanishes takes its pin along', async (t) => {
    const { pool, client } = await slow(t)
    await half(pool, client)
    assert.equal((await pool.pins()).length, 1)
    client.socket.resetAndDestroy()
    await nothingPinned(pool)
  })

  test('is not cut off as idle, neither by a server that closes nor after the time that connections are kept', async (t) => {
    const { pool, server, content, client } = await slow(t, { server: IMPATIENT })
    const rest = await half(pool, client, get('/big'))
    server.close()
    await sleep(2500)
    const all = rest()
    const closed = once(server, 'close')
    await sleep(100)
    server.closeIdleConnections()
    const body = await all
    assert.equal(hashOf(body.subarray(body.indexOf('\r\n\r\n') + 4)), hashOf(content))
    client.socket.destroy()
    await closed
  })
})

test('a connection is closed when it was idle for as long as without the shortcut, and not before', async (t) => {
  const server = { keepAliveTimeout: 300, keepAliveTimeoutBuffer: 0 }
  const { told, client } = await small(t, { server })
  for (let nth = 0; nth < 5; nth++) {
    await sleep(100)
    await client.ask(get('/a'))
  }
  assert.deepEqual(told, [])
  const start = performance.now()
  await once(client.socket, 'close')
  const ms = performance.now() - start
  assert.ok(ms > 250 && ms < 2000, `${ms} ms`)
})

test('half a head is given as long as without the shortcut', async (t) => {
  const server = { headersTimeout: 200, requestTimeout: 200, connectionsCheckingInterval: 50, keepAliveTimeout: 60_000 }
  const { client } = await small(t, { server })
  await client.ask(get('/a'))
  const answer = await client.exchange(Buffer.from('GET /a HTTP/1.1\r\n'), 1000)
  assert.match(answer.toString(), /^HTTP\/1\.1 408 /)
})

test('a server that is closed closes connections that wait for their next request', async (t) => {
  const { server, client } = await small(t)
  await client.ask(get('/a'))
  server.close()
  await Promise.all([once(server, 'close'), once(client.socket, 'close')])
})

test('a pool that is closed answers nothing more, and can be closed when all is sent', async (t) => {
  const { pool, client, told } = await small(t)
  for (let nth = 0; nth < 20; nth++) await client.ask(get('/a'))
  await pool.close()
  assert.match(await client.ask(get('/a')), /^HTTP\/1\.1 503 /)
  assert.deepEqual(told, ['/a'])
})

test('files that were sent by hono are answered by it too', async (t) => {
  const { createAdaptorServer } = await import('@hono/node-server')
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', SMALL)
  const files = serveFiles(pool)
  const server = createAdaptorServer({ fetch: new Hono().use(files).fetch }) as Server
  shortcut(server, files)
  const told: unknown[] = []
  server.on('request', ({ url }) => void told.push(url))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    server.closeAllConnections()
    server.close()
  })
  const client = await rawClient(t, (server.address() as AddressInfo).port)
  const answers = new Set<string>()
  for (let nth = 0; nth < 6; nth++) answers.add(withoutDate(await client.ask(get('/a'))))
  assert.equal(answers.size, 1)
  assert.equal(told.length, 3)
})

test('a connection that is no socket of the system is left to node:http', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', SMALL)
  const { server, told } = await served(t, pool)
  const [near, far] = duplexPair()
  server.emit('connection', near)
  for (let nth = 0; nth < 4; nth++) {
    far.write(get('/a'))
    const answer: string[] = []
    far.on('data', (chunk: Buffer) => void answer.push(chunk.toString()))
    await until('it is answered', () => answer.join('').endsWith(SMALL))
    far.removeAllListeners('data')
  }
  assert.equal(told.length, 4)
  far.destroy()
})

test('it is refused for anything else', async (t) => {
  const pool = await temporaryPool(t)
  const files = middleware(pool)
  assert.throws(() => shortcut(createSecureServer(), files), TypeError)
  for (const other of [undefined, () => undefined, {}])
    assert.throws(() => shortcut(createServer(), other as never), TypeError)
})
