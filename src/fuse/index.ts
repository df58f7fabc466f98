/** `holdfast/fuse`: a pool as a file system for every program. */
export { mount, type Mount } from './mount.ts'
export { unmount, type UnmountOptions } from './unmount.ts'
export type { CacheMode, MountOptions } from './options.ts'
