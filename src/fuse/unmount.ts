/** `unmount`: takes a mounted pool off its directory. */
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf, systemError } from '../errors.ts'
import { hasEnded } from '../platform/process-identity.ts'
import { detach } from './attach.ts'
import { mountedBelow, mountedPoolAt } from './mount-point.ts'
import { describeMountUsers, mountUsers } from './mount-users.ts'
import type { MountUser } from './mount-users.ts'
import { serverOf } from './server-of.ts'

export interface UnmountOptions {
  /**
   * Take it off the tree although it is in use: whoever has files open there may go on, and the mount ends when nobody has.
   * Default false: EBUSY.
   */
  readonly lazy?: boolean | undefined
}

/**
 * Unmounts the pool that is mounted on a directory, whoever mounted it, also when its server has died. Resolves when its
 * server has left the pool; with `lazy` when the mount is off the tree. EBUSY, saying who uses it; EINVAL: no pool is
 * mounted there; EPERM.
 */
export async function unmount(dir: string, { lazy = false }: UnmountOptions = {}): Promise<void> {
  const { dir: path } = mountedPoolAt(dir, 'umount')
  const server = serverOf(path)?.pid
  await unmountOrSayWho(path, lazy)
  if (!lazy && server !== undefined) await untilGone(server)
}

/** Who only passes through (`df`, a scanner) lets go at once. */
const PASSING_MS_MAX = 2000
const PASSING_PAUSE_MS = 10

/** For this folder: unmounts what is mounted at a path. EBUSY names who uses it; when nobody can be seen, it tries for 2 s. */
export async function unmountOrSayWho(path: string, lazy: boolean): Promise<void> {
  const deadline = Date.now() + PASSING_MS_MAX
  for (;;) {
    try {
      await detach(path, { lazy })
      return
    } catch (error) {
      if (codeOf(error) !== 'EBUSY') throw error
      const users = mountUsers(path)
      const [below] = mountedBelow(path)
      if (users.length > 0 || below !== undefined || Date.now() > deadline) {
        const what = `the mount is ${useOf(users, below)}; end that, or unmount lazily`
        throw systemError('EBUSY', what, { syscall: 'umount', path, cause: error })
      }
    }
    await delay(PASSING_PAUSE_MS)
  }
}

function useOf(users: readonly MountUser[], below: string | undefined): string {
  if (users.length > 0) return `used by ${describeMountUsers(users)}`
  return below === undefined ? 'in use, by nobody who can be seen from here' : `used by what is mounted on ${below}`
}

const LEAVING_MS_MAX = 30_000

/** A server that was unmounted makes the pool durable and ends. One that is stopped is not waited for forever. */
async function untilGone(pid: number): Promise<void> {
  const deadline = Date.now() + LEAVING_MS_MAX
  while (!hasEnded(pid) && Date.now() < deadline) await delay(PASSING_PAUSE_MS)
}
