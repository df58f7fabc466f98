/**
 * kill -9 of one of several processes that work on a pool, at random moments, again and again: the others go on, nothing that
 * was promised is lost, and nothing is left behind.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, openPool } from '../../src/index.ts'
import { Random } from '../stress/random.ts'
import { findingsOf, Promised } from './remains.ts'
import type { Writer } from './start-writer.ts'
import { startWriter } from './start-writer.ts'

export interface KillsOptions {
  /** Where the pool is made. */
  readonly directory: string
  readonly seed: number
  readonly kills: number
  readonly processes: number
}

export interface KillsResult {
  readonly findings: readonly string[]
  readonly promises: number
}

const POOL_BYTES = 8 << 20
/** Between two kills, at most; what is under way then is anything. */
const PAUSE_MS = 120
/** After so many everybody is killed, and the pool is opened afresh and looked at. */
const KILLS_PER_POOL = 25

export async function killAtRandom({ directory, seed, kills, processes }: KillsOptions): Promise<KillsResult> {
  const random = new Random(seed)
  let promises = 0
  for (let done = 0; done < kills; done += KILLS_PER_POOL) {
    const path = join(directory, `pool-${done}`)
    await (await createPool(path, { sizeBytes: POOL_BYTES })).close()
    const promised = Array.from({ length: processes }, (_, i) => new Promised(`/${i}`))
    const writers: Writer[] = await Promise.all(promised.map((own) => startWriter(path, own)))
    const findings: string[] = []
    for (let i = 0; i < Math.min(KILLS_PER_POOL, kills - done) && findings.length === 0; i++) {
      await sleep(random.below(PAUSE_MS))
      findings.push(...writers.flatMap((writer) => writer.ended() ?? []))
      const victim = random.below(processes)
      await writers[victim].kill()
      writers[victim] = await startWriter(path, promised[victim])
    }
    await Promise.all(writers.map((writer) => writer.kill()))
    const pool = await openPool(path)
    findings.push(...promised.flatMap(({ stalls }) => stalls), ...(await findingsOf(pool, promised)))
    await pool.close()
    promises += promised.reduce((sum, { count }) => sum + count, 0)
    if (findings.length > 0) return { findings, promises }
  }
  return { findings: [], promises }
}
