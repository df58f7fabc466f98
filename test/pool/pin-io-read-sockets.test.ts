/** Pins filled from sockets and pipes: straight into the blocks, no byte lost, none too many. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'
import { sharedProcess } from '../support/participants.ts'
import {
  connection,
  everything,
  MIB,
  nothingPinned,
  pinnedContent,
  sameBytes,
  someTurns,
  take,
  until,
} from '../support/pinned-content.ts'
import { checkFilled, checkSound } from '../support/stamps.ts'
import { BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

/** Sends in pieces of odd sizes, waiting for each to be taken by the kernel. */
async function drip(socket: Socket, bytes: Buffer): Promise<void> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = ((size * 7) % 9973) + 1) {
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, 'drain')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

describe('pins filled from sockets', { concurrency: 1 }, async () => {
  const other = await sharedProcess()

  for (const kind of ['tcp', 'unix'] as const) {
    for (const isScattered of [false, true]) {
      test(`a ${isScattered ? 'scattered' : 'contiguous'} pin is filled from a socket, straight (${kind})`, async (t) => {
        const { pool, pin } = await pinnedContent(t, 4 * MIB, { isScattered })
        const { near, far } = await connection(t, kind)
        const bytes = randomBytes(4 * MIB)
        far.end(bytes)
        assert.equal(await pin.readFrom(near), bytes.length)
        // What the socket reads by itself it counts; a first part may have come before it was held still.
        assert.ok(near.bytesRead <= MIB, `${near.bytesRead} bytes came through buffers of the socket`)
        pin.release()
        sameBytes(await pool.readFile('/pinned'), bytes)
        await nothingPinned(pool)
      })
    }

    test(`pins filled from one socket in a row get consecutive bytes, and the socket the rest (${kind})`, async (t) => {
      const { file } = await pinnedContent(t, 64 * BLOCK, { isScattered: true })
      const { near, far } = await connection(t, kind)
      const bytes = randomBytes(40 * BLOCK)
      const sending = drip(far, bytes).then(() => far.end())
      const parts: Buffer[] = []
      for (const length of [1, 4095, 5 * BLOCK, 1, 9 * BLOCK + 17, 3]) {
        using pin = await file.pin({ offset: 7, length, mode: 'write' })
        assert.equal(await pin.readFrom(near), length)
        parts.push(Buffer.concat(pin.buffers))
        parts.push(await take(near, 2))
      }
      parts.push(await everything(near))
      await sending
      sameBytes(Buffer.concat(parts), bytes)
    })

    test(`a read begun while the socket delivers data loses nothing to the socket's own reading (${kind})`, async (t) => {
      const { pin } = await pinnedContent(t, 16 * BLOCK)
      const { near, far } = await connection(t, kind)
      const bytes = randomBytes(20 * BLOCK)
      const seen: Buffer[] = []
      const first = Promise.withResolvers<{ reading: Promise<number> }>()
      near.once('data', (chunk: Buffer) => {
        seen.push(chunk)
        near.pause()
        first.resolve({ reading: pin.readFrom(near) })
      })
      const sending = drip(far, bytes).then(() => far.end())
      const { reading } = await first.promise
      assert.equal(await reading, pin.length)
      near.resume()
      const rest = everything(near)
      await sending
      sameBytes(Buffer.concat([...seen, pin.buffer, await rest]), bytes)
    })

    test(`a socket that ends early gives what came, then 'end', and can be written to (${kind})`, async (t) => {
      const { pin, content } = await pinnedContent(t, 4 * BLOCK)
      const { near, far } = await connection(t, kind)
      far.end('all there is')
      assert.equal(await pin.readFrom(near), 12)
      assert.equal(await pin.readFrom(near), 0)
      const ended = once(near, 'end')
      near.resume()
      await ended
      assert.equal(await pin.readFrom(near), 0)
      near.end('answer')
      assert.equal((await everything(far)).toString(), 'answer')
      sameBytes(pin.buffer, Buffer.concat([Buffer.from('all there is'), content.subarray(12)]))
    })

    test(`promise 8: an abort ends the read at once, and the socket goes on behind what was taken (${kind})`, async (t) => {
      const { pool, file, pin, content } = await pinnedContent(t, 4 * BLOCK)
      const { near, far } = await connection(t, kind)
      const abort = new AbortController()
      const reading = pin.readFrom(near, { signal: abort.signal })
      far.write('taken')
      await until('it came', () => Buffer.from(pin.buffer.subarray(0, 5)).toString() === 'taken')
      const reason = new Error('enough')
      abort.abort(reason)
      await assert.rejects(reading, reason)
      pin.release()
      await nothingPinned(pool)
      far.write('behind')
      assert.equal((await take(near, 6)).toString(), 'behind')
      const behind = await pool.readFile('/pinned')
      sameBytes(behind, Buffer.concat([Buffer.from('taken'), content.subarray(5)]))
      using again = await file.pin({ offset: 0, length: 3, mode: 'write' })
      far.write('now')
      assert.equal(await again.readFrom(near), 3)
    })

    test(`promise 8: a destroyed socket fails the read, and its bytes go nowhere any more (${kind})`, async (t) => {
      const { pool, pin, content } = await pinnedContent(t, 4 * BLOCK)
      const { near, far } = await connection(t, kind)
      far.on('error', () => undefined)
      const descriptors = openDescriptors()
      const reading = pin.readFrom(near)
      assert.equal(openDescriptors(), descriptors + 1)
      near.destroy()
      far.write('too late')
      await assert.rejects(reading, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
      assert.equal(openDescriptors(), descriptors - 1)
      pin.release()
      await nothingPinned(pool)
      await someTurns()
      sameBytes(await pool.readFile('/pinned'), content)
      await assert.rejects(
        (await (await pool.open('/pinned', 'r+')).pin({ offset: 0, length: 1, mode: 'write' })).readFrom(near),
        {
          code: 'ERR_STREAM_PREMATURE_CLOSE',
        },
      )
    })

    test(`promise 1: what arrives after another process truncated the file and filled the pool hits no other file (${kind})`, async (t) => {
      const { pool, file, pin } = await pinnedContent(t, MIB, { busy: 'sequester' })
      await file.close()
      const { near, far } = await connection(t, kind)
      const reading = pin.readFrom(near)
      pin.release()
      const bytes = randomBytes(MIB)
      far.write(bytes.subarray(0, 5000))
      await other.attach(pool)
      await other.run(async (here) => {
        await here.pool.truncate('/pinned', 0)
        await here.data.fillPool(here.pool)
      })
      far.write(bytes.subarray(5000))
      assert.equal(await reading, MIB)
      await nothingPinned(pool)
      await checkFilled(pool)
      const [lost] = await pool.lostAndFound.list()
      sameBytes(await pool.lostAndFound.read(lost?.name ?? ''), bytes, 'late data in lost+found')
      await checkSound(pool)
    })
  }

  test('reads that are called at once are served in that order', async (t) => {
    const { file } = await pinnedContent(t, 12 * MIB)
    const child = spawn('head', ['-c', '14M', '/dev/urandom'], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill())
    const copy = spawn('tee', [join(temporaryDirectory(t), 'copy')], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(() => copy.kill())
    child.stdout.pipe(copy.stdin)
    const pins = await Promise.all(
      [0, 1, 2].map((third) => file.pin({ offset: third * 4 * MIB, length: 4 * MIB, mode: 'write' })),
    )
    await Promise.all(pins.map((pin) => pin.readFrom(copy.stdout)))
    const rest = await everything(copy.stdout)
    const whole = await readFile(copy.spawnargs[1])
    sameBytes(Buffer.concat([...pins.map((pin) => pin.buffer), rest]), whole)
    for (const pin of pins) pin.release()
  })

  test('a socket that is told to read meanwhile does so afterwards', async (t) => {
    const { pin } = await pinnedContent(t, 4 * BLOCK)
    const { near, far } = await connection(t, 'unix')
    const bytes = randomBytes(6 * BLOCK)
    const reading = pin.readFrom(far)
    const rest = everything(far)
    await someTurns()
    await drip(near, bytes)
    near.end()
    await reading
    sameBytes(pin.buffer, bytes.subarray(0, 4 * BLOCK), 'the pin')
    sameBytes(await rest, bytes.subarray(4 * BLOCK), 'the rest')
  })

  test('a socket that has seen its end already gives what it has buffered, then nothing', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'unix')
    far.end('buffered')
    await until('it is buffered', () => near.readableLength === 8)
    await someTurns()
    assert.equal(await pin.readFrom(near), 8)
    assert.equal(await pin.readFrom(near), 0)
    assert.equal(near.errored, null)
    assert.equal((await everything(near)).length, 0)
  })

  test('what the socket has buffered comes first', async (t) => {
    const { pin } = await pinnedContent(t, 3 * BLOCK)
    const { near, far } = await connection(t, 'unix')
    const bytes = randomBytes(3 * BLOCK)
    far.write(bytes.subarray(0, BLOCK))
    await until('it is buffered', () => near.readableLength === BLOCK)
    const reading = pin.readFrom(near)
    far.write(bytes.subarray(BLOCK))
    await reading
    sameBytes(pin.buffer, bytes)
    assert.equal(near.bytesRead, BLOCK)
  })

  test('a pin that is full with what was buffered leaves the rest there', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'unix')
    far.end('x'.repeat(BLOCK) + 'rest')
    await until('it is buffered', () => near.readableLength === BLOCK + 4)
    assert.equal(await pin.readFrom(near), BLOCK)
    assert.equal((await everything(near)).toString(), 'rest')
  })

  test('a connection that breaks fails the read with its error, and the socket has it too', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'tcp')
    const reading = pin.readFrom(near)
    far.resetAndDestroy()
    await assert.rejects(reading, { code: 'ECONNRESET', syscall: 'read' })
    assert.equal(near.destroyed, true)
    assert.equal((near.errored as NodeJS.ErrnoException).code, 'ECONNRESET')
    pin.release()
    await nothingPinned(pool)
  })

  test('a socket that is paused before its first byte stays paused after a read', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'unix')
    near.write('y'.repeat(BLOCK) + 'rest')
    assert.equal(await pin.readFrom(far), BLOCK)
    await someTurns()
    assert.equal(far.readableLength, 0)
    assert.equal((await take(far, 4)).toString(), 'rest')
  })

  test('bytes that arrive keep an idle timeout away', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const { near, far } = await connection(t, 'unix')
    let timeouts = 0
    near.setTimeout(600, () => timeouts++)
    const reading = pin.readFrom(near)
    for (let at = 0; at < 8; at++) {
      await after(100)
      far.write(Buffer.alloc(BLOCK / 8))
    }
    await reading
    assert.equal(timeouts, 0)
    await once(near, 'timeout')
  })

  test('a socket is read and written at the same time', async (t) => {
    const { file, pin, content } = await pinnedContent(t, MIB)
    const { near, far } = await connection(t, 'unix')
    using source = await file.pin({ offset: 0, length: MIB, mode: 'read' })
    const { pin: goal } = await pinnedContent(t, MIB)
    far.pipe(far)
    const writing = source.writeTo(near)
    await goal.readFrom(near)
    await writing
    sameBytes(goal.buffer, content)
    pin.release()
  })

  test('a thousand reads leave no listener and no descriptor behind', async (t) => {
    const { pin } = await pinnedContent(t, 1 * BLOCK)
    const { near, far } = await connection(t, 'unix')
    const descriptors = openDescriptors()
    const abort = new AbortController()
    for (let round = 0; round < 1000; round++) {
      far.write(Buffer.alloc(BLOCK, round))
      await pin.readFrom(near, { signal: abort.signal })
      assert.equal(pin.buffer[77], round % 256)
    }
    assert.equal(openDescriptors(), descriptors)
    assert.equal(near.listenerCount('close') + near.listenerCount('error'), 0)
  })
})
