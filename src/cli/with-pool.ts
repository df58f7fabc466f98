/** Opening a pool for one run of a verb, and closing it whatever happens. */
import { codeOf } from '../errors.ts'
import type { HoldfastError, Pool } from '../index.ts'
import type { InodeNumber } from '../units.ts'
import type { Run } from './verb.ts'

type Body<T> = (pool: Pool) => Promise<T>

/** Runs `body` on the pool in directory `path`. The pool is closed properly, also after an error or an interruption. */
export const withPool = <T>(run: Run, path: string, body: Body<T>): Promise<T> => runOn(run, openToWrite(path), body)

/** The same for verbs that change nothing: who may not write the pool gets it for reading only. */
export const withPoolToRead = <T>(run: Run, path: string, body: Body<T>): Promise<T> =>
  runOn(run, openToRead(path), body)

/** The same for who wants no part in the pool: nothing is locked, made or written. */
export const withPoolReadOnly = <T>(run: Run, path: string, body: Body<T>): Promise<T> =>
  runOn(run, openReadOnly(path), body)

async function openReadOnly(path: string): Promise<Pool> {
  const { openPool } = await import('../index.ts')
  return openPool(path, { readOnly: true })
}

async function openToWrite(path: string): Promise<Pool> {
  // Here and not above: help and usage errors need none of it, and it is most of what there is to load.
  const { openPool } = await import('../index.ts')
  return openPool(path)
}

async function openToRead(path: string): Promise<Pool> {
  const { openPool } = await import('../index.ts')
  // Not for reading only at once: who may write clears what the dead have left, and is not kept waiting by it.
  return openPool(path).catch((error: unknown) => {
    if (!['EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error
    return openPool(path, { readOnly: true })
  })
}

async function runOn<T>(run: Run, opening: Promise<Pool>, body: Body<T>): Promise<T> {
  const pool = await unlessAborted(opening, run.signal)
  try {
    return await body(pool)
  } catch (error) {
    await nameFiles(pool, error)
    throw error
  } finally {
    await pool.close({ force: true })
  }
}

/** Opening waits for others who open; until then there is nothing to take back. */
async function unlessAborted<T>(opening: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([opening, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Holders in errors know the inode; people know the path. */
async function nameFiles(pool: Pool, error: unknown): Promise<void> {
  for (const holder of (error as Partial<HoldfastError> | undefined)?.holders ?? []) {
    if (holder.path !== undefined || holder.inode === undefined) continue
    const path = await pool.fileSystem.metadata.pathOf(holder.inode as InodeNumber).catch(() => undefined)
    if (path !== undefined) holder.path = path
  }
}
