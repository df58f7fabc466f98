/** How a pool is mounted. */
import { checkBytes, checkChoice, invalidValue, wrongType } from '../errors.ts'
import { BUSY_POLICIES } from '../metadata/metadata.ts'
import type { BusyPolicy } from '../index.ts'
import { MOUNT_FLAGS } from '../platform/mount.ts'

export interface MountOptions {
  /** Nothing can be changed through the mount; the pool is opened for reading only. Default false. */
  readonly readOnly?: boolean | undefined
  /**
   * Users other than the one who mounts may use it, too, as the permissions of the files allow. Without root, /etc/fuse.conf
   * must have `user_allow_other`. Default false.
   */
  readonly allowOther?: boolean | undefined
  /**
   * What the kernel may keep: 'none' (default) nothing, each look sees what any process did before; 'auto' names and
   * attributes for a second, and content with close-to-open consistency. See docs/internals/fuse.md.
   */
  readonly cache?: CacheMode | undefined
  /** What to do about pinned blocks, of all changes made through the mount; default: the file's policy, else the pool's. */
  readonly busy?: BusyPolicy | undefined
  /** How long changes made through the mount wait at most, in milliseconds; default 45,000. */
  readonly timeoutMs?: number | undefined
  /**
   * Flags of mount(8) that the kernel takes care of by itself: 'noexec', 'noatime', 'sync' …; 'suid' and 'dev' (root only) take
   * off 'nosuid' and 'nodev', which are the default.
   */
  readonly flags?: readonly string[] | undefined
}

export type CacheMode = 'none' | 'auto'
export const CACHE_MODES: readonly CacheMode[] = ['none', 'auto']

/** Words that are the absence of a flag; of no effect, unless it is a flag by default. */
const NO_FLAGS: Readonly<Record<string, string>> = {
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  rw: 'ro',
  async: 'sync',
}

export const isMountFlag = (word: string): boolean => word in MOUNT_FLAGS || word in NO_FLAGS

/** The flags of mount(8) that hold in the end. */
export function kernelFlagsOf({ readOnly, flags = [] }: MountOptions): string[] {
  const words = new Set(['nosuid', 'nodev'])
  for (const word of flags) {
    if (word in NO_FLAGS) words.delete(NO_FLAGS[word])
    else words.add(word)
  }
  if (readOnly === true) words.add('ro')
  else words.delete('ro')
  return [...words]
}

/** Throws TypeError, RangeError. */
export function checkMountOptions(options: MountOptions): void {
  if (options.cache !== undefined) checkChoice('cache', options.cache, CACHE_MODES)
  if (options.busy !== undefined) checkChoice('busy', options.busy, BUSY_POLICIES)
  if (options.timeoutMs !== undefined && options.timeoutMs !== Infinity) checkBytes('timeoutMs', options.timeoutMs)
  for (const name of ['readOnly', 'allowOther'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'boolean') throw wrongType(name, 'of type boolean', value)
  }
  for (const word of options.flags ?? []) {
    if (!isMountFlag(word)) throw invalidValue('flags', 'must be flags of mount(8)', word)
  }
}
