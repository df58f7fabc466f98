/** Pins and streams that are no socket: these get and give copies. Pipes of child processes, and sendTo. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { connect as connectSecure, createServer as createSecureServer } from 'node:tls'
import { createGzip, gunzipSync } from 'node:zlib'
import { makeFifo } from '../../src/platform/fifo.ts'
import { sharedProcess } from '../support/participants.ts'
import {
  connection,
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
import { BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

/** TLS without certificates. */
const secret = { psk: Buffer.alloc(32, 7), identity: 'test' }
const suites = { ciphers: 'PSK-AES256-GCM-SHA384:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const
const serverSecret = { ...suites, pskCallback: () => secret.psk }
const clientSecret = { ...suites, pskCallback: () => secret, checkServerIdentity: () => undefined }

async function secureConnection(t: TestContext): Promise<{ near: TLSSocket; far: TLSSocket }> {
  const server = createSecureServer(serverSecret).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connectSecure({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ...clientSecret })
  const [[far]] = (await Promise.all([once(server, 'secureConnection'), once(near, 'secureConnect')])) as [
    [TLSSocket],
    unknown,
  ]
  server.close()
  t.after(() => {
    near.destroy()
    far.destroy()
  })
  return { near, far }
}

describe('pins and streams', { concurrency: 1 }, () => {
  for (const isScattered of [false, true]) {
    test(`promise 8: a stream in JavaScript gets copies, which outlive the pin (${isScattered ? 'scattered' : 'contiguous'})`, async (t) => {
      const { pool, pin, content } = await pinnedContent(t, MIB, { isScattered })
      const kept: Buffer[] = []
      const keeper = new Writable({
        write(chunk: Buffer, _, callback) {
          kept.push(chunk)
          setImmediate(callback)
        },
      })
      assert.equal(await pin.writeTo(keeper), MIB)
      for (const view of pin.buffers) view.fill(0)
      pin.release()
      sameBytes(Buffer.concat(kept), content)
      await nothingPinned(pool)
    })
  }

  test('PassThrough, gzip, a file stream and HTTP/2 get what is pinned', async (t) => {
    const { pin, content } = await pinnedContent(t, MIB, { isScattered: true })
    const through = new PassThrough()
    const [received] = await Promise.all([allOf(through), pin.writeTo(through).then(() => through.end())])
    sameBytes(received, content, 'PassThrough')

    const gzip = createGzip({ level: 1 })
    const [zipped] = await Promise.all([allOf(gzip), pin.writeTo(gzip).then(() => gzip.end())])
    sameBytes(gunzipSync(zipped), content, 'gzip')

    const path = join(temporaryDirectory(t), 'file')
    const stream = createWriteStream(path)
    await pin.writeTo(stream)
    stream.end()
    await once(stream, 'close')
    sameBytes(await readFile(path), content, 'a file stream')

    const server = http2.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    server.once('stream', (answer) => void pin.writeTo(answer).then(() => answer.end()))
    sameBytes(await allOf(session.request()), content, 'an HTTP/2 stream')
    server.once('request', (_, response) => void pin.writeTo(response.stream).then(() => response.end()))
    sameBytes(await allOf(session.request()), content, 'an HTTP/2 response')
    session.close()
    server.close()
  })

  test('TLS and HTTPS get what is pinned, and give it', async (t) => {
    const { pin, content } = await pinnedContent(t, 2 * MIB, { isScattered: true })
    const { near, far } = await secureConnection(t)
    const { pin: goal } = await pinnedContent(t, 2 * MIB)
    const [read] = await Promise.all([goal.readFrom(far), pin.writeTo(near)])
    assert.equal(read, content.length)
    sameBytes(goal.buffer, content, 'TLS')
    far.write('rest')
    assert.equal((await take(near, 4)).toString(), 'rest')

    const server = https.createServer(serverSecret as https.ServerOptions).listen(0, '127.0.0.1')
    await once(server, 'listening')
    server.on('request', (_, response) => void pin.writeTo(response).then(() => response.end()))
    const { port } = server.address() as AddressInfo
    const get = https.get({ port, host: '127.0.0.1', agent: false, ...clientSecret } as https.RequestOptions)
    const [response] = (await once(get, 'response')) as [Readable]
    sameBytes(await everything(response), content, 'HTTPS')
    server.close()
  })

  test('a socket inside of another stream, and an HTTP response over one, get copies', async (t) => {
    const { pin, content } = await pinnedContent(t, MIB)
    const { near, far } = await connection(t, 'unix')
    const wrapped = Duplex.from({ readable: near, writable: near })
    wrapped.on('error', () => undefined)
    const received = everything(far)
    await pin.writeTo(wrapped)
    pin.buffer.fill(0)
    near.end()
    sameBytes(await received, content)
  })

  test('a slow stream is given one piece at a time', async (t) => {
    const { pin, content } = await pinnedContent(t, MIB)
    const waiting: (() => void)[] = []
    const lengths: number[] = []
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _, callback) {
        lengths.push(chunk.length)
        waiting.push(callback)
      },
    })
    const writing = stateOf(pin.writeTo(slow))
    for (let pieces = 1; !writing.isSettled; pieces++) {
      await someTurns()
      assert.equal(lengths.length, pieces)
      assert.ok(slow.writableLength <= 256 << 10)
      waiting.pop()?.()
      await someTurns()
    }
    assert.equal(
      lengths.reduce((sum, length) => sum + length, 0),
      content.length,
    )
  })

  test('an abort of a copy leaves the stream as it is, with whole pieces in it, and lets the pin go at once', async (t) => {
    const { pool, pin, content } = await pinnedContent(t, MIB)
    const through = new PassThrough({ highWaterMark: 1 })
    const abort = new AbortController()
    const writing = pin.writeTo(through, { signal: abort.signal })
    pin.release()
    await someTurns()
    abort.abort(new Error('enough'))
    await assert.rejects(writing, { message: 'enough' })
    await nothingPinned(pool)
    assert.equal(through.destroyed, false)
    assert.equal(through.listenerCount('error'), 0)
    through.end('end')
    const received = await allOf(through)
    assert.equal(received.subarray(-3).toString(), 'end')
    sameBytes(received.subarray(0, -3), content.subarray(0, received.length - 3))
    assert.ok(received.length < MIB)
  })

  test('a stream that fails or is destroyed fails the write with its error, which need not be listened for', async (t) => {
    const { pool, pin } = await pinnedContent(t, MIB)
    const failing = new Writable({ write: (_, __, callback) => callback(new Error('disk on fire')) })
    await assert.rejects(pin.writeTo(failing), { message: 'disk on fire' })
    const stuck = new Writable({ write: () => undefined })
    const writing = pin.writeTo(stuck)
    stuck.destroy()
    await assert.rejects(writing, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
    const stuckToo = new Writable({ write: () => undefined })
    const writingToo = pin.writeTo(stuckToo)
    stuckToo.destroy(new Error('no more'))
    await assert.rejects(writingToo, { message: 'no more' })
    await assert.rejects(pin.writeTo(stuckToo), { code: 'ERR_STREAM_DESTROYED' })
    const simple = Object.assign(new EventEmitter(), { write: () => simple.emit('error', new Error('not a byte')) })
    await assert.rejects(pin.writeTo(simple as never), { message: 'not a byte' })
    await someTurns()
    pin.release()
    await nothingPinned(pool)
  })

  test('a pin is filled from any readable stream, and the rest stays in it', async (t) => {
    const { pin, content } = await pinnedContent(t, MIB, { isScattered: true })
    const bytes = content.toReversed()
    const path = join(temporaryDirectory(t), 'file')
    await writeFile(path, Buffer.concat([bytes, Buffer.from('rest')]))
    const file = createReadStream(path)
    assert.equal(await pin.readFrom(file), MIB)
    sameBytes(Buffer.concat(pin.buffers), bytes)
    assert.equal((await everything(file)).toString(), 'rest')

    const flowing = Readable.from([Buffer.from('one'), Buffer.from('two')], { objectMode: false })
    assert.equal(await pin.readFrom(flowing), 6)
    assert.equal(await pin.readFrom(flowing), 0)
    assert.equal(Buffer.from(pin.buffers[0].subarray(0, 6)).toString(), 'onetwo')
  })

  test('a readable stream that fails, is destroyed or gives no bytes fails the read', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const failing = new Readable({
      read() {
        this.destroy(new Error('disk on fire'))
      },
    })
    await assert.rejects(pin.readFrom(failing), { message: 'disk on fire' })
    const silent = new PassThrough()
    const reading = pin.readFrom(silent)
    silent.destroy()
    await assert.rejects(reading, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
    await assert.rejects(pin.readFrom(silent), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
    await assert.rejects(pin.readFrom(Readable.from(['objects'])), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(pin.readFrom(new PassThrough().setEncoding('utf8')), { code: 'ERR_INVALID_ARG_TYPE' })
    pin.release()
    await nothingPinned(pool)
  })

  test('an abort of a read leaves the stream usable', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const source = new PassThrough()
    const abort = new AbortController()
    const reading = pin.readFrom(source, { signal: abort.signal })
    pin.release()
    abort.abort(new Error('enough'))
    await assert.rejects(reading, { message: 'enough' })
    await nothingPinned(pool)
    source.end('behind')
    assert.equal((await everything(source)).toString(), 'behind')
  })

  test('pins go to and come from the pipes of a child process', async (t) => {
    const { pin, content } = await pinnedContent(t, 3 * MIB, { isScattered: true })
    const { pool, file, pin: goal } = await pinnedContent(t, 4 * MIB)
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(() => child.kill())
    const writing = pin.writeTo(child.stdin).then(() => child.stdin.end('rest'))
    assert.equal(await goal.readFrom(child.stdout), 3 * MIB + 4, 'up to the end of the pipe')
    await writing
    sameBytes(goal.buffer.subarray(0, 3 * MIB), content)
    goal.release()
    await file.close()
    await nothingPinned(pool)
  })

  test('a pin is filled from a FIFO that others write to', async (t) => {
    const { pin, content } = await pinnedContent(t, MIB)
    const bytes = content.toReversed()
    const path = join(temporaryDirectory(t), 'file')
    await writeFile(path, bytes)
    const child = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.ok(child.stdout instanceof Socket)
    assert.equal(await pin.readFrom(child.stdout), MIB)
    sameBytes(pin.buffer, bytes)
  })
})

describe('sendTo', { concurrency: 1 }, async () => {
  const other = await sharedProcess()

  test('a range of a file is sent in windows, through holes, and nothing stays pinned', async (t) => {
    const { pool, file, pin, content } = await pinnedContent(t, 3 * MIB, { isScattered: true })
    pin.release()
    await file.punchHole(MIB, 5 * BLOCK)
    content.fill(0, MIB, MIB + 5 * BLOCK)
    const { near, far } = await connection(t, 'unix')
    const received = everything(far)
    assert.equal(await file.sendTo(near, { start: 5, end: 3 * MIB - 7 }), 3 * MIB - 12)
    assert.equal(await file.sendTo(near, { start: 3 * MIB }), 0)
    assert.equal(await file.sendTo(near), 3 * MIB)
    near.end()
    sameBytes(await received, Buffer.concat([content.subarray(5, -7), content]))
    await nothingPinned(pool)
  })

  test('a file that another process makes shorter meanwhile ends early', async (t) => {
    const { pool, file, pin, content } = await pinnedContent(t, 6 * MIB, { busy: 'sequester' })
    pin.release()
    const { near, far } = await connection(t, 'unix')
    const sending = file.sendTo(near)
    await until('the first window is pinned', async () => (await pool.pins()).length === 1)
    await other.attach(pool)
    await other.run((here) => here.pool.truncate('/pinned', 100))
    const received = everything(far)
    assert.equal(await sending, MIB)
    near.end()
    sameBytes(await received, content.subarray(0, MIB))
    await nothingPinned(pool)
  })

  test('a file that becomes shorter between the look at its size and the pin ends early', async (t) => {
    const { pool, file, pin, content } = await pinnedContent(t, 3 * MIB)
    pin.release()
    const pinNow = file.pin.bind(file)
    file.pin = async (options) => {
      if (options.offset > 0) await pool.truncate('/pinned', MIB + 10)
      return pinNow(options)
    }
    const { near, far } = await connection(t, 'unix')
    const received = everything(far)
    assert.equal(await file.sendTo(near), MIB + 10)
    near.end()
    sameBytes(await received, content.subarray(0, MIB + 10))
  })

  test('promise 8: a target that fails in the middle, or an abort, ends it, and the last window is let go', async (t) => {
    const { pool, file, pin } = await pinnedContent(t, 6 * MIB)
    pin.release()
    const failing = await connection(t, 'unix')
    const sending = file.sendTo(failing.near)
    await take(failing.far, 100)
    failing.far.destroy()
    await assert.rejects(sending, (error: NodeJS.ErrnoException) => ['EPIPE', 'ECONNRESET'].includes(error.code ?? ''))
    await nothingPinned(pool)
    const aborted = await connection(t, 'unix')
    const abort = new AbortController()
    const sendingToo = file.sendTo(aborted.near, { signal: abort.signal })
    await take(aborted.far, 100)
    abort.abort(new Error('enough'))
    await assert.rejects(sendingToo, { message: 'enough' })
    await nothingPinned(pool)
  })
})

describe('a pin that is revoked while its I/O is under way', { concurrency: 1 }, () => {
  const revoked = { code: 'ESTALE' }

  for (const isQueued of [false, true]) {
    test(`fails a write to a socket, ${isQueued ? 'queued behind another' : 'begun'}, once the socket is done with it`, async (t) => {
      const { pin } = await pinnedContent(t, MIB, { isScattered: true })
      const { near, far } = await connection(t, 'unix')
      if (isQueued) near.write(Buffer.alloc(MIB))
      const writing = pin.writeTo(near)
      const state = stateOf(writing)
      pin.revoke()
      await someTurns()
      assert.equal(state.isSettled, false)
      far.resume()
      await assert.rejects(writing, revoked)
    })
  }

  test('fails a read from a socket, and the socket is not lost', async (t) => {
    const { pin } = await pinnedContent(t, MIB, { isScattered: true })
    const { near, far } = await connection(t, 'unix')
    const reading = pin.readFrom(near)
    pin.revoke()
    far.write('a')
    await assert.rejects(reading, revoked)
    far.write('b')
    assert.equal((await take(near, 1)).toString(), 'b')
  })

  test('fails copies to and from streams, and files', async (t) => {
    const slow = new PassThrough({ highWaterMark: 1 })
    const source = new PassThrough()
    const path = join(temporaryDirectory(t), 'fifo')
    makeFifo(path, 0o600)
    const fifo = await open(path, 'r+')
    t.after(() => fifo.close())
    const pins = [await pinnedContent(t, MIB), await pinnedContent(t, MIB), await pinnedContent(t, MIB)].map(
      ({ pin }) => pin,
    )
    const all = [pins[0].writeTo(slow), pins[1].readFrom(source), pins[2].readFrom(fifo)]
    const failed = all.map((io) => assert.rejects(io, revoked))
    for (const pin of pins) pin.revoke()
    slow.resume()
    source.write('something')
    await fifo.write('something')
    await Promise.all(failed)
  })
})

/** All that a stream gives until its end. */
async function allOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
