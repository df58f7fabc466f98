/** The second process: truncates, punches and unlinks files whose blocks the first one has in I/O. */
import { open, truncate } from 'node:fs/promises'
import type { Pool } from '../../index.ts'
import { openPool } from '../../index.ts'
import type { ChildProgram, Failure } from './child-program.ts'
import { failureOf, nowMs, serveCalls } from './child-program.ts'
import { contentOf } from './content.ts'
import type { Playground } from './playground.ts'
import type { ChangeKind } from './scene.ts'

export interface ChangeRequest {
  readonly kind: ChangeKind
  readonly path: string
  /** Bytes that leave the file: [start, end). */
  readonly start: number
  readonly end: number
  readonly timeoutMs: number
}

export interface ChangeReport {
  readonly path: string
  readonly startedMs: number
  readonly endedMs: number
  /** Pins of the file's blocks right after the call returned. */
  readonly pinsHeld: number
  readonly failure?: Failure | undefined
}

let pool: Pool | undefined

const calls = {
  openPool: async (path: string): Promise<void> => {
    pool = await openPool(path)
  },
  /** All changes at once. */
  change: (requests: readonly ChangeRequest[]): Promise<ChangeReport[]> => Promise.all(requests.map(change)),
  closePool: async (_: undefined): Promise<void> => pool?.close(),
  /** The same to a file of the host, for comparison. */
  truncateOnHost: ({ path, length }: { path: string; length: number }): Promise<void> => truncate(path, length),
  overwriteOnHost: async ({ path, name, length }: { path: string; name: string; length: number }): Promise<void> => {
    await using file = await open(path, 'r+')
    await file.write(contentOf(name, 0, length), 0, length, 0)
  },
}

async function change({ kind, path, start, end, timeoutMs }: ChangeRequest): Promise<ChangeReport> {
  if (pool === undefined) throw new Error('no pool is open')
  const { ino } = await pool.stat(path)
  const startedMs = nowMs()
  let failure: Failure | undefined
  try {
    if (kind === 'truncate') await pool.truncate(path, start, { timeoutMs })
    else if (kind === 'punch') await pool.punchHole(path, start, end - start, { timeoutMs })
    else await pool.unlink(path, { timeoutMs })
  } catch (error) {
    failure = failureOf(error)
  }
  const endedMs = nowMs()
  const pinsHeld = (await pool.pins()).filter((pin) => pin.inode === ino).length
  return { path, startedMs, endedMs, pinsHeld, failure }
}

export type Breaker = ChildProgram<typeof calls>

export const startBreaker = (playground: Playground): Breaker => playground.start<typeof calls>(import.meta.url)

serveCalls(import.meta.url, calls)
