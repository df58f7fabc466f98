/** send(2) on sockets of Node.js. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { sendNow } from '../../src/platform/socket-send.ts'
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
