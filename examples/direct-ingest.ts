/**
 * O_DIRECT into pinned blocks: a file of the host becomes a file of the pool without passing through a buffer or the page
 * cache. The disk writes into the blocks of the file, and nobody can have them before it is done.
 *
 *   node examples/direct-ingest.ts [HOSTFILE]
 *
 * In a program of yours the import reads `from 'holdfast'`.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPool } from '../src/index.ts'

const BLOCK = 4096
const WINDOW = 1 << 20

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  const [, , hostFile = join(directory, 'source')] = process.argv
  // Not a multiple of a block, as files are.
  if (process.argv.length < 3) await writeFile(hostFile, randomBytes((8 << 20) + 1000))

  await using source = await open(hostFile, constants.O_RDONLY | constants.O_DIRECT)
  const { size } = await source.stat()
  const whole = Math.ceil(size / BLOCK) * BLOCK

  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: Math.max(16 << 20, 2 * whole) })
  await using file = await pool.open('/ingested', 'w+')
  await file.allocate(0, whole)

  const start = performance.now()
  for (let offset = 0; offset < whole; offset += WINDOW) {
    // Whole blocks: O_DIRECT wants offset, length and memory aligned, and a block of the pool is a page.
    using pin = await file.pin({ offset, length: Math.min(WINDOW, whole - offset), mode: 'write' })
    await pin.readFrom(source, { position: offset })
  }
  await file.truncate(size)
  await file.sync()
  console.log(`${size} bytes in ${(performance.now() - start).toFixed(1)} ms, durable`)

  assert.ok((await readFile(hostFile)).equals(await pool.readFile('/ingested')))
  console.log('the file is what its source is')
} finally {
  await rm(directory, { recursive: true, force: true })
}
