/** Pins written to sockets and pipes, with peers that read late or never. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { sharedProcess } from '../support/participants.ts'
import {
  connection,
  everything,
  MIB,
  MORE_THAN_FITS,
  nothingPinned,
  pinnedContent,
  sameBytes,
  someTurns,
  stateOf,
  take,
} from '../support/pinned-content.ts'
import { checkFilled, checkSound } from '../support/stamps.ts'
import { BLOCK } from '../support/temporary-pool.ts'

/** Bytes that random content has in no such row. */
const LATER = Buffer.alloc(64, 0xee)

describe('pins written to sockets', { concurrency: 1 }, async () => {
  const other = await sharedProcess()

  for (const kind of ['tcp', 'unix'] as const) {
    const bytes = MORE_THAN_FITS[kind]
    for (const isScattered of [false, true]) {
      test(`a ${isScattered ? 'scattered' : 'contiguous'} pin arrives whole and in order (${kind})`, async (t) => {
        const { pool, pin, content } = await pinnedContent(t, bytes, { isScattered })
        const { near, far } = await connection(t, kind)
        const writing = pin.writeTo(near)
        pin.release()
        const received = everything(far)
        assert.equal(await writing, content.length)
        near.destroy()
        sameBytes(await received, content)
        await nothingPinned(pool)
      })
    }

    test(`a pin is not copied: what is written into its blocks while they are queued arrives (${kind})`, async (t) => {
      const { pin, content } = await pinnedContent(t, bytes)
      const { near, far } = await connection(t, kind)
      const writing = pin.writeTo(near)
      assert.ok(near.writableLength > 0, 'the peer takes not all of it')
      pin.buffer.set(LATER, bytes - LATER.length)
      const received = everything(far)
      await writing
      near.destroy()
      sameBytes(await received, Buffer.concat([content.subarray(0, -LATER.length), LATER]))
    })

    test(`promise 8: the blocks stay pinned until a slow client has taken them, released or not (${kind})`, async (t) => {
      const { pool, pin, content } = await pinnedContent(t, bytes)
      const { near, far } = await connection(t, kind)
      const state = stateOf(pin.writeTo(near))
      pin.release()
      await someTurns()
      assert.equal(state.isSettled, false)
      assert.deepEqual(
        (await pool.pins()).map(({ offset, length }) => [offset, length]),
        [[0, bytes]],
      )
      await assert.rejects(pool.truncate('/pinned', 0, { busy: 'fail' }), { code: 'EBUSY' })
      sameBytes(await take(far, 100), content.subarray(0, 100))
      await assert.rejects(pool.truncate('/pinned', 0, { busy: 'fail' }), { code: 'EBUSY' })
      const waiting = pool.truncate('/pinned', 0, { busy: 'wait', timeoutMs: 20_000 })
      const received = everything(far)
      await waiting
      assert.equal(state.isSettled, true)
      await nothingPinned(pool)
      near.destroy()
      sameBytes(await received, content.subarray(100))
    })

    test(`promise 1: a slow client gets the old bytes although another process unlinks the file and fills the pool (${kind})`, async (t) => {
      const { pool, file, pin, content } = await pinnedContent(t, bytes, { busy: 'sequester' })
      await file.close()
      const { near, far } = await connection(t, kind)
      const writing = pin.writeTo(near)
      pin.release()
      await take(far, 100)
      await other.attach(pool)
      const filled = await other.run(async (here) => {
        await here.pool.truncate('/pinned', 4096)
        await here.pool.unlink('/pinned')
        return here.data.fillPool(here.pool)
      })
      assert.ok(filled > bytes, 'the pool was filled')
      const { sequesteredHeldBytes } = await pool.stats()
      assert.equal(sequesteredHeldBytes, bytes)
      const received = everything(far)
      assert.equal(await writing, bytes)
      near.destroy()
      sameBytes(await received, content.subarray(100))
      await checkFilled(pool)
      await checkSound(pool)
    })

    for (const isRevocable of [true, false]) {
      const views = isRevocable ? 'revocable' : 'lasting'
      test(`promise 8: after an abort the target is destroyed and nothing of the blocks is sent any more (${kind}, ${views})`, async (t) => {
        const { pool, pin, content } = await pinnedContent(t, bytes, { isRevocable })
        const { near, far } = await connection(t, kind)
        const abort = new AbortController()
        const writing = pin.writeTo(near, { signal: abort.signal })
        const reason = new Error('enough')
        abort.abort(reason)
        await assert.rejects(writing, reason)
        assert.equal(near.destroyed, true)
        pin.buffers[0].fill(0xee)
        pin.release()
        await nothingPinned(pool)
        const received = await everything(far)
        assert.ok(received.length < bytes)
        sameBytes(received, content.subarray(0, received.length))
      })

      test(`promise 8: after the target was destroyed nothing of the blocks is sent any more (${kind}, ${views})`, async (t) => {
        const { pool, pin, content } = await pinnedContent(t, bytes, { isRevocable })
        const { near, far } = await connection(t, kind)
        const writing = pin.writeTo(near)
        near.destroy()
        await assert.rejects(writing, (error: NodeJS.ErrnoException) =>
          ['ECANCELED', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code ?? ''),
        )
        pin.buffers[0].fill(0xee)
        pin.release()
        await nothingPinned(pool)
        const received = await everything(far)
        assert.ok(received.length < bytes)
        sameBytes(received, content.subarray(0, received.length))
      })
    }

    test(`a peer that goes away fails the write, without an 'error' nobody hears, and the pin is let go (${kind})`, async (t) => {
      const { pool, pin } = await pinnedContent(t, bytes)
      const { near, far } = await connection(t, kind)
      const writing = pin.writeTo(near)
      await take(far, 1)
      if (kind === 'tcp') far.resetAndDestroy()
      else far.destroy()
      await assert.rejects(writing, (error: NodeJS.ErrnoException) =>
        ['ECONNRESET', 'EPIPE'].includes(error.code ?? ''),
      )
      if (!near.closed) await once(near, 'close').catch(() => undefined)
      pin.release()
      await nothingPinned(pool)
    })
  }

  test('pins and other writes go out in the order of the calls', async (t) => {
    const { file, content, pin } = await pinnedContent(t, MIB, { isScattered: true })
    const { near, far } = await connection(t, 'unix')
    using start = await file.pin({ offset: 0, length: 3 * BLOCK, mode: 'read' })
    near.write('<')
    const writes = [pin.writeTo(near)]
    near.write('|')
    writes.push(start.writeTo(near), pin.writeTo(near), start.writeTo(near))
    const received = everything(far)
    await Promise.all(writes)
    near.end('>')
    const [less, bar, more] = ['<', '|', '>'].map((sign) => Buffer.from(sign))
    const short = content.subarray(0, 3 * BLOCK)
    sameBytes(await received, Buffer.concat([less, content, bar, short, content, short, more]))
  })

  test('an abort with nothing queued leaves the target alone', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'unix')
    const abort = new AbortController()
    const writing = pin.writeTo(near, { signal: abort.signal })
    const reason = new Error('enough')
    abort.abort(reason)
    await assert.rejects(writing, reason)
    assert.equal(near.destroyed, false)
    near.end('more')
    assert.equal((await take(far, BLOCK + 4)).subarray(BLOCK).toString(), 'more')
  })

  test('an abort before or after changes nothing, and leaves no listeners', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'unix')
    const listeners = (): number[] => ['close', 'error', 'drain'].map((name) => near.listenerCount(name))
    const before = listeners()
    const reason = new Error('no')
    await assert.rejects(pin.writeTo(near, { signal: AbortSignal.abort(reason) }), reason)
    const abort = new AbortController()
    assert.equal(await pin.writeTo(near, { signal: abort.signal }), BLOCK)
    abort.abort()
    assert.deepEqual(listeners(), before)
    assert.equal(near.destroyed, false)
    near.end()
    assert.equal((await everything(far)).length, BLOCK)
  })

  test('a write that waits behind another one is aborted at once, and the first one is not', async (t) => {
    const { pool, file, pin, content } = await pinnedContent(t, MIB)
    const { near, far } = await connection(t, 'unix')
    const second = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
    const abort = new AbortController()
    const first = pin.writeTo(near)
    const writing = second.writeTo(near, { signal: abort.signal })
    second.release()
    await someTurns()
    assert.equal((await pool.pins()).length, 2)
    abort.abort(new Error('enough'))
    await assert.rejects(writing, { message: 'enough' })
    assert.equal((await pool.pins()).length, 1)
    const third = pin.writeTo(near)
    const received = everything(far)
    await Promise.all([first, third])
    near.destroy()
    sameBytes(await received, Buffer.concat([content, content]))
  })

  test('a socket that has been destroyed or ended passes its error on', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const destroyed = await connection(t, 'unix')
    destroyed.near.destroy()
    await assert.rejects(pin.writeTo(destroyed.near), { code: 'ERR_STREAM_DESTROYED' })
    const ended = await connection(t, 'unix')
    ended.near.end()
    await assert.rejects(pin.writeTo(ended.near), { code: 'ERR_STREAM_WRITE_AFTER_END' })
    await someTurns()
    pin.release()
    await nothingPinned(pool)
  })

  test('a write that is cancelled fails, also where Node.js calls it back without an error', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near } = await connection(t, 'unix')
    near._write = (_, __, callback) => void near.once('close', () => callback())
    const writing = pin.writeTo(near)
    near.destroy()
    await assert.rejects(writing, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  })

  test('a socket that is still connecting gets the pin when it is connected', async (t) => {
    const { pin, content } = await pinnedContent(t, MIB)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const accepted = once(server, 'connection')
    const writing = pin.writeTo(near)
    const [far] = await accepted
    server.close()
    const received = everything(far)
    await writing
    near.end()
    sameBytes(await received, content)
  })

  test('a connection that is refused, or destroyed before it is made, fails the write', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    await assert.rejects(pin.writeTo(connect(port, '127.0.0.1')), (error: NodeJS.ErrnoException) =>
      ['ECONNREFUSED', 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION'].includes(error.code ?? ''),
    )
    const early = connect(port, '127.0.0.1')
    const writing = pin.writeTo(early)
    early.destroy()
    await assert.rejects(writing, { code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION' })
    pin.release()
    await nothingPinned(pool)
  })
})
