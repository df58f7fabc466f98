/**
 * Mounted pools for tests. What runs on a mount runs in a child process (`inMount`, `startInMount`) or through promises of
 * node:fs: a synchronous call of node:fs would only keep this process from looking at the clock.
 *
 *     test('…', { skip: whyNoMount() }, async (t) => {
 *       const { pool, dir } = await mountedPool(t)
 *       assert.equal(await inMount(dir, 'echo hello > a; cat a'), 'hello\n')
 *     })
 */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { codeOf } from '../../src/errors.ts'
import type { Mount, MountOptions } from '../../src/fuse/index.ts'
import { mount } from '../../src/fuse/index.ts'
import type { CreatePoolOptions, Pool } from '../../src/index.ts'
import { atEnd, temporaryDirectory, temporaryPool } from './temporary-pool.ts'

const LEAVING_MS = 2000

/** Why tests that mount cannot run here; false: they can. For `skip`. */
export function whyNoMount(): string | false {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch (error) {
    return `/dev/fuse is not usable here (${codeOf(error)}), so nothing can be mounted`
  }
  return process.getuid?.() === 0 ? false : 'mounting in tests needs root'
}

export interface MountedPool {
  /** This process's own view of the pool: another participant beside the mount. */
  readonly pool: Pool
  readonly mount: Mount
  readonly dir: string
}

/** A directory to mount on; removed after the test. */
export function temporaryMountPoint(t: TestContext): string {
  const dir = join(temporaryDirectory(t), 'mnt')
  mkdirSync(dir)
  return dir
}

/** A new pool, 64 MiB unless said otherwise, mounted; unmounted (lazily, whoever uses it) and removed after the test. */
export async function mountedPool(
  t: TestContext,
  { on, sizeBytes = 64 << 20, ...options }: MountOptions & Partial<CreatePoolOptions> & { on?: 'tmpfs' | 'disk' } = {},
): Promise<MountedPool> {
  const { busy, dax, leaseBreakTimeMs, ...mountOptions } = options
  const pool = await temporaryPool(t, { on, sizeBytes, busy, dax, leaseBreakTimeMs })
  return { pool, ...(await mountTemporarily(t, pool, mountOptions)) }
}

/** Mounts a pool of the test's. */
export async function mountTemporarily(
  t: TestContext,
  pool: Pool,
  options: MountOptions = {},
): Promise<{ mount: Mount; dir: string }> {
  const dir = temporaryMountPoint(t)
  const mounted = await mount(pool, dir, options)
  atEnd(t, async () => {
    await mounted.unmount({ lazy: true })
    const ended = mounted.ended.catch(() => undefined)
    // What a failed test left in the mount would keep the server, and this process, for ever.
    if ((await Promise.race([ended, delay(LEAVING_MS, 'late')])) === 'late') process.kill(mounted.pid, 'SIGKILL')
    await ended
  })
  return { mount: mounted, dir }
}

/** Runs a line of sh(1) in the directory; answers its output, rejects with its words when it fails. */
export async function inMount(dir: string, line: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-ec', line], { cwd: dir, encoding: 'utf8', maxBuffer: 1 << 26 })
  return stdout
}

/** Starts a program in the directory; killed after the test. */
export function startInMount(
  t: TestContext,
  dir: string,
  program: string,
  ...args: string[]
): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(program, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  atEnd(t, () => child.kill('SIGKILL'))
  return child
}
