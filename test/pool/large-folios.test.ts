/**
 * Pins whose blocks lie in large folios of the page cache, which another program that reads the device in sequence makes.
 * The kernel drops such a folio whole when a neighbour of the block is punched, even under an O_DIRECT read into the block
 * (docs/internals/page-cache.md). Without the second reads of `readFrom` hundreds of blocks are lost in each round on ext4.
 */
import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { copyFile, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

const ROUNDS = 2
/** The pinned file lies in so many runs, with a block of the other file behind each. So long that a read takes a while. */
const RUNS = 64
const RUN_BYTES = 63 * BLOCK
const LENGTH = RUNS * RUN_BYTES
/** What the reads put there, in turn. */
const STAMPS = [0x77, 0x88] as const

test('promises 1 and 8: what was read into a pin is there, though blocks beside it are given back', async (t) => {
  const directory = temporaryDirectory(t, 'disk')
  const path = join(directory, 'pool')
  const sources: FileHandle[] = []
  t.after(() => Promise.all(sources.map((source) => source.close())))
  for (const stamp of STAMPS) {
    const host = join(directory, `host-${stamp}`)
    await writeFile(host, Buffer.alloc(LENGTH, stamp))
    try {
      sources.push(await open(host, constants.O_RDONLY | constants.O_DIRECT))
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'EINVAL')
      return t.skip('the file system of temporary files has no O_DIRECT')
    }
  }
  await (await createPool(path, { sizeBytes: 2 * LENGTH })).close()
  for (let round = 0; round < ROUNDS; round++) {
    await makeFiles(path)
    await restoreFromCopy(join(path, 'device'))
    await using pool = await openPool(path)
    await readInSequence(join(path, 'device'))
    const [breaker, flusher] = [await startProcess(t, pool), await startProcess(t, pool)]
    const breaking = breaker.run(async (here, runs) => {
      for (let run = 0; run < runs; run++) {
        await here.pool.punchHole('/beside', run * 4096, 4096)
        await here.pool.reap()
      }
    }, RUNS)
    // As pool.sync() and the kernel itself do now and then.
    const flushing = flusher.run(async (here) => {
      const { open: openHost } = await here.load<typeof import('node:fs/promises')>('node:fs/promises')
      await using device = await openHost(`${here.pool.path}/device`, 'r+')
      here.kept['isOver'] = false
      while (here.kept['isOver'] !== true) await device.datasync()
    })
    const { reads, lost } = await readUntil(breaking, pool, sources)
    await breaking
    await flusher.run((here) => void (here.kept['isOver'] = true))
    await flushing
    t.diagnostic(`${reads} reads, ${lost} blocks lost`)
    assert.ok(reads > 0)
    assert.equal(lost, 0)
    await breaker.kill()
    await flusher.kill()
  }
})

/** Reads into one pin of all of the file, over and over, and looks at each of its blocks. */
async function readUntil(
  end: Promise<void>,
  pool: Pool,
  sources: readonly FileHandle[],
): Promise<{ reads: number; lost: number }> {
  let isOver = false
  void end.then(() => (isOver = true))
  await using file = await pool.open('/pinned', 'r+')
  using pin = await file.pin({ offset: 0, length: LENGTH, mode: 'write' })
  assert.equal(pin.buffers.length, RUNS)
  let reads = 0
  let lost = 0
  while (!isOver) {
    const kind = reads % STAMPS.length
    assert.equal(await pin.readFrom(sources[kind], { position: 0 }), LENGTH)
    reads++
    for (const buffer of pin.buffers) {
      for (let at = 0; at < buffer.length; at += BLOCK) if (buffer[at] !== STAMPS[kind]) lost++
    }
  }
  return { reads, lost }
}

/** Both files anew, their blocks alternating in the device. */
async function makeFiles(path: string): Promise<void> {
  await using pool = await openPool(path)
  for (const name of ['/pinned', '/beside']) await pool.unlink(name).catch(() => undefined)
  await pool.reap()
  await using pinned = await pool.open('/pinned', 'w')
  await using beside = await pool.open('/beside', 'w')
  for (let run = 0; run < RUNS; run++) {
    await pinned.allocate(run * RUN_BYTES, RUN_BYTES)
    await pinned.write(Buffer.alloc(RUN_BYTES, 0x11), 0, RUN_BYTES, run * RUN_BYTES)
    await beside.allocate(run * BLOCK, BLOCK)
  }
}

/** As a backup does. What is in memory stays as it is, so the pool was opened on a copy, and has let go of that. */
async function readInSequence(device: string): Promise<void> {
  await using handle = await open(device, 'r')
  const buffer = Buffer.alloc(64 << 10)
  while ((await handle.read(buffer, 0, buffer.length)).bytesRead > 0);
}

async function restoreFromCopy(device: string): Promise<void> {
  await copyFile(device, `${device}-copy`)
  await rename(`${device}-copy`, device)
}
