/**
 * `remount`: what the kernel takes care of by itself, `ro` and the flags of mount(8), can be changed while a pool is mounted.
 * All else was told to the server when it began, and stays.
 */
import { systemError } from '../errors.ts'
import { MOUNT_FLAGS, remountFileSystem } from '../platform/mount.ts'
import { mountedPoolAt } from './mount-point.ts'
import type { MountOptions } from './options.ts'
import { checkMountOptions, kernelFlagsOf } from './options.ts'
import { serverOf } from './server-of.ts'

/** As the options are called in `-o`. */
const LASTING = { cache: 'cache', busy: 'busy', timeoutMs: 'timeout', allowOther: 'allow_other' } as const

/**
 * Gives the mount of a pool other flags; those that are not named are off, as in mount(8), but nosuid and nodev stay as they
 * are: mount(8) does not tell us of suid and dev. EINVAL: no pool is mounted there,
 * or something else is asked to be changed; EBUSY: read-only, while files are open for writing; EPERM: only root may.
 */
export function remount(dir: string, options: MountOptions): void {
  checkMountOptions(options)
  const { dir: path, flags: before } = mountedPoolAt(dir, 'mount')
  const server = serverOf(path)?.options ?? {}
  const refuse = (what: string): Error =>
    systemError('EINVAL', `${what}; unmount it, and mount it again`, { syscall: 'mount', path: dir })
  for (const [option, word] of Object.entries(LASTING) as [keyof typeof LASTING, string][]) {
    // mount(8) repeats what is in fstab.
    if (options[option] !== undefined && options[option] !== server[option])
      throw refuse(`'${word}' of a mounted pool stays as it is`)
  }
  if (server.readOnly === true && options.readOnly !== true) throw refuse('the pool was opened for reading only')
  const kept = ['suid', 'dev'].filter((word) => !before.includes(`no${word}`))
  let flags = 0
  // each a bit of its own
  for (const word of kernelFlagsOf({ ...options, flags: [...kept, ...(options.flags ?? [])] }))
    flags += MOUNT_FLAGS[word]
  remountFileSystem(path, flags)
}
