/** Opening a pool for one run of a verb, and closing it whatever happens. */
import type { HoldfastError, Pool } from '../index.ts'
import type { InodeNumber } from '../units.ts'
import type { Run } from './verb.ts'

/** Runs `body` on the pool in directory `path`. The pool is closed properly, also after an error or an interruption. */
export async function withPool<T>(run: Run, path: string, body: (pool: Pool) => Promise<T>): Promise<T> {
  // Here and not above: help and usage errors need none of it, and it is most of what there is to load.
  const { openPool } = await import('../index.ts')
  const pool = await unlessAborted(openPool(path), run.signal)
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
