/**
 * A video server: a player asks for ranges, jumps about, and its connection is slow. Meanwhile the video is cut down to a
 * trailer. What was being sent is sent to its end, byte for byte.
 *
 *   node examples/video-server.ts
 *
 * In a program of yours the imports read `from 'holdfast'` and `from 'holdfast/http'`.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, Server } from 'node:http'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { serveFiles } from '../src/http/index.ts'
import { createPool } from '../src/index.ts'

const SIZE = 32 << 20
const TRAILER = 1 << 20

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  // A response may keep a quarter of a pool from being used again.
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 5 * SIZE })
  const video = randomBytes(SIZE)
  await pool.writeFile('/film.mp4', video)

  const app = new Hono()
  app.get('/watch', (context) => context.html('<video src="/film.mp4" controls></video>'))
  app.use(serveFiles(pool))
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/film.mp4`
  const range = async (bytes: string): Promise<IncomingMessage> => {
    const asked = get(url, { headers: { range: `bytes=${bytes}` }, agent: false })
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    console.log(`bytes=${bytes}: ${response.statusCode} ${response.headers['content-range']}`)
    return response
  }

  // The index at the end, then somewhere in the middle, then all the rest.
  assert.ok((await buffer(await range('-1000'))).equals(video.subarray(-1000)))
  assert.ok((await buffer(await range('5000000-5999999'))).equals(video.subarray(5_000_000, 6_000_000)))
  const rest = await range('1000000-')

  const start = performance.now()
  await pool.truncate('/film.mp4', TRAILER)
  console.log(`cut to a trailer in ${(performance.now() - start).toFixed(1)} ms, with the rest still being sent`)
  assert.ok((await buffer(rest)).equals(video.subarray(1_000_000)))
  console.log('the player got the rest as it was')
  ;(await range('5000000-')).resume()
  server.close()
} finally {
  await rm(directory, { recursive: true, force: true })
}
