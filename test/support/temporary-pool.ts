/** Pools for tests, on tmpfs or on the disk, in directories of their own that go with the test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import type { CreatePoolOptions, OpenPoolOptions, Pool } from '../../src/index.ts'
import { fileSystemOf } from '../../src/platform/file-system.ts'

export const BLOCK = 4096

/** Why there is no disk for `on: 'disk'` to be on, in tests that need one; false: there is. For `skip`. */
export const noDisk = (): string | false =>
  fileSystemOf(tmpdir()).type === 'tmpfs' && 'the directory for temporary files is on tmpfs'

const ends = new WeakMap<TestContext, (() => unknown)[]>()

/** After the test, last come first served: a pool is closed before its directory goes. Hooks of node:test run in order. */
export function atEnd(t: TestContext, end: () => unknown): void {
  const known = ends.get(t)
  if (known !== undefined) {
    known.push(end)
    return
  }
  const own = [end]
  ends.set(t, own)
  t.after(async () => {
    for (const next of own.toReversed()) await next()
  })
}

/** A directory that is removed after the test. */
export function temporaryDirectory(t: TestContext, on: 'tmpfs' | 'disk' = 'tmpfs'): string {
  const directory = mkdtempSync(join(on === 'tmpfs' ? '/dev/shm' : tmpdir(), 'holdfast-test-'))
  atEnd(t, () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A new pool, 4 MiB unless said otherwise; closed, by force, and removed after the test. */
export async function temporaryPool(
  t: TestContext,
  { on = 'tmpfs', ...options }: Partial<CreatePoolOptions> & { on?: 'tmpfs' | 'disk' } = {},
): Promise<Pool> {
  const pool = await createPool(join(temporaryDirectory(t, on), 'pool'), { sizeBytes: 4 << 20, ...options })
  atEnd(t, () => pool.close({ force: true }))
  return pool
}

/** The same pool once more in this process, as another participant. */
export async function openedAgain(t: TestContext, pool: Pool, options?: OpenPoolOptions): Promise<Pool> {
  const again = await openPool(pool.path, options)
  atEnd(t, () => again.close({ force: true }))
  return again
}
