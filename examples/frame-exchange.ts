/**
 * Frames from one worker thread to another, through a ring of blocks, without a copy: the producer fills a pinned slot, says its
 * number, and the consumer pins the same blocks. What travels between them is a number. Both may as well be processes.
 *
 *   node examples/frame-exchange.ts
 *
 * In a program of yours the import reads `from 'holdfast'`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, MessageChannel, Worker, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { createPool, openPool } from '../src/index.ts'

const FRAME_BYTES = 1920 * 1080 * 4
/** Pins are of whole frames, each at a block's beginning. */
const SLOT_BYTES = Math.ceil(FRAME_BYTES / 4096) * 4096
const SLOTS = 4
const FRAMES = 60

interface Part {
  readonly role: 'producer' | 'consumer'
  readonly pool: string
  /** To the other one. */
  readonly port: MessagePort
}

const slotOf = (frame: number): { offset: number; length: number } => ({
  offset: (frame % SLOTS) * SLOT_BYTES,
  length: FRAME_BYTES,
})

async function produce({ pool: path, port }: Part): Promise<void> {
  await using pool = await openPool(path)
  await using ring = await pool.open('/ring', 'r+')
  let returned = 0
  port.on('message', () => returned++)
  for (let frame = 0; frame < FRAMES; frame++) {
    // A slot is filled again when the consumer has given it back.
    while (frame - returned >= SLOTS) await once(port, 'message')
    using slot = await ring.pin({ ...slotOf(frame), mode: 'write' })
    slot.buffer.fill(frame)
    port.postMessage(frame)
  }
  while (returned < FRAMES) await once(port, 'message')
  port.close()
}

async function consume({ pool: path, port }: Part): Promise<void> {
  await using pool = await openPool(path)
  await using ring = await pool.open('/ring', 'r')
  const start = performance.now()
  for (let frame = 0; frame < FRAMES; frame++) {
    const [number] = (await once(port, 'message')) as [number]
    using slot = await ring.pin({ ...slotOf(number), mode: 'read' })
    for (const at of [0, FRAME_BYTES >> 1, FRAME_BYTES - 1]) assert.equal(slot.buffer[at], number)
    port.postMessage(number)
  }
  const ms = performance.now() - start
  console.log(`${FRAMES} frames of ${(FRAME_BYTES / (1 << 20)).toFixed(1)} MiB, ${SLOTS} at a time, none copied`)
  assert.ok(ms > 0)
  port.close()
}

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
  try {
    await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 64 << 20 })
    await using ring = await pool.open('/ring', 'w+')
    await ring.allocate(0, SLOTS * SLOT_BYTES)
    const { port1, port2 } = new MessageChannel()
    const start = (role: Part['role'], port: MessagePort): Promise<unknown> => {
      const part: Part = { role, pool: pool.path, port }
      return once(new Worker(new URL(import.meta.url), { workerData: part, transferList: [port] }), 'exit')
    }
    const ends = await Promise.all([start('consumer', port1), start('producer', port2)])
    assert.deepEqual(ends, [[0], [0]])
    console.log(`${(await pool.pins()).length} pins are left`)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

if (isMainThread) await main()
else await ((workerData as Part).role === 'producer' ? produce(workerData as Part) : consume(workerData as Part))
