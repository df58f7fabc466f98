/** `holdfast/fuse`: a pool as a file system for every program. */
export { mount, unmount, type Mount, type UnmountOptions } from './mount.ts'
export type { CacheMode, MountOptions } from './options.ts'
