/**
 * Makes test/data/pool-format-3.tar.gz: `node test/fuzz/make-specimens.ts`. Only for a new version of the format: what is there
 * is what pools of the old one look like, and later versions are held against it.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import tar from 'tar-stream'
import { createPool } from '../../src/index.ts'
import { fillGolden } from './golden.ts'

const POOL_BYTES = 1 << 20
const target = join(import.meta.dirname, '..', 'data', 'pool-format-3.tar.gz')

async function make(path: string): Promise<void> {
  const pool = await createPool(path, { sizeBytes: POOL_BYTES, busy: 'wait', leaseBreakTimeMs: 1234 })
  await fillGolden(pool)
  await pool.sync()
  if (process.argv[2] === undefined) return pool.close()
  const file = await pool.open('/a', 'r+')
  await file.lease({ type: 'layout', offset: 0, length: 4096, onRecall: () => undefined })
  await file.pin({ offset: 0, length: 9000, mode: 'write' })
  await file.pin({ offset: 16_000, length: 100, mode: 'read', stable: true })
  await file.truncate(5000, { busy: 'sequester' })
  await pool.unlink('/d/sparse')
  void file.truncate(10, { busy: 'wait' })
  await new Promise((resolve) => setTimeout(resolve, 50))
  process.kill(process.pid, 'SIGKILL')
}

if (process.argv[2] !== undefined) await make(process.argv[2])

const place = mkdtempSync(join(tmpdir(), 'holdfast-specimens-'))
await make(join(place, 'closed'))
const { signal } = spawnSync(process.execPath, [import.meta.filename, join(place, 'killed')], { stdio: 'inherit' })
if (signal !== 'SIGKILL') throw new Error(`the second one ended with ${signal}`)
const archive = tar.pack()
for (const name of ['closed', 'killed']) {
  const files = readdirSync(join(place, name), { recursive: true, encoding: 'utf8' }).toSorted()
  for (const path of files) {
    const file = join(place, name, path)
    // The reserve is made anew; named pipes have nothing in them.
    if (path === 'reserve' || !statSync(file).isFile()) continue
    archive.entry({ name: `${name}/${path}`, mtime: new Date(0) }, readFileSync(file))
  }
}
archive.finalize()
mkdirSync(join(target, '..'), { recursive: true })
writeFileSync(target, gzipSync(Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>)), { level: 9 }))
rmSync(place, { recursive: true })
console.log(`${target}: ${statSync(target).size} bytes`)
