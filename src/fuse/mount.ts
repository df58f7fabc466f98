/**
 * `mount`: a pool as a file system for every program.
 *
 * The mount is served by a process of its own, one more participant of the pool. Not by a thread: the calls of node:fs share
 * four threads a process, so four of them that wait for the mount would keep the mount from being served.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { systemError } from '../errors.ts'
import type { Pool } from '../index.ts'
import { acknowledge, untilReady } from './control.ts'
import { FILE_SYSTEM_TYPE, mountedAt, requireMountPoint } from './mount-point.ts'
import type { MountOptions } from './options.ts'
import { checkMountOptions } from './options.ts'
import type { ServerArguments } from './server-arguments.ts'
import type { UnmountOptions } from './unmount.ts'
import { unmountOrSayWho } from './unmount.ts'

/** Beside this file, in the sources as in the package. */
const SERVER = fileURLToPath(import.meta.url).replace(/mount(?=\.[jt]s$)/, 'server-main')

/** A mounted pool. */
export interface Mount extends AsyncDisposable {
  /** Absolute, without symlinks. */
  readonly dir: string
  /** Process id of the server. */
  readonly pid: number
  /** Resolves when it was unmounted, by anybody, and the server has left the pool. Rejects when the server died instead. */
  readonly ended: Promise<void>
  /**
   * Unmounts, and resolves when the server has left the pool; with `lazy` when the mount is off the tree. EBUSY, saying who
   * uses it. When it is unmounted already, it does nothing.
   */
  unmount(options?: UnmountOptions): Promise<void>
}

/**
 * Mounts a pool on a directory, which need not be empty. The mount keeps this process alive, as a server that listens does, and
 * ends with it. As root by mount(2), else through fusermount3.
 *
 * ENOENT, ENOTDIR: the directory; ENOENT, EACCES: /dev/fuse; EPERM: what is needed to be allowed; EBUSY: a pool is mounted
 * there; and what `openPool` throws. Price: 200 ms, for a process that starts.
 */
export async function mount(pool: Pool | string, dir: string, options: MountOptions = {}): Promise<Mount> {
  const { child, control, path } = await start(pool, dir, options, false)
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => undefined)
  child.once('exit', (status, signal) => {
    control.destroy()
    if (status === 0) return ended.resolve()
    const how = signal === null ? `ended with status ${status}` : `was ended by ${signal}`
    const what = `the process that served the mount ${how}; what was written is in the pool; unmount, and mount again`
    ended.reject(systemError('ENOTCONN', what, { syscall: 'mount', path }))
  })
  const unmountIt = async ({ lazy = false }: UnmountOptions = {}): Promise<void> => {
    if (mountedAt(path)?.type === FILE_SYSTEM_TYPE) await unmountOrSayWho(path, lazy)
    if (!lazy) await ended.promise.catch(() => undefined)
  }
  return {
    dir: path,
    pid: child.pid!,
    ended: ended.promise,
    unmount: unmountIt,
    [Symbol.asyncDispose]: () => unmountIt(),
  }
}

/**
 * The same for a mount that stays when this process ends; answers the process id of the server. When `signal` is aborted
 * before, or this process ends, nothing is mounted, and nothing is left.
 */
export async function mountInBackground(
  pool: string,
  dir: string,
  options: MountOptions = {},
  signal?: AbortSignal,
): Promise<number> {
  const { child, control } = await start(pool, dir, options, true, signal)
  acknowledge(control)
  child.unref()
  // Not `destroy`: what was said last is still on its way.
  control.end()
  control.unref()
  return child.pid!
}

interface Started {
  readonly child: ChildProcess
  readonly control: Socket
  readonly path: string
}

async function start(
  pool: Pool | string,
  dir: string,
  options: MountOptions,
  outlivesStarter: boolean,
  signal?: AbortSignal,
): Promise<Started> {
  signal?.throwIfAborted()
  checkMountOptions(options)
  const path = requireMountPoint(dir)
  const poolPath = realpathSync(typeof pool === 'string' ? pool : pool.path)
  if (poolPath === path || poolPath.startsWith(`${path}/`)) {
    const what = 'the mount would cover the pool itself; mount it elsewhere'
    throw systemError('EINVAL', what, { syscall: 'mount', path: dir })
  }
  const settings: ServerArguments = { options, outlivesStarter }
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', SERVER, poolPath, path, JSON.stringify(settings)],
    // A session of its own: Ctrl-C is for the starter, which decides.
    { detached: true, stdio: ['ignore', 'ignore', outlivesStarter ? 'ignore' : 'inherit', 'pipe'] },
  )
  const control = child.stdio[3] as Socket
  control.on('error', () => undefined)
  const hasEnded = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  try {
    await Promise.race([untilReady(control, dir), failed])
    signal?.throwIfAborted()
  } catch (error) {
    control.destroy()
    // It takes the mount back, if there is one by now.
    if (child.pid !== undefined) await hasEnded
    throw error
  }
  return { child, control, path }
}
