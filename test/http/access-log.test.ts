/** What the server's log and metrics say of responses: how much of them was sent, and what broke them off. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { FilesOptions } from '../../src/http/index.ts'
import { middleware } from '../../src/http/index.ts'
import { Traffic } from '../../src/http/server/traffic.ts'
import type { Pool } from '../../src/index.ts'
import { metrics } from '../../src/metrics/index.ts'
import { samplesOf, valueOf } from '../support/exposition.ts'
import { MIB, until } from '../support/pinned-content.ts'
import { atEnd, temporaryPool } from '../support/temporary-pool.ts'
import { asking, listening } from './front-ends.ts'

type Entry = Readonly<Record<string, unknown>> & { readonly msg: string }

interface Watched {
  readonly pool: Pool
  readonly port: number
  readonly entries: Entry[]
  readonly traffic: Traffic
  exposition(): Promise<string>
}

async function watched(t: TestContext, options?: FilesOptions): Promise<Watched> {
  const pool = await temporaryPool(t, { sizeBytes: 64 * MIB })
  const entries: Entry[] = []
  const log = (event: object, msg: string): void => void entries.push({ ...event, msg })
  const registry = new Registry()
  const counted = metrics(pool, { registry })
  atEnd(t, () => counted[Symbol.dispose]())
  const nothing = (): void => undefined
  const traffic = new Traffic(registry, { debug: nothing, info: log, warn: log, error: log, flush: nothing } as never)
  const serve = middleware(pool, options)
  const listener: RequestListener = (request, response) => {
    traffic.begin(request, response)
    serve(request, response, () => response.writeHead(200).end('something else'))
  }
  return { pool, port: await listening(t, listener), entries, traffic, exposition: () => registry.metrics() }
}

const facts = ({ path, status, bytes, outcome, why }: Entry): unknown[] => [path, status, bytes, outcome, why]

test('a whole response is logged with the bytes of its body', async (t) => {
  const { pool, port, entries, exposition } = await watched(t)
  await pool.writeFile('/small', 'small')
  await pool.writeFile('/large', Buffer.alloc(3 * MIB))
  const ask = asking(port)
  await ask('/small?token=no')
  await ask('/small', { method: 'HEAD' })
  await ask('/large', { headers: { range: 'bytes=100-2000099' } })
  await ask('/large')
  await ask('/none')
  await until('all are logged', () => entries.length === 5)
  assert.deepEqual(entries.map(facts), [
    ['/small', 200, 5, 'whole', undefined],
    ['/small', 200, 0, 'whole', undefined],
    ['/large', 206, 2_000_000, 'whole', undefined],
    ['/large', 200, 3 * MIB, 'whole', undefined],
    // In chunks, whose heads count.
    ['/none', 200, 24, 'whole', undefined],
  ])
  assert.ok(entries.every(({ ms }) => typeof ms === 'number' && ms >= 0))
  assert.equal(valueOf(await exposition(), 'holdfast_http_response_bytes_total'), 2_000_029 + 3 * MIB)
})

test('one that was broken off is logged with what was sent, and by whom', async (t) => {
  const { pool, port, entries, traffic, exposition } = await watched(t, {
    hold: { graceMs: 300, bytesPerSecond: 1e9, copyBytes: 0 },
  })
  await pool.writeFile('/large', Buffer.alloc(16 * MIB))
  const start = async (): Promise<ReturnType<typeof connect>> => {
    const socket = connect(port, '127.0.0.1')
    atEnd(t, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.write('GET /large HTTP/1.1\r\nhost: test\r\n\r\n')
    await once(socket, 'readable')
    return socket
  }
  const gone = await start()
  gone.destroy()
  await until('the client is gone', () => entries.length === 1)
  await start()
  await until('another one was too slow', () => entries.length === 2)
  const last = await start()
  traffic.cutOff()
  last.destroy()
  await until('the server has ended', () => entries.length === 3)
  assert.deepEqual(
    entries.map(({ status, outcome, why }) => [status, outcome, why]),
    [
      [499, 'aborted', 'client'],
      [499, 'aborted', 'time'],
      [499, 'aborted', 'end'],
    ],
  )
  // The kernel takes more at once than the 16 KiB that go through Node.js.
  for (const { bytes } of entries) assert.ok(Number(bytes) > 256 << 10 && Number(bytes) < 16 * MIB, String(bytes))
  const text = await exposition()
  assert.equal(valueOf(text, 'holdfast_response_limits_total', { limit: 'time', outcome: 'aborted' }), 1)
  const met = samplesOf(text).filter(({ name, value }) => name === 'holdfast_response_limits_total' && value > 0)
  assert.equal(met.length, 1)
  assert.equal(valueOf(text, 'holdfast_http_requests_total', { method: 'GET', status: '499' }), 3)
})
