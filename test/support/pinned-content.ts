/** Pools, pins and peers for the tests of I/O on pins. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import type { CreatePoolOptions, File, Pin, Pool } from '../../src/index.ts'
import { BLOCK, temporaryDirectory, temporaryPool } from './temporary-pool.ts'

export const MIB = 1 << 20

export interface Pinned {
  readonly pool: Pool
  readonly file: File
  readonly pin: Pin
  /** What the pinned range held at first. */
  readonly content: Buffer
}

/** A pool with a file `/pinned` of random bytes, whole blocks, all of it pinned to write. Released after the test. */
export async function pinnedContent(
  t: TestContext,
  bytes: number,
  options: Partial<CreatePoolOptions> & { on?: 'tmpfs' | 'disk'; isScattered?: boolean; isRevocable?: boolean } = {},
): Promise<Pinned> {
  const { isScattered = false, isRevocable = true, ...poolOptions } = options
  const pool = await temporaryPool(t, { sizeBytes: 4 * bytes + 4 * MIB, ...poolOptions })
  const content = randomBytes(bytes)
  if (isScattered) await scatter(pool, '/pinned', bytes)
  await pool.writeFile('/pinned', content, { flags: 'r+', ...(isScattered ? {} : { flags: 'w' }) })
  const file = await pool.open('/pinned', 'r+')
  const pin = await file.pin({ offset: 0, length: bytes, mode: 'write', revocable: isRevocable })
  if (isScattered) assert.ok(pin.buffers.length > 3, `the file lies in ${pin.buffers.length} runs`)
  t.after(() => pin[Symbol.dispose]())
  return { pool, file, pin, content }
}

/** Gives a file blocks in many runs, the later ones before the earlier ones. */
async function scatter(pool: Pool, path: string, bytes: number): Promise<void> {
  await using file = await pool.open(path, 'w')
  await using other = await pool.open('/between', 'w')
  const step = Math.max(BLOCK, Math.floor(bytes / 8 / BLOCK) * BLOCK)
  const starts = Array.from({ length: Math.ceil(bytes / step) }, (_, index) => index * step)
  for (const start of starts.toReversed()) {
    await file.allocate(start, Math.min(step, bytes - start))
    await other.allocate(start, BLOCK)
  }
}

/** A connection: `near` writes and reads as it likes, `far` is the peer and reads nothing until it is told to. */
export async function connection(t: TestContext, kind: 'tcp' | 'unix'): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  if (kind === 'tcp') server.listen(0, '127.0.0.1')
  else server.listen(join(temporaryDirectory(t), 'socket'))
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null)
  const options = typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' }
  const near = connect({ ...options, allowHalfOpen: true })
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  server.close()
  t.after(() => {
    near.destroy()
    far.destroy()
  })
  return { near, far }
}

/** More than a connection takes while nobody reads it. */
export const MORE_THAN_FITS = { tcp: 16 * MIB, unix: MIB } as const

/** Everything a stream gives until it ends or is closed. */
export async function everything(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
  // A connection that is cut off with bytes on their way ends in an error.
  stream.on('error', () => undefined)
  stream.resume()
  if (!stream.closed) await new Promise((resolve) => void stream.once('end', resolve).once('close', resolve))
  return Buffer.concat(chunks)
}

/** Takes exactly so many bytes out of a stream. */
export async function take(stream: Readable, bytes: number): Promise<Buffer> {
  while (stream.readableLength < bytes) {
    stream.read(0)
    await once(stream, 'readable')
  }
  return stream.read(bytes) as Buffer
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Equal by hash: a difference of megabytes would be printed for minutes. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what = 'the bytes'): void {
  assert.equal(actual.length, expected.length, `length of ${what}`)
  assert.equal(hashOf(actual), hashOf(expected), `hash of ${what}`)
}

/** Whether a promise has settled. */
export function stateOf(promise: Promise<unknown>): { isSettled: boolean } {
  const state = { isSettled: false }
  const settle = (): void => void (state.isSettled = true)
  promise.then(settle, settle)
  return state
}

/** Turns of the event loop until something is so. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited too long until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Enough turns of the event loop for what is going to happen by itself to have happened. */
export async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Nothing of the pool is pinned. */
export async function nothingPinned(pool: Pool): Promise<void> {
  assert.deepEqual(await pool.pins(), [])
}
