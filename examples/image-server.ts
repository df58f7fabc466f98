/**
 * An image server: pictures from their blocks, cached by browsers, and replaced while they are being looked at. Who has begun to
 * load the old picture gets all of it; who comes later gets the new one.
 *
 *   node examples/image-server.ts
 *
 * In a program of yours the imports read `from 'holdfast'` and `from 'holdfast/http'`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { middleware } from '../src/http/index.ts'
import { createPool } from '../src/index.ts'

// More than the buffers of two sockets hold: the slow client is still being sent to when the picture is replaced.
const SIZE = 24 << 20

/** Stands for a picture. */
const picture = (colour: string): Buffer => Buffer.alloc(SIZE, colour)

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 4 * SIZE })
  await pool.mkdir('/images')
  await pool.writeFile('/images/cat.png', picture('red '))

  // For an hour nobody asks again; then the ETag says whether it is the same.
  const server = createServer(middleware(pool, { root: '/images', maxAge: 3_600_000 }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cat.png`
  const load = async (headers = {}): Promise<IncomingMessage> => {
    const [response] = (await once(get(url, { headers, agent: false }), 'response')) as [IncomingMessage]
    return response
  }

  const slow = await load()
  const { etag, 'cache-control': caching, 'content-type': type } = slow.headers
  console.log(`${slow.statusCode} ${type}, ${caching}`)
  const again = await load({ 'if-none-match': etag })
  console.log(`${again.statusCode} for who has it already`)
  again.resume()

  // Beside it, then over it: nobody sees half a picture.
  await pool.writeFile('/images/.new-cat.png', picture('blue '))
  await pool.rename('/images/.new-cat.png', '/images/cat.png')
  assert.ok((await buffer(slow)).equals(picture('red ')))
  console.log('who had begun to load the old picture got all of it')
  const fresh = await load({ 'if-none-match': etag })
  assert.ok((await buffer(fresh)).equals(picture('blue ')))
  console.log(`${fresh.statusCode} and the new one for who asks now`)
  server.close()
} finally {
  await rm(directory, { recursive: true, force: true })
}
