/** Handles and descriptors of an `fs` of a pool, in what the random operations of fs-against-node.test.ts do not reach. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as nodeFs from 'node:fs'
import { buffer, text } from 'node:stream/consumers'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { createFs } from '../../src/fs/index.ts'
import type { FileHandle } from '../../src/fs/file-handle.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

test('what is written at once where the descriptor is stays apart, as in the kernel', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await using handle = await promises.open('/a', 'w+')
  const words = Array.from({ length: 50 }, (_, nth) => `word ${nth};`)
  await Promise.all(words.map((word) => handle.write(word)))
  assert.equal(await promises.readFile('/a', 'utf8'), words.join(''))
  await using again = await promises.open('/a')
  const reads = await Promise.all(words.map((word) => again.read(Buffer.alloc(word.length))))
  assert.deepEqual(
    reads.map((read) => read.buffer.toString()),
    words,
  )
})

test('close waits for what is under way, and nothing begins after it', async (t) => {
  const fs = createFs(await temporaryPool(t))
  const handle = await fs.promises.open('/a', 'w')
  const order: string[] = []
  ;(handle as unknown as FileHandle).once('close', () => order.push('close'))
  const { fd } = handle
  const writing = handle.write(Buffer.alloc(1 << 20)).then(() => order.push('written'))
  const closing = handle.close()
  assert.equal(handle.fd, -1)
  await assert.rejects(handle.write('late'), { code: 'EBADF', syscall: 'write' })
  await assert.rejects(promisify(fs.fstat)(fd), { code: 'EBADF', syscall: 'fstat' })
  await Promise.all([writing, closing, handle.close()])
  assert.deepEqual(order, ['written', 'close'])
})

test('a descriptor of a pool is none of the host: node:fs says EBADF, and the other way round', async (t) => {
  const fs = createFs(await temporaryPool(t))
  const fd = await promisify(fs.open)('/a', 'w')
  assert.throws(() => nodeFs.fstatSync(fd), { code: 'EBADF' })
  assert.throws(() => nodeFs.closeSync(fd), { code: 'EBADF' })
  await assert.rejects(promisify(fs.fstat)(0), { code: 'EBADF', syscall: 'fstat' })
  assert.throws(() => fs.close('1' as never, () => undefined), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => fs.close(2 ** 40, () => undefined), { code: 'ERR_OUT_OF_RANGE' })
  await promisify(fs.close)(fd)
  await assert.rejects(promisify(fs.close)(fd), { code: 'EBADF', syscall: 'close' })
})

test('a directory can be opened to sync and stat it, and not to read or write', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.mkdir('/d')
  await using handle = await promises.open('/d')
  await handle.sync()
  await handle.chmod(0o711)
  assert.ok((await handle.stat()).isDirectory())
  assert.equal((await promises.stat('/d')).mode & 0o777, 0o711)
  await assert.rejects(handle.read(Buffer.alloc(1)), { code: 'EISDIR', syscall: 'read' })
  await assert.rejects(handle.readFile(), { code: 'EISDIR', syscall: 'read' })
  await assert.rejects(handle.write('x'), { code: 'EBADF', syscall: 'write' })
  await assert.rejects(handle.truncate(), { code: 'EINVAL', syscall: 'ftruncate' })
  await assert.rejects(promises.open('/d', 'w'), { code: 'EISDIR', syscall: 'open', path: '/d' })
})

test('a handle streams: bytes, lines, the web, a range, and back from a position', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.writeFile('/a', 'one\ntwo\r\nthree')
  const lines: string[] = []
  for await (const line of (await promises.open('/a')).readLines()) lines.push(line)
  assert.deepEqual(lines, ['one', 'two', 'three'])

  await using handle = await promises.open('/a', 'r+')
  const range = handle.createReadStream({ start: 4, end: 6, autoClose: false })
  assert.equal(await text(range), 'two')
  const writing = handle.createWriteStream({ start: 9, autoClose: false, flush: true })
  writing.end('THREE')
  await once(writing, 'finish')
  const web = handle.readableWebStream({ autoClose: true })
  assert.equal(await new Response(web as never).text(), 'one\ntwo\r\nTHREE')
  assert.equal(handle.fd, -1, 'closed at the end')

  const last = await promises.open('/a')
  const stream = last.createReadStream()
  await last.close()
  await once(stream, 'close')
  assert.equal(stream.destroyed, true, 'a stream ends with its handle')
})

test('streams of paths and descriptors are those of Node, in ranges, with flags and errors', async (t) => {
  const fs = createFs(await temporaryPool(t))
  const out = fs.createWriteStream('/a', 'utf8')
  assert.ok(out instanceof nodeFs.WriteStream)
  for (let nth = 0; nth < 1000; nth++) out.write(`${nth},`)
  out.end()
  await once(out, 'close')
  const whole = Array.from({ length: 1000 }, (_, nth) => `${nth},`).join('')
  const source = fs.createReadStream('/a', { highWaterMark: 100 })
  assert.ok(source instanceof nodeFs.ReadStream)
  assert.equal(await text(source), whole)
  assert.equal(source.bytesRead, whole.length)
  assert.equal(await text(fs.createReadStream('/a', { start: 2, end: 5, encoding: 'utf8' })), whole.slice(2, 6))
  const appending = fs.createWriteStream('/a', { flags: 'a' })
  appending.end('end')
  await once(appending, 'close')
  const fd = await promisify(fs.open)('/a', 'r')
  assert.equal((await buffer(fs.createReadStream('', { fd }))).toString(), `${whole}end`)
  await assert.rejects(promisify(fs.fstat)(fd), { code: 'EBADF' }, 'closed at the end')
  await assert.rejects(text(fs.createReadStream('/no')), { code: 'ENOENT', syscall: 'open', path: '/no' })
  await using handle = await fs.promises.open('/a')
  assert.equal(await text(fs.createReadStream('', { fd: handle, end: 3, autoClose: false })), whole.slice(0, 4))
})

test('content comes from iterables and streams, and a signal ends reading and writing it', async (t) => {
  const pool = await temporaryPool(t)
  const { promises } = createFs(pool)
  await promises.writeFile('/a', ['one ', Buffer.from('two ')])
  await promises.appendFile(
    '/a',
    (async function* () {
      yield 'three '
      yield 'four'
    })() as never,
  )
  assert.equal(await pool.readFile('/a', 'utf8'), 'one two three four')
  await promises.writeFile('/b', createFs(pool).createReadStream('/a'))
  assert.equal(await promises.readFile('/b', 'base64'), Buffer.from('one two three four').toString('base64'))

  const cause = new Error('enough')
  const control = new AbortController()
  const endless = (async function* () {
    for (let nth = 0; ; nth++) {
      if (nth === 3) control.abort(cause)
      yield 'more'
    }
  })()
  await assert.rejects(promises.writeFile('/c', endless, { signal: control.signal }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
    cause,
  })
  await assert.rejects(promises.readFile('/a', { signal: control.signal }), { name: 'AbortError', cause })
  await assert.rejects(promises.writeFile('/new', 'x', { signal: control.signal }), { name: 'AbortError' })
  assert.equal(await pool.exists('/new'), false)
})

test('a file that is too large for one Buffer is refused, not tried', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/sparse', '')
  await pool.truncate('/sparse', 2 ** 31)
  await assert.rejects(createFs(pool).promises.readFile('/sparse'), { code: 'ERR_FS_FILE_TOO_LARGE' })
})

test("with 'as' a write is durable when it resolves", async (t) => {
  const pool = await temporaryPool(t)
  let flushes = 0
  const { device } = pool.fileSystem
  const flush = device.flush.bind(device)
  device.flush = () => {
    flushes++
    return flush()
  }
  const { promises } = createFs(pool)
  await using plain = await promises.open('/a', 'a')
  await plain.write('x')
  assert.equal(flushes, 0)
  await using synced = await promises.open('/a', 'as')
  await synced.write('y')
  assert.equal(flushes, 1)
})

test('a handle gives one web stream, and none once it is closed', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.writeFile('/a', 'content')
  const handle = await promises.open('/a')
  const stream = handle.readableWebStream()
  assert.throws(() => handle.readableWebStream(), { code: 'ERR_INVALID_STATE', message: /locked/ })
  assert.equal(await text(stream), 'content')
  await handle.close()
  assert.throws(() => handle.readableWebStream(), { code: 'ERR_INVALID_STATE', message: /closed/ })
})
