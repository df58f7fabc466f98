/**
 * A slow download that survives a truncate.
 *
 * An HTTP server sends a file straight from its blocks; while a slow client reads, another participant truncates the file
 * and writes new files into all the space there is. The client gets the old bytes, every one of them.
 *
 *   node examples/slow-download.ts
 *
 * In a program of yours the import reads `from 'holdfast'`.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPool, openPool } from '../src/index.ts'

// More than the buffers of two sockets hold: the server is still sending when the file is truncated.
const SIZE = 32 << 20

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 2 * SIZE })
  const video = randomBytes(SIZE)
  await pool.writeFile('/video', video)

  const server = createServer((_request, response) => {
    send(response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const client = get({ port: (server.address() as AddressInfo).port })
  const [response] = (await once(client, 'response')) as [IncomingMessage]
  const hash = createHash('sha256')
  let received = 0
  for await (const chunk of response) {
    hash.update(chunk)
    const before = received
    received += chunk.length
    // Once, a quarter in. The client reads nothing meanwhile: it is slow.
    if (before < SIZE / 4 && received >= SIZE / 4) await takeAway()
  }
  server.close()
  assert.equal(hash.digest('hex'), createHash('sha256').update(video).digest('hex'))
  console.log(`the client got all ${received >> 20} MiB, unharmed`)

  async function send(to: import('node:http').ServerResponse): Promise<void> {
    await using file = await pool.open('/video', 'r')
    const { size } = await file.stat()
    using pin = await file.pin({ offset: 0, length: size, mode: 'read' })
    to.setHeader('content-length', size)
    await pin.writeTo(to)
    to.end()
  }

  /** What another process may do at any time: here, another participant of the same process. */
  async function takeAway(): Promise<void> {
    await using other = await openPool(pool.path)
    const start = performance.now()
    await other.truncate('/video', 0)
    console.log(`truncated in ${(performance.now() - start).toFixed(1)} ms, with the download under way`)
    const [lost] = await other.lostAndFound.list()
    console.log(
      `/lost+found/${lost.name}: ${lost.length >> 20} MiB, held by ${lost.holders.length} pin of pid ${lost.holders[0].pid}`,
    )
    let files = 0
    for (; (await other.stats()).availableBytes > 4 << 20; files++)
      await other.writeFile(`/new-${files}`, Buffer.alloc(4 << 20, 'new'))
    console.log(`wrote ${files} new files into the space that was left`)
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}
