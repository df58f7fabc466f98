/** `holdfast/fs`: a pool as an `fs`, for programs that take one. */
export { createFs, type Dir, type FsPromises, type PoolFs } from './create-fs.ts'
