/**
 * `mount` and `unmount`: a pool as a file system for every program.
 *
 * The mount is served by a process of its own, one more participant of the pool. Not by a thread: the calls of node:fs share
 * four threads a process, so four of them that wait for the mount would keep the mount from being served.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { codeOf, systemError } from '../errors.ts'
import type { Pool } from '../index.ts'
import { detach } from './attach.ts'
import { untilReady } from './control.ts'
import { FILE_SYSTEM_TYPE, mountedAt, mountPointPath, requireMountPoint } from './mount-point.ts'
import { describeMountUsers, mountUsers } from './mount-users.ts'
import type { MountOptions } from './options.ts'
import { checkMountOptions } from './options.ts'
import type { ServerArguments } from './server-main.ts'

/** Beside this file, in the sources as in the package. */
const SERVER = fileURLToPath(import.meta.url).replace(/mount(?=\.[jt]s$)/, 'server-main')

export interface UnmountOptions {
  /**
   * Take it off the tree although it is in use: whoever has files open there may go on, and the mount ends when nobody has.
   * Default false: EBUSY.
   */
  readonly lazy?: boolean | undefined
}

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
    if (mountedAt(path)?.type === FILE_SYSTEM_TYPE) await detachOrSayWho(path, lazy)
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

/** The same for a mount that stays when this process ends; answers the process id of the server. */
export async function mountInBackground(pool: string, dir: string, options: MountOptions = {}): Promise<number> {
  const { child, control } = await start(pool, dir, options, true)
  child.unref()
  control.destroy()
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
): Promise<Started> {
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
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  try {
    await Promise.race([untilReady(control, dir), failed])
  } catch (error) {
    child.kill()
    throw error
  }
  control.on('error', () => undefined)
  return { child, control, path }
}

/**
 * Unmounts the pool that is mounted on a directory, whoever mounted it, also when its server has died. Resolves when its
 * server has left the pool; with `lazy` when the mount is off the tree. EBUSY, saying who uses it; EINVAL: no pool is
 * mounted there; EPERM.
 */
export async function unmount(dir: string, { lazy = false }: UnmountOptions = {}): Promise<void> {
  const path = mountPointPath(dir)
  const entry = mountedAt(path)
  const detail = { syscall: 'umount', path: dir }
  if (entry === undefined) throw systemError('EINVAL', 'nothing is mounted here', detail)
  if (entry.type !== FILE_SYSTEM_TYPE) {
    throw systemError('EINVAL', `what is mounted here is no pool but ${entry.type}; use umount(8)`, detail)
  }
  const server = serverOf(path)
  await detachOrSayWho(path, lazy)
  if (!lazy && server !== undefined) await untilGone(server)
}

async function detachOrSayWho(path: string, lazy: boolean): Promise<void> {
  try {
    await detach(path, { lazy })
  } catch (error) {
    if (codeOf(error) !== 'EBUSY') throw error
    const users = mountUsers(path)
    const who =
      users.length === 0 ? 'in use, by nobody who can be seen from here' : `used by ${describeMountUsers(users)}`
    const what = `the mount is ${who}; end that, or unmount lazily`
    throw systemError('EBUSY', what, { syscall: 'umount', path, cause: error })
  }
}

/** The process that serves a mount, by its command line. */
function serverOf(path: string): number | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const at = words.findIndex((word) => /[/]fuse[/]server-main\.[jt]s$/.test(word))
      if (at !== -1 && words[at + 2] === path) return Number(pid)
    } catch {
      // gone meanwhile
    }
  }
  return undefined
}

const LEAVING_MS_MAX = 30_000

/** A server that was unmounted makes the pool durable and ends. One that is stopped is not waited for forever. */
async function untilGone(pid: number): Promise<void> {
  const deadline = Date.now() + LEAVING_MS_MAX
  const isThere = (): boolean => {
    try {
      return process.kill(pid, 0)
    } catch (error) {
      return codeOf(error) !== 'ESRCH'
    }
  }
  while (isThere() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}
