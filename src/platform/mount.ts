/**
 * Mounting and unmounting: mount(2), umount2(2). Callers: the mount.
 */
import { callFailed, lastErrorCode, libc } from './libc.ts'
import type { HoldfastError } from '../errors.ts'

/** Flags of mount(2) by the words of mount(8). */
export const MOUNT_FLAGS: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  dirsync: 128,
  noatime: 1024,
  nodiratime: 2048,
  relatime: 1 << 21,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
}

const MS_REMOUNT = 32
const MNT_DETACH = 2
const UMOUNT_NOFOLLOW = 8

export interface MountCall {
  /** Shown as the device in /proc/mounts. */
  readonly source: string
  readonly target: string
  readonly type: string
  /** A sum of `MOUNT_FLAGS`. */
  readonly flags: number
  /** What the file system itself is told, separated by commas. */
  readonly data: string
}

/** EPERM: only who has CAP_SYS_ADMIN may. ENOENT, ENOTDIR; ENODEV: the kernel has no such file system. */
export function mountFileSystem({ source, target, type, flags, data }: MountCall): void {
  if (libc().mount(source, target, type, flags, data) === 0) return
  throw callFailed('the file system could not be mounted', { syscall: 'mount', path: target })
}

/** Gives a mount other flags, a sum of `MOUNT_FLAGS`. EBUSY: read-only, while files are open for writing. EPERM, EINVAL. */
export function remountFileSystem(target: string, flags: number): void {
  if (libc().mount('', target, '', flags + MS_REMOUNT, '') === 0) return
  const detail = { syscall: 'mount', path: target }
  if (lastErrorCode() === 'EBUSY') throw callFailed('files are open there for writing; close them first', detail)
  throw callFailed('the flags of the mount could not be changed', detail)
}

/**
 * Takes the topmost mount off a directory; a symlink is not followed. EBUSY: it is in use; `lazy` takes it off the tree
 * all the same, and lets it go on for who has it open. EINVAL: nothing is mounted there. EPERM, ENOENT.
 *
 * On another thread, since the kernel may first write back what is dirty in mappings, and whoever serves the mount has to
 * take that while this waits.
 */
export function unmountFileSystem(target: string, { lazy }: { lazy: boolean }): Promise<void> {
  const flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)
  return new Promise((resolve, reject) => {
    libc().umount2.async(target, flags, (error, result) => {
      if (error instanceof Error) reject(error)
      else if (result === 0) resolve()
      else reject(refused(target))
    })
  })
}

function refused(path: string): HoldfastError {
  const detail = { syscall: 'umount2', path }
  switch (lastErrorCode()) {
    case 'EBUSY':
      return callFailed('the file system is in use', detail)
    case 'EINVAL':
      return callFailed('nothing is mounted here', detail)
    default:
      return callFailed('the file system could not be unmounted', detail)
  }
}
