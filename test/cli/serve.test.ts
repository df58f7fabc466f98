/** `holdfast serve`: what is where, who may what, and how it ends. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { mountedAt } from '../../src/fuse/mount-point.ts'
import { samplesOf, valueOf } from '../support/exposition.ts'
import { whyNoMount } from '../support/mounted-pool.ts'
import { rawClient } from '../http/raw-client.ts'
import { holdfast, mustJson, mustRun, startHoldfast, temporaryDirectory, until } from './run-holdfast.ts'
import type { Served } from './serving.ts'
import { answer, ask, startServing } from './serving.ts'

async function poolWith(t: TestContext, files: Readonly<Record<string, string | Buffer>> = {}): Promise<string> {
  const pool = join(temporaryDirectory(t), 'pool')
  await mustRun(['mkfs', pool, '--size', '128M'])
  for (const [path, content] of Object.entries(files)) await mustRun(['put', pool, '-', path], content)
  return pool
}

/** Killed after the test when it still runs. */
async function serving(t: TestContext, pool: string, ...args: string[]): Promise<Served> {
  const served = await startServing(pool, ...args)
  t.after(() => served.child.kill('SIGKILL'))
  return served
}

test('it serves files, metrics and nothing else, with headers that keep browsers in check', async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello', '/page.html': '<p>hello' })
  const { url, metrics, inspector, token, log, end } = await serving(t, pool)
  assert.match(url, /^http:\/\/127\.0\.0\.1:[1-9]\d*\/$/)
  assert.equal(token, undefined)
  assert.equal(inspector, `${url}_/`)
  const file = await answer(`${url}a.txt`)
  assert.deepEqual([file.status, file.body], [200, 'hello'])
  const numbers = await answer(metrics)
  assert.equal(valueOf(numbers.body, 'holdfast_files'), 2)
  assert.equal(valueOf(numbers.body, 'holdfast_http_requests_total', { method: 'GET', status: '200' }), 1)
  assert.ok(samplesOf(numbers.body).some(({ name }) => name === 'holdfast_http_response_seconds_count'))
  for (const path of ['a.txt', 'none', '_/', '_/metrics', '_/none', '_']) {
    const { headers } = await answer(url + path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.equal(headers['referrer-policy'], 'no-referrer', path)
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin', path)
    assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, path)
    assert.equal(headers['access-control-allow-origin'], undefined, path)
  }
  assert.match(
    String((await answer(`${url}_/`)).headers['content-security-policy']),
    /^default-src 'none'; script-src 'self';/,
  )
  assert.equal((await answer(`${url}none`)).status, 404)
  // No index.html: the inspector.
  const start = await fetch(url, { redirect: 'manual' })
  assert.deepEqual([start.status, start.headers.get('location')], [302, '/_/'])
  await start.body?.cancel()
  assert.deepEqual(JSON.parse((await answer(`${url}_/none`)).body), {
    error: { code: 'ENOENT', message: 'there is nothing here' },
  })
  assert.equal(await end('SIGTERM'), 0)
  const first = log.find(({ path }) => path === '/a.txt')
  assert.deepEqual([first?.['msg'], first?.['status'], first?.['level']], ['GET', 200, 'info'])
})

test('what is known is sent past node:http, with the same headers, and under the same rules, log and metrics', async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello' })
  const { url, metrics, log, end } = await serving(t, pool)
  const client = await rawClient(t, Number(new URL(url).port))
  const get = (path: string, host = 'localhost'): string => `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`
  const answers: string[] = []
  for (let nth = 0; nth < 20; nth++) answers.push((await client.ask(get('/a.txt'))).replace(/\r\nDate: [^\r]*/, ''))
  assert.equal(new Set(answers).size, 1)
  assert.match(answers[0], /\r\ncontent-security-policy: frame-ancestors 'none'\r\n/)
  assert.match(await client.ask(get('/a.txt', 'evil.test')), /^HTTP\/1\.1 421 /)
  const numbers = (await answer(metrics)).body
  assert.equal(valueOf(numbers, 'holdfast_http_requests_total', { method: 'GET', status: '200' }), 20)
  assert.ok(valueOf(numbers, 'holdfast_http_response_bytes_total') >= 20 * 5)
  assert.equal(await end('SIGTERM'), 0)
  const lines = log.filter(({ path, status }) => path === '/a.txt' && status === 200)
  assert.equal(lines.length, 20)
  for (const { bytes, outcome, msg } of lines) assert.deepEqual([bytes, outcome, msg], [5, 'whole', 'GET'])
})

test('nothing can be changed without --write, and then with the token only', async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello' })
  const closed = await serving(t, pool)
  for (const path of ['a.txt', '_/api/lab', '_/api/file?path=/a.txt']) {
    for (const method of ['PUT', 'DELETE', 'POST', 'PATCH', 'PROPFIND']) {
      const refused = await answer(closed.url + path, { method, headers: { authorization: 'Bearer guess' } })
      assert.equal(refused.status, 403, `${method} ${path}`)
    }
  }
  assert.equal(await closed.end('SIGTERM'), 0)
  const open = await serving(t, pool, '--write')
  const { token = '' } = open
  assert.ok(token.length >= 32)
  assert.equal(open.inspector, `${open.url}_/#token=${token}`)
  const put = (authorization?: string): Promise<{ status: number; headers: Record<string, unknown> }> =>
    answer(`${open.url}b.txt`, {
      method: 'PUT',
      body: 'new',
      headers: authorization === undefined ? {} : { authorization },
    })
  for (const wrong of [undefined, '', 'Bearer', 'Bearer x', `Basic ${token}`, `Bearer ${token}x`, token]) {
    const refused = await put(wrong)
    assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Bearer realm="holdfast"'], wrong)
  }
  assert.equal((await answer(`${open.url}b.txt`)).status, 404)
  assert.equal((await put(`Bearer ${token}`)).status, 201)
  const file = await answer(`${open.url}b.txt`)
  assert.equal(file.body, 'new')
  assert.match(String(file.headers['content-security-policy']), /^sandbox;/)
  for (const method of ['POST', 'OPTIONS', 'PROPFIND']) {
    const { status, headers } = await answer(`${open.url}b.txt`, {
      method,
      headers: { authorization: `Bearer ${token}` },
    })
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD, PUT, DELETE'], method)
  }
  assert.equal(await open.end('SIGTERM'), 0)
  assert.ok(!JSON.stringify(open.log).includes(token))
})

test('it answers to its own names only', async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello' })
  const { url, port } = await serving(t, pool)
  const statusAs = async (host: string): Promise<number> => (await answer(`${url}a.txt`, { headers: { host } })).status
  for (const host of ['localhost', `localhost:${port}`, '127.0.0.1', '127.0.0.1:1', '[::1]:80', 'LOCALHOST'])
    assert.equal(await statusAs(host), 200, host)
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
  ])
    assert.equal(await statusAs(host), 421, host)
  for (const path of ['a.txt', '_/api/pool']) {
    const { headers } = await answer(url + path, { headers: { host: 'evil.example' } })
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, path)
  }
})

test('a slow download is finished before it ends, new requests are not taken', async (t) => {
  const content = randomBytes(24 << 20)
  const pool = await poolWith(t, { '/video': content })
  const { url, child, end } = await serving(t, pool)
  const response = await ask(`${url}video`)
  response.pause()
  const ended = end('SIGTERM')
  await until('it does not listen any more', () =>
    answer(url).then(
      () => false,
      () => true,
    ),
  )
  // The file goes, while its content is still being sent.
  await mustRun(['rm', pool, '/video'])
  assert.equal(child.exitCode, null)
  const hash = createHash('sha256')
  for await (const part of response) hash.update(part as Buffer)
  assert.equal(hash.digest('hex'), createHash('sha256').update(content).digest('hex'))
  assert.equal(await ended, 0)
})

test('a second signal ends it at once, and leaves a pool that opens clean', async (t) => {
  const pool = await poolWith(t, { '/video': randomBytes(24 << 20) })
  const { url, child, log, end } = await serving(t, pool)
  const response = await ask(`${url}video`)
  response.on('error', () => undefined)
  response.pause()
  const ended = end('SIGINT')
  await until('it has begun to end', () => log.some(({ msg }) => msg === 'ending'))
  child.kill('SIGINT')
  assert.equal(await ended, null)
  assert.equal((await mustJson<{ isSound: boolean }>(['fsck', '-n', pool])).isSound, true)
  assert.deepEqual(await mustJson<object>(['pins', pool]), { pins: [] })
})

test('kill -9 leaves a pool that opens clean', async (t) => {
  const pool = await poolWith(t, { '/video': randomBytes(24 << 20) })
  const { url, end } = await serving(t, pool, '--write')
  const response = await ask(`${url}video`)
  response.on('error', () => undefined)
  response.pause()
  await until(
    'the download has pinned',
    async () => (await mustJson<{ pins: unknown[] }>(['pins', pool])).pins.length > 0,
  )
  assert.equal(await end('SIGKILL'), null)
  assert.deepEqual(await mustJson<object>(['pins', pool]), { pins: [] })
  assert.equal((await mustJson<{ isSound: boolean }>(['fsck', '-n', pool])).isSound, true)
  await mustRun(['rm', pool, '/video'])
})

test('--mount mounts it as well, and takes it off at the end', { skip: whyNoMount() }, async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello' })
  const dir = join(temporaryDirectory(t), 'mnt')
  mkdirSync(dir)
  const { url, mount, end } = await serving(t, pool, '--mount', dir)
  assert.equal(mount, dir)
  assert.equal(await readFile(join(dir, 'a.txt'), 'utf8'), 'hello')
  await mustRun(['put', pool, '-', '/b.txt'], 'b')
  assert.equal((await answer(`${url}b.txt`)).body, 'b')
  assert.equal(await end('SIGINT'), 0)
  assert.equal(mountedAt(dir), undefined)
})

test('what does not go is said', async (t) => {
  const directory = temporaryDirectory(t)
  const pool = await poolWith(t)
  const blocker = createServer().listen(0, '127.0.0.1')
  t.after(() => blocker.close())
  await once(blocker, 'listening')
  const port = String((blocker.address() as AddressInfo).port)
  writeFileSync(join(directory, 'file'), '')
  const cases: [args: string[], code: number, message: RegExp][] = [
    [[pool, '--port', port], 1, new RegExp(`EADDRINUSE: somebody else listens on port ${port}; .*--port`)],
    [[pool, '--port', '65536'], 2, /A port is a number from 0 to 65535/],
    [[pool, '--host', '0.0.0.0'], 1, /EPERM: other machines can get to 0\.0\.0\.0: .*--public/],
    [[pool, '--host', 'no-such-host.invalid', '--port', '0'], 1, /EADDRNOTAVAIL: there is no host/],
    [[directory, '--port', '0'], 1, /ENOENT: this is no pool/],
    [[pool, '--port', '0', '--mount', join(directory, 'none')], 1, /ENOENT/],
  ]
  for (const [args, code, message] of cases) {
    const result = await holdfast(['serve', ...args])
    assert.match(result.errors, message, args.join(' '))
    assert.deepEqual([result.code, result.text], [code, ''], args.join(' '))
  }
})

test('with --public others may get there, by any name', async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello' })
  const { port } = await serving(t, pool, '--host', '0.0.0.0', '--public')
  const { status } = await answer(`http://127.0.0.1:${port}/a.txt`, { headers: { host: 'files.example' } })
  assert.equal(status, 200)
})

test('without --json the addresses are printed for people', async (t) => {
  const pool = await poolWith(t)
  const child = startHoldfast(['serve', pool, '--port', '0', '--write'])
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  child.stdout.on('data', (part: Buffer) => (text += part.toString()))
  await until('it is announced', () => text.includes('metrics'))
  assert.match(
    text,
    /is served; Ctrl-C ends it\n {2}files {6}http:\S+\n {2}inspector {2}http:\S+\/_\/#token=\S{32}\n {2}metrics /,
  )
})

test('the API is there, may change something with the token only, and its streams end with the server', async (t) => {
  const pool = await poolWith(t, { '/a.txt': 'hello' })
  const { url, token = '', end } = await serving(t, pool, '--write')
  const api = `${url}_/api`
  const authorization = `Bearer ${token}`
  const isWritable = async (headers: Record<string, string>): Promise<unknown> =>
    (JSON.parse((await answer(`${api}/pool`, { headers })).body) as { writable: unknown }).writable
  assert.deepEqual([await isWritable({}), await isWritable({ authorization })], [false, true])
  const { headers } = await answer(`${api}/pool`)
  assert.match(String(headers['content-security-policy']), /^default-src 'none'/)
  assert.equal(headers['cache-control'], 'no-store')
  const change = { method: 'PATCH', body: '{"busy":"fail"}', headers: { 'content-type': 'application/json' } }
  assert.equal((await answer(`${api}/file?path=/a.txt`, change)).status, 401)
  const shown = { ...change, headers: { ...change.headers, authorization } }
  assert.equal((await answer(`${api}/file?path=/a.txt`, shown)).status, 200)
  assert.equal((await mustJson<{ busy: string }>(['stat', pool, '/a.txt'])).busy, 'fail')
  assert.equal((await answer(`${api}/file?path=/a.txt`, { ...shown, body: ' '.repeat(100_000) })).status, 413)
  for (const accept of ['text/event-stream', '*/*']) {
    const events = await ask(`${api}/events`, { headers: { accept } })
    assert.equal(events.headers['content-type'], 'text/event-stream')
    events.on('error', () => undefined).resume()
  }
  const startedMs = performance.now()
  assert.equal(await end('SIGTERM'), 0)
  assert.ok(performance.now() - startedMs < 5000, 'it did not wait for the stream')
})
