/** How a pool is mounted. */
import type { BusyPolicy } from '../index.ts'

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
}

export type CacheMode = 'none' | 'auto'
export const CACHE_MODES: readonly CacheMode[] = ['none', 'auto']
