/**
 * Operations on paths, the one body behind `fs.promises` and the callbacks. What is wrong with an argument throws at once;
 * everything else comes by the promise.
 */
import { constants } from 'node:fs'
import type { CopyOptions, Mode, OpenMode, PathLike, RmOptions, TimeLike } from 'node:fs'
import { codeOf, systemError } from '../errors.ts'
import type { Pool } from '../pool/pool.ts'
import type { Stat } from '../pool/stat.ts'
import {
  boolean,
  encoded,
  encodingOf,
  flagsOf,
  idOf,
  integer,
  modeOf,
  optionsOf,
  pathOf,
  signalOf,
  timeOf,
} from './arguments.ts'
import { contentOf } from './contents.ts'
import { copyingOf, copyTree } from './copy-tree.ts'
import type { Descriptors } from './descriptors.ts'
import { PoolDirent } from './dirent.ts'
import { FileHandle } from './file-handle.ts'
import { statisticsOf } from './file-system-statistics.ts'
import { makeDirectories, makeTemporaryDirectory } from './make-directories.ts'
import { inNodesWords, mustNotBeAborted } from './node-words.ts'
import { openNode } from './open-node.ts'
import { PoolDir } from './pool-dir.ts'
import { listed } from './read-directory.ts'
import { removeTree } from './remove-tree.ts'
import { bigintStatsOf, statsOf } from './stats.ts'

interface Encoding {
  encoding?: unknown
}

interface WholeFile extends Encoding {
  flag?: OpenMode | undefined
  mode?: Mode | undefined
  signal?: unknown
  flush?: boolean | undefined
  buffer?: unknown
}

interface Listing extends Encoding {
  withFileTypes?: boolean | undefined
  recursive?: boolean | undefined
}

interface Looking {
  bigint?: boolean | undefined
  throwIfNoEntry?: boolean | undefined
}

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants

/** `dev` is what `stat` says of all files of the pool. */
export function pathOperations(pool: Pool, descriptors: Descriptors, dev: number) {
  /** The umask as it was when the pool was opened, as for everything that is made in it. */
  const { umask } = pool.fileSystem

  const open = (path: PathLike, flags?: OpenMode | null, mode?: Mode | null): Promise<FileHandle> =>
    opened(pathOf(path), flagsOf(flags), modeOf(mode, 0o666) & ~umask)

  const opened = async (path: string, flags: string | number, mode: number): Promise<FileHandle> =>
    new FileHandle(
      descriptors,
      await inNodesWords({ syscall: 'open', path }, () => openNode(pool, path, flags, mode)),
      dev,
    )

  const looking = (syscall: 'stat' | 'lstat') => (path: PathLike, options?: Looking) => {
    const at = pathOf(path)
    const found = inNodesWords({ syscall, path: at }, () => pool[syscall](at))
    const numbers = (stat: Stat) => (options?.bigint === true ? bigintStatsOf(stat, dev) : statsOf(stat, dev))
    // As node:fs: it is an option of `stat` alone.
    if (options?.throwIfNoEntry !== false || syscall === 'lstat') return found.then(numbers)
    return found.then(numbers, (error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined
      throw error
    })
  }

  /** Whole files, by path or by a handle that is open. */
  const withFile = async <T>(
    file: PathLike | FileHandle,
    flags: OpenMode,
    mode: Mode | undefined,
    use: (handle: FileHandle) => Promise<T>,
  ): Promise<T> => {
    if (file instanceof FileHandle) return use(file)
    await using handle = await open(file, flags, mode)
    return await use(handle)
  }

  const writing = (standard: string) => (file: PathLike | FileHandle, data: unknown, options?: unknown) => {
    const given = optionsOf<WholeFile>(options)
    const content = contentOf(data)
    const signal = signalOf(given)
    const flags = flagsOf(given.flag ?? standard)
    const flush = boolean('options.flush', given.flush ?? undefined)
    if (!(file instanceof FileHandle)) pathOf(file)
    return (async () => {
      mustNotBeAborted(signal)
      await withFile(file, flags, given.mode, (handle) =>
        handle.writeFile(content, { encoding: given.encoding, signal, flush }),
      )
    })()
  }

  return {
    open,
    stat: looking('stat'),
    lstat: looking('lstat'),
    writeFile: writing('w'),
    appendFile: writing('a'),

    readFile: (file: PathLike | FileHandle, options?: unknown) => {
      const given = optionsOf<WholeFile>(options)
      const signal = signalOf(given)
      const flags = flagsOf(given.flag)
      if (!(file instanceof FileHandle)) pathOf(file)
      return (async () => {
        mustNotBeAborted(signal)
        return withFile(file, flags, 0o666, (handle) =>
          handle.readFile({ encoding: encodingOf(given), signal, buffer: given.buffer }),
        )
      })()
    },

    access: (path: PathLike, mode = 0) => {
      const at = pathOf(path)
      const bits = integer('mode', mode, 0, 7)
      return inNodesWords({ syscall: 'access', path: at }, () => pool.access(at, bits))
    },

    /** Never rejects: what cannot be looked at is not there. */
    exists: async (path: PathLike): Promise<boolean> => {
      try {
        return await pool.exists(pathOf(path))
      } catch {
        return false
      }
    },

    truncate: (path: PathLike, length?: number | null) => {
      const at = pathOf(path)
      return (async () => {
        await using handle = await open(at, 'r+')
        await handle.truncate(length)
      })()
    },

    copyFile: (from: PathLike, to: PathLike, mode = 0) => {
      const [path, dest] = [pathOf(from, 'src'), pathOf(to, 'dest')]
      const bits = integer('mode', mode, 0, COPYFILE_EXCL | COPYFILE_FICLONE | COPYFILE_FICLONE_FORCE)
      return inNodesWords({ syscall: 'copyfile', path, dest }, async () => {
        if ((bits & COPYFILE_FICLONE_FORCE) !== 0)
          throw systemError('ENOTSUP', 'files of a pool share no blocks', { syscall: 'copyfile' })
        await pool.copyFile(path, dest, { exclusive: (bits & COPYFILE_EXCL) !== 0 })
      })
    },

    cp: (from: PathLike, to: PathLike, options?: CopyOptions) => {
      const copying = copyingOf(pool, options)
      return copyTree(copying, pathOf(from, 'src'), pathOf(to, 'dest'))
    },

    rm: (path: PathLike, options?: RmOptions) => removeTree(pool, pathOf(path), options),

    mkdir: (path: PathLike, options?: Mode | { mode?: Mode; recursive?: boolean } | null) => {
      const given = typeof options === 'object' && options !== null ? options : { mode: options ?? undefined }
      const at = pathOf(path)
      const mode = modeOf(given.mode, 0o777) & ~umask
      if (boolean('options.recursive', 'recursive' in given ? given.recursive : undefined))
        return makeDirectories(pool, at, mode)
      return inNodesWords({ syscall: 'mkdir', path: at }, () => pool.mkdir(at, { mode }))
    },

    mkdtemp: (prefix: PathLike, options?: unknown) => {
      const given = optionsOf<Encoding>(options)
      return makeTemporaryDirectory(pool, pathOf(prefix, 'prefix')).then((path) => encoded(path, given))
    },

    mkdtempDisposable: async (prefix: PathLike, options?: unknown) => {
      const given = optionsOf<Encoding>(options)
      const path = await makeTemporaryDirectory(pool, pathOf(prefix, 'prefix'))
      const remove = (): Promise<void> => removeTree(pool, path, { recursive: true, force: true })
      return { path: encoded(path, given), remove, [Symbol.asyncDispose]: remove }
    },

    readdir: (path: PathLike, options?: unknown) => {
      const given = optionsOf<Listing>(options)
      const at = pathOf(path)
      if (given.recursive !== true && given.withFileTypes !== true)
        return inNodesWords({ syscall: 'scandir', path: at }, () => pool.readdir(at)).then((names) =>
          names.map((name) => encoded(name, given)),
        )
      const entries = listed(pool, at, { recursive: given.recursive === true, syscall: 'scandir' })
      return (async () => {
        const result: (string | PoolDirent)[] = []
        for await (const { entry, directory, below } of entries)
          result.push(
            given.withFileTypes === true ? new PoolDirent(entry, directory, given.encoding) : encoded(below, given),
          )
        return result
      })()
    },

    opendir: (path: PathLike, options?: unknown) => {
      const { encoding, recursive } = optionsOf<Listing>(options)
      const at = pathOf(path)
      return inNodesWords({ syscall: 'opendir', path: at }, async () => {
        if (!(await pool.stat(at)).isDirectory())
          throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'opendir', path: at })
        return new PoolDir(at, listed(pool, at, { recursive: recursive === true, syscall: 'scandir' }), encoding)
      })
    },

    rmdir: (path: PathLike) => {
      const at = pathOf(path)
      return inNodesWords({ syscall: 'rmdir', path: at }, () => pool.rmdir(at))
    },

    unlink: (path: PathLike) => {
      const at = pathOf(path)
      return inNodesWords({ syscall: 'unlink', path: at }, () => pool.unlink(at))
    },

    rename: (from: PathLike, to: PathLike) => {
      const [path, dest] = [pathOf(from, 'oldPath'), pathOf(to, 'newPath')]
      return inNodesWords({ syscall: 'rename', path, dest }, () => pool.rename(path, dest))
    },

    link: (from: PathLike, to: PathLike) => {
      const [path, dest] = [pathOf(from, 'existingPath'), pathOf(to, 'newPath')]
      return inNodesWords({ syscall: 'link', path, dest }, () => pool.link(path, dest))
    },

    /** `type` is for Windows. */
    symlink: (target: PathLike, path: PathLike, _type?: string | null) => {
      const [points, dest] = [pathOf(target, 'target'), pathOf(path)]
      return inNodesWords({ syscall: 'symlink', path: points, dest }, () => pool.symlink(points, dest))
    },

    readlink: (path: PathLike, options?: unknown) => {
      const given = optionsOf<Encoding>(options)
      const at = pathOf(path)
      return inNodesWords({ syscall: 'readlink', path: at }, () => pool.readlink(at)).then((to) => encoded(to, given))
    },

    realpath: (path: PathLike, options?: unknown) => {
      const given = optionsOf<Encoding>(options)
      const at = pathOf(path)
      return inNodesWords({ syscall: 'realpath', path: at }, () => pool.realpath(at)).then((to) => encoded(to, given))
    },

    chmod: (path: PathLike, mode: Mode) => {
      const at = pathOf(path)
      const bits = modeOf(mode)
      return inNodesWords({ syscall: 'chmod', path: at }, () => pool.chmod(at, bits))
    },

    chown: (path: PathLike, uid: number, gid: number) => {
      const at = pathOf(path)
      const ids = [idOf('uid', uid), idOf('gid', gid)] as const
      return inNodesWords({ syscall: 'chown', path: at }, () => pool.chown(at, ...ids))
    },

    lchown: (path: PathLike, uid: number, gid: number) => {
      const at = pathOf(path)
      const ids = [idOf('uid', uid), idOf('gid', gid)] as const
      return inNodesWords({ syscall: 'lchown', path: at }, () => pool.lchown(at, ...ids))
    },

    utimes: (path: PathLike, atime: TimeLike, mtime: TimeLike) => {
      const at = pathOf(path)
      const times = [timeOf('atime', atime), timeOf('mtime', mtime)] as const
      return inNodesWords({ syscall: 'utime', path: at }, () => pool.utimes(at, ...times))
    },

    lutimes: (path: PathLike, atime: TimeLike, mtime: TimeLike) => {
      const at = pathOf(path)
      const times = [timeOf('atime', atime), timeOf('mtime', mtime)] as const
      return inNodesWords({ syscall: 'lutime', path: at }, () => pool.lutimes(at, ...times))
    },

    statfs: (path: PathLike, options?: Looking) => {
      const at = pathOf(path)
      return inNodesWords({ syscall: 'statfs', path: at }, async () => {
        await pool.stat(at)
        return statisticsOf(pool, options?.bigint === true)
      })
    },
  }
}

export type PathOperations = ReturnType<typeof pathOperations>
