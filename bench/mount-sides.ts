/**
 * The sides of a comparison of mounts: a mounted pool, a directory of the disk, and, where the environment variable
 * HOLDFAST_PASSTHROUGH names the program, libfuse's passthrough_ll over a directory of the disk, with the same settings.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '../src/index.ts'
import { mount } from '../src/fuse/index.ts'

export type CacheMode = 'none' | 'auto'
type SideName = 'holdfast' | 'passthrough_ll' | 'ext4'

/** What passthrough_ll calls the settings of `cache`: what the kernel may keep, and for how many seconds. */
const PASSTHROUGH_CACHE: Record<CacheMode, string> = {
  none: 'cache=never,timeout=0',
  auto: 'cache=auto,timeout=1',
}

export interface Sides extends AsyncDisposable {
  /** A directory on each file system; passthrough_ll's is missing where it is not to be had. */
  readonly directories: ReadonlyMap<SideName, string>
  /** Where the pool is, for other participants. */
  readonly pool: string
}

/** Mounts; everything is gone after disposal. */
export async function mountSides(cache: CacheMode, sizeBytes: number): Promise<Sides> {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const make = (name: string): string => {
    mkdirSync(join(root, name))
    return join(root, name)
  }
  const pool = join(root, 'pool')
  await (await createPool(pool, { sizeBytes })).close()
  const mounted = await mount(pool, make('holdfast'), { cache })
  const directories = new Map<SideName, string>([
    ['holdfast', join(root, 'holdfast')],
    ['ext4', make('ext4')],
  ])
  const program = process.env['HOLDFAST_PASSTHROUGH']
  const stop =
    program === undefined ? undefined : await passThrough(program, make('source'), make('passthrough'), cache)
  if (stop !== undefined) directories.set('passthrough_ll', join(root, 'passthrough'))
  return {
    directories,
    pool,
    [Symbol.asyncDispose]: async () => {
      await stop?.()
      await mounted.unmount()
      rmSync(root, { recursive: true })
    },
  }
}

/** Runs passthrough_ll in the foreground; the result ends it. */
async function passThrough(
  program: string,
  source: string,
  at: string,
  cache: CacheMode,
): Promise<() => Promise<void>> {
  const before = statSync(at).dev
  const child = spawn(program, ['-f', '-o', `source=${source},default_permissions,${PASSTHROUGH_CACHE[cache]}`, at], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const exit = once(child, 'exit')
  while (statSync(at).dev === before) {
    if (child.exitCode !== null) throw new Error(`${program} did not mount`)
    await sleep(10)
  }
  return async () => {
    child.kill('SIGTERM')
    await exit
  }
}
