/** Pins written to HTTP messages, which can be closed without ever calling a write back. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, RequestOptions, Server, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { sharedProcess } from '../support/participants.ts'
import {
  everything,
  MIB,
  nothingPinned,
  pinnedContent,
  sameBytes,
  someTurns,
  stateOf,
  take,
  until,
} from '../support/pinned-content.ts'
import { checkFilled, checkSound } from '../support/stamps.ts'
import { BLOCK } from '../support/temporary-pool.ts'

type Exchange = [request: IncomingMessage, response: ServerResponse]

async function serve(t: TestContext): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** A request by hand, whose answer is read when the test says so. */
async function ask(
  t: TestContext,
  server: Server,
  port: number,
  text: string,
): Promise<{ socket: Socket; exchange: Exchange }> {
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.on('error', () => undefined)
  t.after(() => socket.destroy())
  const asked = once(server, 'request') as Promise<Exchange>
  socket.write(text)
  return { socket, exchange: await asked }
}

const GET = 'GET / HTTP/1.1\r\nHost: test\r\n\r\n'
const MORE_THAN_FITS = 16 * MIB

describe('pins written to HTTP messages', { concurrency: 1 }, async () => {
  const other = await sharedProcess()

  for (const headers of [{}, { 'content-length': String(MIB) }, { connection: 'close' }]) {
    test(`a response carries scattered pins in order, with ${JSON.stringify(headers)}`, async (t) => {
      const { pool, pin, content } = await pinnedContent(t, MIB, { isScattered: true })
      const { server, port } = await serve(t)
      server.on('request', (_, response: ServerResponse) => {
        response.writeHead(200, headers)
        void pin.writeTo(response)
        response.end()
      })
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      t.after(() => agent.destroy())
      for (let round = 0; round < 3; round++) {
        const get = request({ port, agent } as RequestOptions).end()
        const [response] = (await once(get, 'response')) as [IncomingMessage]
        sameBytes(await everything(response), content)
      }
      pin.release()
      await nothingPinned(pool)
    })
  }

  test('a response is not copied: what is written into queued blocks arrives', async (t) => {
    const { pin, content } = await pinnedContent(t, MORE_THAN_FITS)
    const { server, port } = await serve(t)
    const { socket, exchange } = await ask(t, server, port, GET)
    exchange[1].writeHead(200, { 'content-length': content.length })
    const writing = pin.writeTo(exchange[1])
    pin.buffer.fill(0xee, content.length - 64)
    const head = await take(socket, 10)
    const received = everything(socket)
    await writing
    exchange[1].end()
    socket.end()
    const text = Buffer.concat([head, await received])
    const body = text.subarray(text.indexOf('\r\n\r\n') + 4)
    sameBytes(body, Buffer.concat([content.subarray(0, -64), Buffer.alloc(64, 0xee)]))
  })

  test('promise 1: sendTo gives a slow client what was pinned in time, although the file goes and the pool is filled', async (t) => {
    const { pool, file, pin, content } = await pinnedContent(t, 12 * MIB, { busy: 'sequester' })
    pin.release()
    const { server, port } = await serve(t)
    const { socket, exchange } = await ask(t, server, port, GET)
    exchange[1].writeHead(200, { connection: 'close' }).flushHeaders()
    const sending = file.sendTo(exchange[1])
    await until('a window is pinned', async () => (await pool.pins()).length > 0)
    await other.attach(pool)
    await other.run(async (here) => {
      await here.pool.unlink('/pinned')
      return here.data.fillPool(here.pool)
    })
    const head = await take(socket, 10)
    const received = everything(socket)
    const sent = await sending
    exchange[1].end()
    const text = Buffer.concat([head, await received])
    assert.equal(sent, content.length, 'an open file keeps its content')
    const chunked = text.subarray(text.indexOf('\r\n\r\n') + 4)
    assert.ok(chunked.length > content.length)
    assert.ok(chunked.includes(content.subarray(-MIB)), 'the last window arrived as it was')
    await file.close()
    await checkFilled(pool)
    await checkSound(pool)
  })

  test('promise 8: a client that goes away in the middle of a response fails the write, and the pin is let go', async (t) => {
    const { pool, pin } = await pinnedContent(t, MORE_THAN_FITS)
    const { server, port } = await serve(t)
    const { socket, exchange } = await ask(t, server, port, GET)
    const writing = pin.writeTo(exchange[1])
    await take(socket, 100)
    assert.equal((await pool.pins()).length, 1)
    socket.resetAndDestroy()
    await assert.rejects(writing, { code: 'ECONNRESET' })
    pin.release()
    await nothingPinned(pool)
  })

  for (const how of ['destroyed', 'aborted'] as const) {
    test(`promise 8: after a response was ${how} nothing of the blocks is sent any more`, async (t) => {
      const { pool, pin, content } = await pinnedContent(t, MORE_THAN_FITS, { isRevocable: false })
      const { server, port } = await serve(t)
      const { socket, exchange } = await ask(t, server, port, GET)
      exchange[1].writeHead(200, { 'content-length': content.length })
      const abort = new AbortController()
      const writing = pin.writeTo(exchange[1], { signal: abort.signal })
      const head = await take(socket, 10)
      if (how === 'destroyed') exchange[1].destroy()
      else abort.abort(new Error('enough'))
      await assert.rejects(writing, how === 'aborted' ? /enough/ : Error)
      assert.equal(exchange[1].destroyed, true)
      pin.buffers[0].fill(0xee)
      pin.release()
      await nothingPinned(pool)
      const text = Buffer.concat([head, await everything(socket)])
      const body = text.subarray(text.indexOf('\r\n\r\n') + 4)
      assert.ok(body.length > 0 && body.length < content.length)
      sameBytes(body, content.subarray(0, body.length))
    })
  }

  test('promise 8: a response that was destroyed before, in the same turn, or whose client is gone fails the write', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const { server, port } = await serve(t)
    const before = await ask(t, server, port, GET)
    before.exchange[1].destroy()
    await assert.rejects(pin.writeTo(before.exchange[1]), { code: 'ERR_STREAM_DESTROYED' })
    const socketGone = await ask(t, server, port, GET)
    socketGone.exchange[1].socket?.destroy()
    // Node.js drops such a write without a word.
    await assert.rejects(
      pin.writeTo(socketGone.exchange[1]),
      (error: NodeJS.ErrnoException) => error.code !== undefined,
    )
    const ended = await ask(t, server, port, GET)
    ended.exchange[1].end()
    await assert.rejects(pin.writeTo(ended.exchange[1]), { code: 'ERR_STREAM_WRITE_AFTER_END' })
    pin.release()
    await nothingPinned(pool)
  })

  test('more than the Content-Length is refused, and the pin is let go', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const { server, port } = await serve(t)
    const { exchange } = await ask(t, server, port, GET)
    exchange[1].strictContentLength = true
    exchange[1].writeHead(200, { 'content-length': 10 })
    await assert.rejects(pin.writeTo(exchange[1]), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    pin.release()
    await nothingPinned(pool)
  })

  test('promise 8: a response queued behind another one is sent in its turn, and nothing of it once it was destroyed', async (t) => {
    const { pool, pin, content } = await pinnedContent(t, BLOCK, { isRevocable: false })
    const { server, port } = await serve(t)
    const responses: ServerResponse[] = []
    server.on('request', (_, response: ServerResponse) => void responses.push(response))
    const { socket } = await ask(t, server, port, GET + GET + GET)
    await until('all three are there', () => responses.length === 3)
    const [first, second, third] = responses
    const [inTurn, destroyed] = [pin.writeTo(second), pin.writeTo(third)]
    const state = stateOf(destroyed)
    second.end()
    third.destroy()
    await until('the destroyed one has failed', () => state.isSettled)
    await assert.rejects(destroyed)
    first.end('first')
    await inTurn
    pin.buffers[0].fill(0xee)
    pin.release()
    await nothingPinned(pool)
    socket.end()
    const text = await everything(socket)
    assert.ok(text.includes(content), 'the second response is there')
    assert.equal(text.includes(Buffer.alloc(64, 0xee)), false, 'nothing that was written later is there')
  })

  test('promise 8: a pin for a response whose turn never comes is let go with the connection', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const { server, port } = await serve(t)
    const responses: ServerResponse[] = []
    server.on('request', (_, response: ServerResponse) => void responses.push(response))
    const { socket } = await ask(t, server, port, GET + GET)
    await until('both are there', () => responses.length === 2)
    const writing = pin.writeTo(responses[1])
    pin.release()
    socket.destroy()
    await assert.rejects(writing)
    await nothingPinned(pool)
  })

  test('a request carries a pin, from before it has a connection', async (t) => {
    const { pool, pin, content } = await pinnedContent(t, 2 * MIB, { isScattered: true })
    const { server, port } = await serve(t)
    const post = request({ port, method: 'POST' })
    const asked = once(server, 'request') as Promise<Exchange>
    const writing = pin.writeTo(post)
    const [incoming, response] = await asked
    const received = everything(incoming)
    assert.equal(await writing, content.length)
    post.end()
    sameBytes(await received, content)
    response.end()
    pin.release()
    await nothingPinned(pool)
  })

  test('a request that finds nobody fails the write, without an error that nobody hears', async (t) => {
    const { pool, pin } = await pinnedContent(t, 2 * MIB)
    const { server, port } = await serve(t)
    server.close()
    await once(server, 'close')
    const post = request({ port, method: 'POST' })
    await assert.rejects(pin.writeTo(post), { code: 'ECONNREFUSED' })
    pin.release()
    await nothingPinned(pool)
  })

  for (const how of ['sent', 'aborted'] as const) {
    test(`promise 8: a request that is upgraded, and closed thereby, holds the pin until its body is ${how}`, async (t) => {
      const { pool, pin, content } = await pinnedContent(t, MORE_THAN_FITS)
      const { server, port } = await serve(t)
      const headers = { connection: 'upgrade', upgrade: 'test', 'content-length': content.length }
      const post = request({ port, method: 'POST', headers })
      const [upgraded, asked] = [once(post, 'upgrade'), once(server, 'upgrade')]
      post.flushHeaders()
      const [near] = (await once(post, 'socket')) as [Socket]
      if (near.connecting) await once(near, 'connect')
      const abort = new AbortController()
      const writing = pin.writeTo(post, { signal: abort.signal })
      const state = stateOf(writing)
      pin.release()
      const [, far, head] = (await asked) as [IncomingMessage, Socket, Buffer]
      far.pause()
      far.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n')
      await upgraded
      await someTurns()
      assert.equal(post.closed, true)
      assert.equal(state.isSettled, false)
      assert.equal((await pool.pins()).length, 1)
      if (how === 'aborted') {
        abort.abort(new Error('enough'))
        await assert.rejects(writing, { message: 'enough' })
        assert.equal(near.destroyed, true)
        await nothingPinned(pool)
        far.destroy()
        return
      }
      const received = everything(far)
      assert.equal(await writing, content.length)
      near.end()
      sameBytes(Buffer.concat([head, await received]), content)
      far.destroy()
      await nothingPinned(pool)
    })
  }

  test('the body of a request fills a pin', async (t) => {
    const { pool, pin, content } = await pinnedContent(t, MIB)
    const { server, port } = await serve(t)
    const bytes = content.toReversed()
    const post = request({ port, method: 'POST' })
    const asked = once(server, 'request') as Promise<Exchange>
    post.end(Buffer.concat([bytes, Buffer.from('rest')]))
    const [incoming, response] = await asked
    assert.equal(await pin.readFrom(incoming), MIB)
    sameBytes(pin.buffer, bytes)
    assert.equal((await everything(incoming)).toString(), 'rest')
    response.end()
    pin.release()
    await nothingPinned(pool)
  })
})
