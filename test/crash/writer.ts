/**
 * A process that writes, syncs and says so, until it is killed or its host is gone: `node writer.ts POOL DIRECTORY ROUND`.
 * In its directory of the pool it works in rounds, from the one given on, and tells its parent of each promise that it was
 * given, after it was given it.
 *
 *   whole-N    written whole in rounds, in place; synced(N, round): no word of it is of an earlier round any more
 *   replaced   another file, written, synced and renamed over it, each round; replaced(round): it is whole and not older
 *   log        appended to, and truncated at times
 *   others     come and go unsynced, so that blocks are used again
 *   pulse      short operations of all kinds, which nobody keeps waiting; stalled(what): one took longer than a second, and the
 *              process had its turn all the time
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
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
  | { readonly kind: 'stalled'; readonly what: string }

const tell = (word: Word): void => void process.send?.(word)

function stamp(ino: number, round: number, bytes: number): Buffer {
  return Buffer.from(new Uint32Array(bytes / 4).fill(stampOf(ino, round)).buffer)
}

const STALL_MS = 1000

async function writeWhole(pool: Pool, path: string, file: number, round: number): Promise<void> {
  await using whole = await pool.open(path, (await pool.exists(path)) ? 'r+' : 'w+')
  for (let at = 0; at < WHOLE_BYTES; at += 16 << 10) {
    await whole.write(stamp(whole.ino, round, 16 << 10), { position: at })
  }
  await whole.sync()
  tell({ kind: 'synced', file, round })
}

async function replace(pool: Pool, directory: string, round: number): Promise<void> {
  const path = `${directory}/new`
  await using file = await pool.open(path, 'w')
  await file.write(stamp(file.ino, round, WHOLE_BYTES))
  await file.sync()
  await pool.rename(path, `${directory}/replaced`)
  await pool.sync()
  tell({ kind: 'replaced', round })
}

async function log(pool: Pool, path: string, round: number): Promise<void> {
  await using file = await pool.open(path, 'a')
  if ((await file.stat()).size > 200_000) await file.truncate(1000)
  await file.write(stamp(file.ino, round, 5000))
  if (round % 3 === 0) await file.sync()
}

async function churn(pool: Pool, directory: string, round: number): Promise<void> {
  const path = `${directory}/churn-${round % 5}`
  if (!(await pool.exists(path))) {
    await using file = await pool.open(path, 'w')
    await file.write(stamp(file.ino, round, 100_000))
  } else if (round % 2 === 0) {
    await pool.unlink(path)
  } else {
    await pool.truncate(path, 3000)
  }
  if (round % 7 === 0) await pool.reap()
}

async function pulse(pool: Pool, path: string, round: number): Promise<void> {
  await using file = await pool.open(path, 'a+')
  await timed('write', () => file.write(stamp(file.ino, round, 6000)))
  await timed('pin', async () => (await file.pin({ offset: 0, length: 6000, mode: 'read' })).release())
  await timed('truncate', () => file.truncate(1000))
  await timed('rename', () => pool.rename(path, `${path}-2`))
  await timed('unlink', () => pool.unlink(`${path}-2`))
}

/** Told when the time is up and not at the end: what hangs has none. */
async function timed(what: string, action: () => Promise<unknown>): Promise<void> {
  delays.reset()
  const alarm = setTimeout(() => {
    // A machine that is busy with others lets nobody go on; that is no stall of ours.
    if (delays.max < (STALL_MS / 2) * 1e6) tell({ kind: 'stalled', what })
  }, STALL_MS)
  await action()
  clearTimeout(alarm)
}

const delays = monitorEventLoopDelay({ resolution: 10 })

async function lane(step: (round: number) => Promise<void>, first: number): Promise<void> {
  for (let round = first; ; round++) {
    await step(round).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOSPC') throw error
    })
    await turn()
  }
}

if (process.argv[1] === import.meta.filename) {
  const [path, directory, first] = process.argv.slice(2) as [string, string, string]
  delays.enable()
  const pool = await openPool(path)
  await pool.mkdir(directory, { recursive: true })
  tell({ kind: 'working' })
  const lanes = [
    ...Array.from({ length: WHOLE_FILES }, (_, file) => {
      return (round: number) => writeWhole(pool, `${directory}/whole-${file}`, file, round)
    }),
    (round: number) => replace(pool, directory, round),
    (round: number) => log(pool, `${directory}/log`, round),
    (round: number) => churn(pool, directory, round),
    (round: number) => pulse(pool, `${directory}/pulse`, round),
  ]
  await Promise.all(lanes.map((step) => lane(step, Number(first))))
}
