/**
 * Processes that may read the directory of a pool and not write it. As root the tests make them user 65534; as somebody
 * else they are the test's own user, and only the option keeps them from writing.
 */
import { execFileSync } from 'node:child_process'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'
import type { Pool } from '../../src/index.ts'
import type { Participant } from './participant.ts'
import { startProcess } from './participant.ts'

export const isRoot = process.getuid?.() === 0

/** What the documents say makes a pool readable by others; and its directory in the test. */
export function letOthersRead(path: string): void {
  execFileSync('chmod', ['-R', 'go+rX', path])
  execFileSync('chmod', ['go+x', dirname(path)])
}

/** A process that may not write. Its `here.kept.pool` is the pool at `path`, opened for reading only. */
export async function startReader(t: Pick<TestContext, 'after'>, path: string): Promise<Participant> {
  letOthersRead(path)
  const reader = await startProcess(t)
  await reader.run(async (here) => {
    // Opens nothing, and loads what may be where only the test's user may read.
    await here.openPool('/nowhere').catch(() => undefined)
    if (process.getuid?.() !== 0) return
    process.setgroups?.([])
    process.setgid?.(65_534)
    process.setuid?.(65_534)
  })
  await reader.run(async (here, at) => {
    here.kept['pool'] = await here.openPool(at, { readOnly: true })
  }, path)
  return reader
}

/** Runs `action` with the reader's pool, over there. */
export function reading<A extends unknown[], R>(
  reader: Participant,
  action: (pool: Pool, ...args: A) => Promise<R>,
  ...args: A
): Promise<R> {
  const source = action.toString()
  return reader.run(
    (here, text, given) => {
      // oxlint-disable-next-line typescript/no-implied-eval -- the test's own function, sent as text
      const run = new Function(`return (${text})`)() as (...all: unknown[]) => Promise<R>
      return run(here.kept['pool'], ...given)
    },
    source,
    args,
  )
}
