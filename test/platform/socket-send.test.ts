/** send(2) on sockets of Node.js. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { MOST_TEXT, sendNow, sendTextNow } from '../../src/platform/socket-send.ts'
import { connection, everything, until } from '../support/pinned-content.ts'

const descriptorOf = (socket: Socket): number => (socket as Socket & { _handle: { fd: number } })._handle.fd

test('what there is room for is taken at once, and 0 bytes when there is none', async (t) => {
  const { near, far } = await connection(t, 'tcp')
  const bytes = Buffer.alloc(1 << 20, 'sent ')
  let sent = sendNow(descriptorOf(near), Buffer.from('head '), true)
  assert.equal(sent, 5)
  for (;;) {
    const more = sendNow(descriptorOf(near), bytes.subarray(0, 1000), false)
    if (more === 0) break
    sent += more
  }
  bytes.fill('x')
  near.end()
  const received = await everything(far)
  assert.equal(received.length, sent)
  assert.equal(received.subarray(0, 15).toString(), 'head sent sent ')
  assert.ok(!received.includes('x'), 'nothing refers to the memory afterwards')
})

test('a peer that is gone is an error with a code', async (t) => {
  const { near, far } = await connection(t, 'tcp')
  near.on('error', () => undefined)
  const fd = descriptorOf(near)
  far.resetAndDestroy()
  let code: string | undefined
  await until('it is noticed', () => {
    if (near.destroyed) return true
    try {
      sendNow(fd, Buffer.from('x'), false)
    } catch (error) {
      ;({ code } = error as NodeJS.ErrnoException)
    }
    return code !== undefined
  })
  assert.ok(near.destroyed || code === 'EPIPE' || code === 'ECONNRESET')
})

test('a text goes first, each character as one byte, the bytes behind it', async (t) => {
  const { near, far } = await connection(t, 'tcp')
  const fd = descriptorOf(near)
  const bytes = randomBytes(5000)
  const texts = ['HTTP\r\n\r\n', 'é\u00FF', 'é\u00FF', 'x'.repeat(MOST_TEXT), '']
  const expected: Buffer[] = []
  for (const [nth, text] of texts.entries()) {
    const part = bytes.subarray(nth, 1000 * nth)
    assert.equal(sendTextNow(fd, text, part, nth === 1), text.length + part.length)
    expected.push(Buffer.from(text, 'latin1'), Buffer.from(part))
  }
  bytes.fill('x')
  near.end()
  assert.ok((await everything(far)).equals(Buffer.concat(expected)))
})

test('a text that is too long is refused', async (t) => {
  const { near } = await connection(t, 'tcp')
  const text = 'x'.repeat(MOST_TEXT + 1)
  assert.throws(() => sendTextNow(descriptorOf(near), text, Buffer.from('x'), false), RangeError)
})

test('of a text and bytes too, what was taken is counted, and 0 is none', async (t) => {
  const { near, far } = await connection(t, 'tcp')
  const fd = descriptorOf(near)
  const bytes = randomBytes(64 << 20)
  const sent = sendTextNow(fd, 'head', bytes, false)
  assert.ok(sent > 4 && sent < bytes.length)
  let done = sent - 4
  for (let more = -1; more !== 0; done += more) more = sendNow(fd, bytes.subarray(done), false)
  assert.equal(sendTextNow(fd, 'head', bytes, false), 0)
  near.end()
  const received = await everything(far)
  assert.equal(received.length, 4 + done)
  assert.ok(received.subarray(4).equals(bytes.subarray(0, done)))
})
