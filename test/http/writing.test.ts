/** PUT and DELETE, behind every front end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { middleware } from '../../src/http/index.ts'
import { until } from '../support/pinned-content.ts'
import { temporaryPool } from '../support/temporary-pool.ts'
import { asking, frontEnds, listening } from './front-ends.ts'

const write = { maxBytes: 1 << 20 }

for (const [name, start] of Object.entries(frontEnds)) {
  describe(`writing behind ${name}`, () => {
    test('without `write` nothing changes', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/a', 'a')
      const ask = await start(t, pool)
      for (const method of ['PUT', 'DELETE', 'POST']) {
        const { status } = await ask('/a', { method, ...(method === 'DELETE' ? {} : { body: 'b' }) })
        assert.ok(status === 404 || status === 405, `${method} is ${status}`)
      }
      assert.equal(await pool.readFile('/a', 'utf8'), 'a')
    })

    test('PUT makes and replaces, DELETE removes, under the conditions of the client', async (t) => {
      const pool = await temporaryPool(t)
      const ask = await start(t, pool, { write })
      const made = await ask('/a.txt', { method: 'PUT', body: 'first', headers: { 'if-none-match': '*' } })
      assert.equal(made.status, 201)
      assert.equal((await ask('/a.txt')).headers.etag, made.headers.etag)
      assert.equal((await ask('/a.txt', { method: 'PUT', body: 'x', headers: { 'if-none-match': '*' } })).status, 412)
      await pool.chmod('/a.txt', 0o640)
      const { headers } = await ask('/a.txt')
      const replaced = await ask('/a.txt', { method: 'PUT', body: 'second', headers: { 'if-match': headers.etag! } })
      assert.equal(replaced.status, 204)
      assert.equal(
        (await ask('/a.txt', { method: 'PUT', body: 'third', headers: { 'if-match': headers.etag! } })).status,
        412,
      )
      assert.equal(await pool.readFile('/a.txt', 'utf8'), 'second')
      assert.equal((await pool.stat('/a.txt')).mode & 0o777, 0o640)
      assert.equal((await ask('/a.txt', { method: 'DELETE', headers: { 'if-match': headers.etag! } })).status, 412)
      assert.equal((await ask('/a.txt', { method: 'DELETE' })).status, 204)
      assert.equal((await ask('/a.txt', { method: 'DELETE' })).status, 404)
      assert.equal((await ask('/new', { method: 'PUT', body: 'x', headers: { 'if-match': '*' } })).status, 412)
      assert.deepEqual(await pool.readdir('/'), ['lost+found'])
    })

    test('what cannot be put is refused, and leaves nothing', async (t) => {
      const pool = await temporaryPool(t)
      await pool.mkdir('/dir')
      const ask = await start(t, pool, { write })
      const refusals: [string, number, Uint8Array, Record<string, string>?][] = [
        ['/big', 413, Buffer.alloc((1 << 20) + 1)],
        ['/big', 413, Buffer.alloc((1 << 20) + 1), { 'transfer-encoding': 'chunked' }],
        ['/dir', 409, Buffer.from('x')],
        ['/', 409, Buffer.from('x')],
        ['/none/a', 409, Buffer.from('x')],
        ['/a/', 409, Buffer.from('x')],
        ['/.hidden', 403, Buffer.from('x')],
        ['/..%2fx', 403, Buffer.from('x')],
        ['/lost+found/x', 403, Buffer.from('x')],
        ['/part', 400, Buffer.from('x'), { 'content-range': 'bytes 0-0/5' }],
        ['/zip', 415, Buffer.from('x'), { 'content-encoding': 'gzip' }],
      ]
      for (const [path, status, body, headers = {}] of refusals) {
        const given = 'transfer-encoding' in headers ? headers : { 'content-length': String(body.length), ...headers }
        assert.deepEqual([path, (await ask(path, { method: 'PUT', body, headers: given })).status], [path, status])
      }
      assert.equal((await ask('/dir', { method: 'DELETE' })).status, 409)
      assert.deepEqual(await pool.readdir('/'), ['dir', 'lost+found'])
    })
  })
}

test('a body that is announced as too long is refused before it is read', async (t) => {
  const pool = await temporaryPool(t)
  const socket = connect(await listening(t, middleware(pool, { write })), '127.0.0.1')
  socket.write('PUT /a HTTP/1.1\r\nhost: test\r\ncontent-length: 99999999\r\n\r\n')
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 413 /)
  socket.destroy()
})

test('a body for which there is no room is 507, announced or not', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 1 << 20 })
  const ask = asking(await listening(t, middleware(pool, { write: { maxBytes: 8 << 20 } })))
  const body = Buffer.alloc(2 << 20)
  const announced = await ask('/full', { method: 'PUT', body, headers: { 'content-length': String(body.length) } })
  assert.equal(announced.status, 507)
  const chunked = await ask('/full', { method: 'PUT', body, headers: { 'transfer-encoding': 'chunked' } })
  assert.equal(chunked.status, 507)
  assert.equal((await ask('/fits', { method: 'PUT', body: 'x' })).status, 201)
  assert.deepEqual(await pool.readdir('/'), ['fits', 'lost+found'])
})

test('of many who make the same file at once one has made it', async (t) => {
  const pool = await temporaryPool(t)
  const fronts = await Promise.all([0, 1, 2].map(() => listening(t, middleware(pool, { write }))))
  for (let round = 0; round < 20; round++) {
    const asked = fronts.map((port) =>
      asking(port)(`/${round}`, { method: 'PUT', body: String(port), headers: { 'if-none-match': '*' } }),
    )
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [201, 412, 412],
    )
    const content = await pool.readFile(`/${round}`, 'utf8')
    assert.equal(content, String(fronts[statuses.indexOf(201)]))
  }
})

test('a name that another process makes in the last moment is not taken over against If-None-Match', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', 'theirs')
  const missing = (): Promise<never> => Promise.reject(Object.assign(new Error('not there'), { code: 'ENOENT' }))
  const lagging = new Proxy(pool, {
    get: (target, name) => {
      const value: unknown = name === 'stat' ? missing : Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const ask = asking(await listening(t, middleware(lagging, { write })))
  const { status } = await ask('/a', { method: 'PUT', body: 'ours', headers: { 'if-none-match': '*' } })
  assert.deepEqual([status, await pool.readFile('/a', 'utf8')], [412, 'theirs'])
  assert.equal((await ask('/a', { method: 'PUT', body: 'ours' })).status, 204)
  assert.equal(await pool.readFile('/a', 'utf8'), 'ours')
  assert.deepEqual(await pool.readdir('/'), ['a', 'lost+found'])
})

test('of an upload that breaks off nothing is left', async (t) => {
  const pool = await temporaryPool(t)
  const before = (await pool.stats()).freeBytes
  const socket = connect(await listening(t, middleware(pool, { write })), '127.0.0.1')
  socket.write(`PUT /a HTTP/1.1\r\nhost: test\r\ncontent-length: 500000\r\n\r\n${'x'.repeat(100_000)}`)
  await until('some of it is there', async () => (await pool.stats()).freeBytes < before)
  socket.destroy()
  await until('it is gone', async () => {
    const { freeBytes, busyBytes } = (await pool.stats()) as { freeBytes: number; busyBytes?: number }
    return freeBytes + (busyBytes ?? 0) >= before
  })
  assert.deepEqual(await pool.readdir('/'), ['lost+found'])
})
