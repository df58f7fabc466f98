/** Responses whose clients are slow, or go away, while their file is changed in every way. */
import { Hono } from 'hono'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FilesOptions } from '../../src/http/index.ts'
import { middleware, serveFiles } from '../../src/http/index.ts'
import { openPool } from '../../src/index.ts'
import type { Pool, ResponseLimitMessage } from '../../src/index.ts'
import { everything, hashOf, MIB, sameBytes, until } from '../support/pinned-content.ts'
import { atEnd, BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import { asking, listening } from './front-ends.ts'

/** More than the buffers of both sockets take. */
const BYTES = 16 * MIB

/** Asks, and reads no more than the header until it is told to. */
async function slowClient(
  t: TestContext,
  port: number,
  path: string,
): Promise<{ socket: Socket; rest: () => Promise<Buffer> }> {
  const socket = connect({ port, host: '127.0.0.1' })
  atEnd(t, () => socket.destroy())
  socket.on('error', () => undefined)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n`)
  await once(socket, 'readable')
  const first = socket.read() as Buffer
  socket.pause()
  const end = first.indexOf('\r\n\r\n') + 4
  assert.match(first.toString('latin1', 0, end), /^HTTP\/1\.1 200 OK\r\n/)
  return { socket, rest: async () => Buffer.concat([first.subarray(end), await everything(socket)]) }
}

async function served(
  t: TestContext,
  options: FilesOptions = {},
  sizeBytes = 4 * BYTES,
): Promise<{ pool: Pool; port: number; content: Buffer; errors: unknown[] }> {
  const pool = await temporaryPool(t, { sizeBytes })
  const content = randomBytes(BYTES)
  await pool.writeFile('/big', content)
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)
  return { pool, port: await listening(t, middleware(pool, { onError, ...options })), content, errors }
}

/** Which responses meet a limit from now on. */
function told(t: TestContext): ResponseLimitMessage[] {
  const messages: ResponseLimitMessage[] = []
  const listener = (message: unknown): void => void messages.push(message as ResponseLimitMessage)
  subscribe('holdfast:response-limit', listener)
  t.after(() => unsubscribe('holdfast:response-limit', listener))
  return messages
}

const nothingPinned = (pool: Pool): Promise<void> =>
  until('nothing is pinned', async () => (await pool.pins()).length === 0)

const changes: Record<string, (pool: Pool) => Promise<unknown>> = {
  truncates: (pool) => pool.truncate('/big', 0),
  'cuts in the middle': (pool) => pool.truncate('/big', BYTES / 2 + 1000),
  overwrites: async (pool) => pool.writeFile('/big', Buffer.alloc(BYTES, 'x'), { flags: 'r+' }),
  punches: (pool) => pool.punchHole('/big', MIB, 8 * MIB),
  replaces: async (pool) => {
    await pool.writeFile('/new', Buffer.alloc(BYTES, 'y'))
    await pool.rename('/new', '/big')
  },
  unlinks: (pool) => pool.unlink('/big'),
}

for (const [busy, isKnown] of [
  ['sequester', false],
  ['sequester', true],
  ['fail', false],
  ['wait', true],
] as const) {
  const which = isKnown ? ', which was asked for before,' : ''
  describe(`promises 1, 4 and 10: under '${busy}' a slow client gets the file${which} as it was at its first byte`, () => {
    for (const [name, change] of Object.entries(changes)) {
      test(`whoever ${name} it`, async (t) => {
        const { pool, port, content, errors } = await served(t)
        await pool.configure('/big', { busy })
        const other = await openedAgain(t, pool)
        if (isKnown) await asking(port)('/big', { method: 'HEAD' })
        const { rest } = await slowClient(t, port, '/big')
        assert.equal((await pool.pins()).length, 1)
        const isInPlace = name === 'overwrites'
        const changed = change(other)
        if (busy === 'fail' && !isInPlace) await assert.rejects(changed, { code: 'EBUSY' })
        else if (busy === 'sequester' || isInPlace) await changed
        const body = await rest()
        assert.equal(hashOf(body), hashOf(content))
        if (busy === 'wait') await changed
        await nothingPinned(pool)
        assert.deepEqual(errors, [])
        assert.deepEqual(await pool.check(), [])
      })
    }
  })
}

test('a client that vanishes takes its pin along', async (t) => {
  const { pool, port } = await served(t)
  const clients: Awaited<ReturnType<typeof slowClient>>[] = []
  // One by one: those that are read in one turn of the event loop share a pin.
  for (let nth = 0; nth < 5; nth++) clients.push(await slowClient(t, port, '/big'))
  assert.equal((await pool.pins()).length, 5)
  for (const [index, { socket }] of clients.entries()) {
    if (index % 2 === 0) socket.resetAndDestroy()
    else socket.destroy()
  }
  await nothingPinned(pool)
})

describe('promise 4: a client that takes too long', () => {
  const hold = { graceMs: 200, bytesPerSecond: 1e9 }

  test('gets a small rest from a copy, and the blocks are let go', async (t) => {
    const { pool, port, content } = await served(t, { hold: { ...hold, copyBytes: BYTES, copiesBytes: BYTES } })
    const { rest } = await slowClient(t, port, '/big')
    await nothingPinned(pool)
    await pool.truncate('/big', 0, { busy: 'fail' })
    sameBytes(await rest(), content)
  })

  test('is cut off where the rest is large', async (t) => {
    const { pool, port, content, errors } = await served(t, { hold: { ...hold, copyBytes: MIB } })
    const { rest } = await slowClient(t, port, '/big')
    await nothingPinned(pool)
    const body = await rest()
    assert.ok(body.length < content.length)
    sameBytes(body, content.subarray(0, body.length))
    assert.deepEqual(errors, [], 'that is the fault of nobody here')
  })

  test('and finds the room for copies taken by others is cut off too', async (t) => {
    const { pool, port } = await served(t, { hold: { ...hold, copyBytes: BYTES, copiesBytes: BYTES + MIB } })
    const clients = [await slowClient(t, port, '/big'), await slowClient(t, port, '/big')]
    await nothingPinned(pool)
    const bodies = await Promise.all(clients.map(({ rest }) => rest()))
    assert.equal(bodies.filter(({ length }) => length === BYTES).length, 1)
    const { rest } = await slowClient(t, port, '/big')
    await nothingPinned(pool)
    assert.equal((await rest()).length, BYTES, 'the room is given back')
  })

  test('and is a stream that nobody reads is ended', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/a', 'a'.repeat(100_000))
    const app = new Hono().use(serveFiles(pool, { hold }))
    const response = await app.request('/a')
    assert.equal((await pool.pins()).length, 1)
    await nothingPinned(pool)
    await assert.rejects(response.text(), { name: 'TimeoutError' })
    const cancelled = await app.request('/a')
    await cancelled.body!.cancel()
    assert.deepEqual(await pool.pins(), [])
  })

  test('has more time for more bytes, and all the time with 0', async (t) => {
    const { pool, port, content } = await served(t, { hold: { graceMs: 0, bytesPerSecond: 0 } })
    const { rest } = await slowClient(t, port, '/big')
    await sleep(500)
    assert.equal((await pool.pins()).length, 1)
    sameBytes(await rest(), content)
  })
})

describe('promise 4: a client that holds back what has left its file', () => {
  const hold = { graceMs: 0, bytesPerSecond: 0, copyBytes: MIB }
  /** Leaves so many bytes of the pool to be had, and takes all others that nobody holds. */
  const fill = async (pool: Pool, bytes: number): Promise<void> => {
    await pool.reap()
    await pool.writeFile('/filler', Buffer.alloc((await pool.stats()).availableBytes - bytes))
    await pool.reap()
  }

  test('is cut off when that is more than it may, and sees it', async (t) => {
    const { pool, port, errors } = await served(t, { hold: { ...hold, heldBackBytes: 4 * MIB } })
    await pool.writeFile('/other', randomBytes(BYTES))
    const messages = told(t)
    const asked = request({ port, host: '127.0.0.1', path: '/big', agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    const failed = once(response, 'error')
    const other = await slowClient(t, port, '/other')
    await pool.truncate('/big', BYTES - 4 * MIB)
    await sleep(1500)
    assert.equal((await pool.pins()).length, 2, 'so much it may')
    await pool.truncate('/big', 0)
    await until('one is cut off', async () => (await pool.pins()).length === 1)
    response.resume()
    const [error] = (await failed) as [NodeJS.ErrnoException]
    assert.deepEqual([error.code, response.complete], ['ECONNRESET', false])
    assert.deepEqual(
      messages.map(({ limit, outcome, pool: path }) => [limit, outcome, path]),
      [['held-back', 'aborted', pool.path]],
    )
    assert.equal((await other.rest()).length, BYTES)
    assert.deepEqual(errors, [])
  })

  test('gets a small rest from a copy', async (t) => {
    const copies = { copyBytes: BYTES, copiesBytes: BYTES, heldBackBytes: 0 }
    const { pool, port, content } = await served(t, { hold: { ...hold, ...copies } })
    const messages = told(t)
    const { rest } = await slowClient(t, port, '/big')
    await pool.unlink('/big')
    await nothingPinned(pool)
    sameBytes(await rest(), content)
    assert.equal(messages[0].outcome, 'copied')
    assert.equal(messages[0].sentBytes + messages[0].leftBytes, BYTES)
  })

  test('may hold back a quarter of the pool unless told otherwise', async (t) => {
    const { pool, port } = await served(t, { hold }, 4 * BYTES - BLOCK)
    const { rest } = await slowClient(t, port, '/big')
    await pool.unlink('/big')
    await nothingPinned(pool)
    assert.ok((await rest()).length < BYTES)
  })

  for (const who of ['another participant', 'a PUT']) {
    test(`gives way when ${who} finds no space`, async (t) => {
      const { pool, port, content } = await served(t, { hold, write: { maxBytes: 2 * BYTES } })
      const { rest } = await slowClient(t, port, '/big')
      await pool.unlink('/big')
      const messages = told(t)
      await fill(pool, 8 * MIB)
      assert.equal((await pool.pins()).length, 1, 'there was room')
      const more = Buffer.alloc(BYTES - MIB, 'more')
      if (who === 'a PUT') {
        const { status } = await asking(port)('/more', { method: 'PUT', body: more })
        assert.equal(status, 201)
      } else {
        const other = await openedAgain(t, pool)
        await other.writeFile('/more', more)
      }
      sameBytes(await pool.readFile('/more'), more)
      assert.deepEqual(
        messages.map(({ limit, outcome }) => [limit, outcome]),
        [['space', 'aborted']],
      )
      const body = await rest()
      assert.ok(body.length < BYTES)
      sameBytes(body, content.subarray(0, body.length))
      assert.deepEqual(await pool.check(), [])
    })
  }

  test('gives way when it is slower than others, and only then', async (t) => {
    const { pool, port } = await served(t, { hold })
    const clients: Awaited<ReturnType<typeof slowClient>>[] = []
    for (const version of [1, 2]) {
      const content = Buffer.alloc(BYTES, version)
      await pool.writeFile('/new', content)
      await pool.rename('/new', '/big')
      clients.push(await slowClient(t, port, '/big'))
    }
    await pool.unlink('/big')
    const [slow, quick] = clients
    // By now both have the same time; this one takes 8 MiB of it.
    quick.socket.resume()
    const part: Buffer[] = []
    let taken = 0
    quick.socket.on('data', (bytes: Buffer) => {
      part.push(bytes)
      taken += bytes.length
      if (taken > BYTES / 2) quick.socket.pause()
    })
    await until('half is there', () => taken > BYTES / 2)
    await fill(pool, 4 * MIB)
    await pool.writeFile('/more', Buffer.alloc(8 * MIB))
    assert.equal((await pool.pins()).length, 1)
    assert.ok((await slow.rest()).length < BYTES)
    quick.socket.removeAllListeners('data')
    const rest = await everything(quick.socket)
    assert.ok(Buffer.concat([...part, rest]).length > BYTES - MIB, 'the quick one got the rest')
  })

  test('keeps its blocks while it is young, and for what another one holds as well', async (t) => {
    const { pool, port, content } = await served(t, { hold: { ...hold, graceMs: 60_000 } })
    const young = await slowClient(t, port, '/big')
    await pool.unlink('/big')
    await fill(pool, 4 * MIB)
    await assert.rejects(pool.writeFile('/more', Buffer.alloc(8 * MIB)), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'ENOSPC')
      return (error as { holders?: unknown[] }).holders?.length === 1
    })
    sameBytes(await young.rest(), content)

    await pool.unlink('/filler')
    await pool.unlink('/more')
    await pool.writeFile('/big', content)
    const old = await listening(t, middleware(pool, { hold }))
    const slow = await slowClient(t, old, '/big')
    const file = await pool.open('/big')
    using pin = await file.pin({ offset: MIB, length: BLOCK, mode: 'read' })
    await file.close()
    await pool.unlink('/big')
    await fill(pool, 4 * MIB)
    await assert.rejects(pool.writeFile('/more', Buffer.alloc(8 * MIB)), { code: 'ENOSPC' })
    assert.ok(pin.isHeld)
    sameBytes(await slow.rest(), content)
  })
})

test('promise 4: a copy of a whole file, where nothing can be pinned, has its time too', async (t) => {
  const { pool } = await served(t)
  const reader = await openPool(pool.path, { readOnly: true })
  atEnd(t, () => reader.close())
  const port = await listening(t, middleware(reader, { hold: { graceMs: 200, bytesPerSecond: 1e9, copyBytes: MIB } }))
  const messages = told(t)
  const { rest } = await slowClient(t, port, '/big')
  await until('its time is over', () => messages.length > 0)
  assert.deepEqual([messages[0].limit, messages[0].outcome], ['time', 'aborted'])
  assert.ok((await rest()).length < BYTES)
})

test('200 slow clients cost little memory and leave the pool writable', async (t) => {
  const { pool, port, content } = await served(t)
  const first = await slowClient(t, port, '/big')
  const before = process.memoryUsage()
  const clients: Awaited<ReturnType<typeof slowClient>>[] = []
  for (let nth = 0; nth < 200; nth++) clients.push(await slowClient(t, port, '/big'))
  assert.equal((await pool.pins()).length, 201)
  const grown = process.memoryUsage().external - before.external
  // Of ours 16 KiB each; the clients, which are of this process too, have read up to 64 KiB each.
  assert.ok(grown < 200 * 200_000, `grew by ${grown}`)
  await pool.writeFile('/more', Buffer.alloc(MIB))
  await changes['replaces'](pool)
  sameBytes(await clients[7].rest(), content)
  for (const { socket } of [first, ...clients]) socket.destroy()
  await nothingPinned(pool)
})

test('requests in a row on one connection, read slowly, are answered in their order', async (t) => {
  const { pool, port, content } = await served(t)
  await pool.writeFile('/small', 'small')
  const socket = connect(port, '127.0.0.1')
  atEnd(t, () => socket.destroy())
  const ask = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nhost: test\r\n${more}\r\n`
  socket.write(ask('/big') + ask('/small') + ask('/none') + ask('/small', 'connection: close\r\n'))
  await sleep(100)
  const all = await everything(socket)
  const heads = [...all.toString('latin1').matchAll(/HTTP\/1\.1 (?<status>\d+) /g)].map(
    ({ groups }) => groups?.['status'],
  )
  assert.deepEqual(heads, ['200', '200', '404', '200'])
  const start = all.indexOf('\r\n\r\n') + 4
  sameBytes(all.subarray(start, start + BYTES), content)
  await nothingPinned(pool)
})

test('a pool that is closed by force in the middle of a response ends with it, and answers nothing more', async (t) => {
  const { pool, port, content, errors } = await served(t)
  const { rest } = await slowClient(t, port, '/big')
  await pool.close({ force: true })
  sameBytes(await rest(), content)
  assert.deepEqual(errors, [])
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /big HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n')
  assert.match((await everything(socket)).toString(), /^HTTP\/1\.1 503 /)
  assert.equal(errors.length, 1)
})
