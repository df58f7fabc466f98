/** What stays in its thread, and how work is handed to another one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { startThread } from '../support/participant.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const refused = {
  name: 'DataCloneError',
  message: /stays in its thread: open the pool there, and the file by its path/,
}

test('a pool, a file and a pin cannot be posted to another thread; the error says what to do', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'content')
  await using file = await pool.open('/file', 'r+')
  using pin = await file.pin({ offset: 0, length: 7, mode: 'read' })
  const { port1, port2 } = new MessageChannel()
  t.after(() => port1.close())
  for (const [name, part] of Object.entries({ pool, file, pin })) {
    assert.throws(() => port1.postMessage(part), refused, name)
    assert.throws(() => port1.postMessage({ deep: [part] }), refused, name)
    assert.throws(() => structuredClone(part), refused, name)
  }
  assert.equal(receiveMessageOnPort(port2), undefined)
})

test('a view that is posted is a copy: what is done to it is not done to the file', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'content')
  await using file = await pool.open('/file', 'r+')
  using pin = await file.pin({ offset: 0, length: 7, mode: 'write' })
  const copy = structuredClone(pin.buffer)
  assert.equal(Buffer.from(copy).toString(), 'content')
  copy.fill(0)
  assert.equal(await pool.readFile('/file', 'utf8'), 'content')
})

test('a thread that is given the paths and the range pins the same blocks', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'content')
  const thread = await startThread(t, pool)
  await thread.run(
    async (here, path, range) => {
      await using file = await here.pool.open(path, 'r+')
      using pin = await file.pin({ ...range, mode: 'write' })
      pin.buffer.set(Buffer.from('by the thread').subarray(0, range.length))
    },
    '/file',
    { offset: 0, length: 6 },
  )
  assert.equal(await pool.readFile('/file', 'utf8'), 'by thet')
})
