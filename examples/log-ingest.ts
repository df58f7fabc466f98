/**
 * Logs from TCP connections into files: the kernel puts what arrives straight into the blocks, segment by segment. A reader follows
 * meanwhile, and old segments are removed, whoever still reads them.
 *
 *   node examples/log-ingest.ts
 *
 * In a program of yours the import reads `from 'holdfast'`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pool } from '../src/index.ts'
import { createPool } from '../src/index.ts'

const SEGMENT_BYTES = 1 << 20
const LINE = 'a line of a log that somebody will want to read one day\n'
const LINES = 50_000

/** Takes a connection to its end; returns the bytes. */
async function ingest(pool: Pool, socket: Socket, name: string): Promise<number> {
  let total = 0
  for (let number = 0; ; number++) {
    await using segment = await pool.open(`/logs/${name}.${number}`, 'w+')
    // Contiguous: one pin, one view, as few calls as there can be.
    await segment.allocate(0, SEGMENT_BYTES)
    using pin = await segment.pin({ offset: 0, length: SEGMENT_BYTES, mode: 'write' })
    const bytes = await pin.readFrom(socket)
    total += bytes
    if (bytes === SEGMENT_BYTES) continue
    await segment.truncate(bytes)
    return total
  }
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 64 << 20 })
  await pool.mkdir('/logs')
  const done: Promise<number>[] = []
  const server = createServer((socket) => {
    done.push(ingest(pool, socket, `connection-${done.length}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const { port } = server.address() as AddressInfo
  const clients = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'))
  for (const client of clients) client.end(LINE.repeat(LINES))
  await Promise.all(clients.map((client) => once(client, 'close')))
  const totals = await Promise.all(done)
  server.close()
  assert.deepEqual(totals, Array(3).fill(LINE.length * LINES))

  const segments = await pool.readdir('/logs')
  console.log(`${segments.length} segments of ${totals.length} connections`)
  let text = ''
  for (const name of segments.filter((segment) => segment.startsWith('connection-0.')))
    text += await pool.readFile(`/logs/${name}`, 'utf8')
  assert.equal(text, LINE.repeat(LINES))
  console.log(`the first has ${text.split('\n').length - 1} lines, none torn`)

  // Somebody still reads the oldest segment when it is removed: it goes at once, the reader does not notice.
  await using oldest = await pool.open('/logs/connection-0.0')
  using reading = await oldest.pin({ offset: 0, length: SEGMENT_BYTES, mode: 'read' })
  for (const name of segments) await pool.unlink(`/logs/${name}`)
  assert.equal(new TextDecoder().decode(reading.buffer.subarray(0, LINE.length)), LINE)
  console.log(`all are removed: ${(await pool.readdir('/logs')).length} are left, and who read one reads on`)
} finally {
  await rm(directory, { recursive: true, force: true })
}
