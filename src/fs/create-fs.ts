/**
 * createFs: a pool as an object that is shaped like node:fs, for everything that takes a custom `fs`.
 *
 * Names, arguments, results and the `code`, `syscall` and `path` of errors are those of node:fs. What cannot be done here is
 * not there, so that a program can see it: synchronous functions (docs/decisions/0011-no-synchronous-functions.md),
 * `lchmod`, `openAsBlob`.
 */
import * as nodeFs from 'node:fs'
import type * as nodePromises from 'node:fs/promises'
import { wrongType } from '../errors.ts'
import { Pool } from '../pool/pool.ts'
import { callbacks } from './callbacks.ts'
import { Descriptors } from './descriptors.ts'
import { PoolDirent } from './dirent.ts'
import { watch, watchChanges } from './fs-watcher.ts'
import { glob } from './glob.ts'
import type { PathOperations } from './path-operations.ts'
import { pathOperations } from './path-operations.ts'
import { PoolDir } from './pool-dir.ts'
import { streamsOf } from './stream-classes.ts'
import { PoolStats } from './stats.ts'
import { FileWatches } from './watch-file.ts'

/** Node's `Dir` without `readSync`. */
export type Dir = Omit<nodeFs.Dir, 'readSync'>

type OpenDirectory = (path: nodeFs.PathLike, options?: nodeFs.OpenDirOptions) => Promise<Dir>

/** As `fs.promises`. */
export type FsPromises = Omit<typeof nodePromises, 'lchmod' | 'opendir'> & { readonly opendir: OpenDirectory }

type Callbacks = Pick<
  typeof nodeFs,
  | 'access'
  | 'appendFile'
  | 'chmod'
  | 'chown'
  | 'close'
  | 'copyFile'
  | 'cp'
  | 'createReadStream'
  | 'createWriteStream'
  | 'exists'
  | 'fchmod'
  | 'fchown'
  | 'fdatasync'
  | 'fstat'
  | 'fsync'
  | 'ftruncate'
  | 'futimes'
  | 'glob'
  | 'lchown'
  | 'link'
  | 'lstat'
  | 'lutimes'
  | 'mkdir'
  | 'mkdtemp'
  | 'open'
  | 'read'
  | 'readFile'
  | 'readdir'
  | 'readlink'
  | 'readv'
  | 'realpath'
  | 'rename'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'statfs'
  | 'symlink'
  | 'truncate'
  | 'unlink'
  | 'unwatchFile'
  | 'utimes'
  | 'watch'
  | 'watchFile'
  | 'write'
  | 'writeFile'
  | 'writev'
>

/** What `createFs` gives: node:fs with everything that does not have to be done at once. */
export interface PoolFs extends Callbacks {
  readonly promises: FsPromises
  readonly constants: typeof nodeFs.constants
  opendir(path: nodeFs.PathLike, callback: (error: NodeJS.ErrnoException | null, directory: Dir) => void): void
  opendir(
    path: nodeFs.PathLike,
    options: nodeFs.OpenDirOptions,
    callback: (error: NodeJS.ErrnoException | null, directory: Dir) => void,
  ): void
  readonly ReadStream: typeof nodeFs.ReadStream
  readonly WriteStream: typeof nodeFs.WriteStream
  readonly Stats: typeof PoolStats
  readonly Dirent: typeof PoolDirent
  readonly Dir: typeof PoolDir
}

/**
 * An `fs` of the files in a pool. Paths are strings, Buffers (UTF-8) or file: URLs, from the root of the pool, with or without
 * a leading '/'. Everything ends with the pool: `pool.close()` closes its files and ends its watchers.
 */
export function createFs(pool: Pool): PoolFs {
  if (!(pool instanceof Pool)) throw wrongType('pool', 'a pool that is open', pool)
  const dev = deviceOf(pool.properties.uuid)
  const descriptors = new Descriptors()
  const operations = pathOperations(pool, descriptors, dev)
  const byCallback = callbacks(pool, descriptors, operations)
  const fileWatches = new FileWatches(pool, dev)
  const fs = {
    ...byCallback,
    ...streamsOf(byCallback),
    watch: (...args: Rest<typeof watch>) => watch(pool, ...args),
    watchFile: (...args: Parameters<FileWatches['watch']>) => fileWatches.watch(...args),
    unwatchFile: (...args: Parameters<FileWatches['unwatch']>) => fileWatches.unwatch(...args),
    constants: nodeFs.constants,
    Stats: PoolStats,
    Dirent: PoolDirent,
    Dir: PoolDir,
    promises: promisesOf(pool, operations),
  }
  // The overloads of node:fs can be declared only; test/fs/create-fs.test.ts and the tests of each operation hold it to them.
  return fs as unknown as PoolFs
}

type Rest<F> = F extends (pool: Pool, ...rest: infer R) => unknown ? R : never

function promisesOf(pool: Pool, { exists: _, ...operations }: PathOperations) {
  const promises = Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [name, rejecting(operation as AnyOperation)]),
  )
  return {
    ...promises,
    glob: (...args: Rest<typeof glob>) => glob(pool, ...args),
    watch: (...args: Rest<typeof watchChanges>) => watchChanges(pool, ...args),
    constants: nodeFs.constants,
  }
}

type AnyOperation = (...args: unknown[]) => Promise<unknown>

/** What an operation throws at once comes by the promise. */
const rejecting =
  (operation: AnyOperation): AnyOperation =>
  async (...args) =>
    operation(...args)

/** `stat().dev` of all files of a pool: 32 bits of its name for life, above what the host counts its devices with. */
const deviceOf = (uuid: string): number => 2 ** 32 + Number.parseInt(uuid.replaceAll('-', '').slice(0, 8), 16)
