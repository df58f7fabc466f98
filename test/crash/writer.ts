/**
 * A process that writes, syncs and says so, until it is killed or its host is gone: `node writer.ts POOL FIRST_ROUND`.
 * It tells its parent of each promise it was given, after it was given it.
 *
 *   /whole-N   written whole in rounds, in place; synced(N, round): no word of it is of an earlier round any more
 *   /replaced  another file, written, synced and renamed over it, each round; replaced(round): it is whole and not older
 *   /log       appended to; logged(bytes): that much of it is there
 *   others     come and go unsynced, so that blocks are used again
 */
import { setImmediate as turn } from 'node:timers/promises'
import { openPool } from '../../src/index.ts'
import type { Pool } from '../../src/index.ts'
import { codeOf } from '../../src/errors.ts'
import { stampOf } from './file-contents.ts'

export const WHOLE_FILES = 2
export const WHOLE_BYTES = 48 << 10

export type Word =
  | { readonly kind: 'working' }
  | { readonly kind: 'synced'; readonly file: number; readonly round: number }
  | { readonly kind: 'replaced'; readonly round: number }
  | { readonly kind: 'logged'; readonly bytes: number }

const tell = (word: Word): void => void process.send?.(word)

function stamp(ino: number, round: number, bytes: number): Buffer {
  return Buffer.from(new Uint32Array(bytes / 4).fill(stampOf(ino, round)).buffer)
}

async function writeWhole(pool: Pool, file: number, round: number): Promise<void> {
  await using whole = await pool.open(`/whole-${file}`, (await pool.exists(`/whole-${file}`)) ? 'r+' : 'w+')
  for (let at = 0; at < WHOLE_BYTES; at += 16 << 10)
    await whole.write(stamp(whole.ino, round, 16 << 10), { position: at })
  await whole.sync()
  tell({ kind: 'synced', file, round })
}

async function replace(pool: Pool, round: number): Promise<void> {
  await using file = await pool.open('/new', 'w')
  await file.write(stamp(file.ino, round, WHOLE_BYTES))
  await file.sync()
  await pool.rename('/new', '/replaced')
  await pool.sync()
  tell({ kind: 'replaced', round })
}

async function log(pool: Pool, round: number): Promise<void> {
  await using file = await pool.open('/log', 'a')
  const { size } = await file.stat()
  if (size > 200_000) {
    await pool.truncate('/log')
    return
  }
  await file.write(stamp(file.ino, round, 5000))
  if (round % 3 !== 0) return
  await file.sync()
  tell({ kind: 'logged', bytes: size + 5000 })
}

async function churn(pool: Pool, round: number): Promise<void> {
  const path = `/churn-${round % 5}`
  if (await pool.exists(path)) {
    if (round % 2 === 0) await pool.unlink(path)
    else await pool.truncate(path, 3000)
  } else {
    await using file = await pool.open(path, 'w')
    await file.write(stamp(file.ino, round, 100_000))
  }
  if (round % 7 === 0) await pool.reap()
}

async function lane(step: (round: number) => Promise<void>, first: number): Promise<void> {
  for (let round = first; ; round++) {
    await step(round).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOSPC') throw error
    })
    await turn()
  }
}

if (process.argv[1] === import.meta.filename) {
  const [path, first] = process.argv.slice(2) as [string, string]
  const pool = await openPool(path)
  tell({ kind: 'working' })
  const lanes = [
    ...Array.from({ length: WHOLE_FILES }, (_, file) => (round: number) => writeWhole(pool, file, round)),
    (round: number) => replace(pool, round),
    (round: number) => log(pool, round),
    (round: number) => churn(pool, round),
  ]
  await Promise.all(lanes.map((step) => lane(step, Number(first))))
}
