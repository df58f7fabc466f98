/**
 * `cp`: copies a file, or a directory with what is in it, within the pool. What may be copied onto what, and the codes of what
 * may not, are those of node:fs. Holes stay holes.
 */
import { constants } from 'node:fs'
import type { CopyOptions } from 'node:fs'
import { isAbsolute, posix } from 'node:path'
import { codeOf } from '../errors.ts'
import type { Pool } from '../pool/pool.ts'
import type { Stat } from '../pool/stat.ts'
import { boolean, integer, mustBeFunction } from './arguments.ts'
import { makeDirectories } from './make-directories.ts'
import { inNodesWords, refusal } from './node-words.ts'

export interface Copying {
  readonly pool: Pool
  readonly dereference: boolean
  readonly errorOnExist: boolean
  readonly force: boolean
  readonly preserveTimestamps: boolean
  readonly recursive: boolean
  readonly verbatimSymlinks: boolean
  readonly exclusive: boolean
  readonly filter: CopyOptions['filter']
  /** Permission bits of a directory until it is full. */
  readonly directoryMode: number
}

const PERMISSION_BITS = 0o7777
const MODES = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE | constants.COPYFILE_FICLONE_FORCE

/** Checks what was asked for. */
export function copyingOf(pool: Pool, options: CopyOptions = {}): Copying {
  const { filter, mode = 0 } = options
  if (filter !== undefined) mustBeFunction('options.filter', filter)
  const copying: Copying = {
    pool,
    dereference: boolean('options.dereference', options.dereference),
    errorOnExist: boolean('options.errorOnExist', options.errorOnExist),
    force: boolean('options.force', options.force, true),
    preserveTimestamps: boolean('options.preserveTimestamps', options.preserveTimestamps),
    recursive: boolean('options.recursive', options.recursive),
    verbatimSymlinks: boolean('options.verbatimSymlinks', options.verbatimSymlinks),
    exclusive: (integer('mode', mode, 0, MODES) & constants.COPYFILE_EXCL) !== 0,
    filter,
    directoryMode: 0o777 & ~pool.fileSystem.umask,
  }
  if (copying.dereference && copying.verbatimSymlinks)
    throw Object.assign(
      new TypeError('Option "dereference" cannot be used in combination with option "verbatimSymlinks"'),
      {
        code: 'ERR_INCOMPATIBLE_OPTION_PAIR',
      },
    )
  return copying
}

export async function copyTree(on: Copying, from: string, to: string): Promise<void> {
  const both = await looked(on, from, to)
  if (both === undefined) return
  await mustNotLeadInto(on, both.source, from, to)
  const above = posix.dirname(to)
  if ((await statOf(on, above, true)) === undefined) await makeDirectories(on.pool, above, on.directoryMode)
  await copy(on, from, to, both)
}

interface Both {
  readonly source: Stat
  /** undefined: nothing is there. */
  readonly target: Stat | undefined
}

/** Both ends, when the one may be copied onto the other; undefined: the filter does not want it. */
async function looked(on: Copying, from: string, to: string): Promise<Both | undefined> {
  if (on.filter !== undefined && !(await on.filter(from, to))) return undefined
  const source = await mustBeThere(on, from)
  const target = await statOf(on, to, on.dereference)
  if (target !== undefined) {
    if (target.ino === source.ino) throw invalid(to, 'src and dest cannot be the same')
    if (source.isDirectory() && !target.isDirectory())
      throw refusal('ERR_FS_CP_DIR_TO_NON_DIR', 'Cannot overwrite non-directory with directory', {
        ...of(to),
        errno: 'EISDIR',
        message: `cannot overwrite non-directory ${to} with directory ${from}`,
      })
    if (!source.isDirectory() && target.isDirectory())
      throw refusal('ERR_FS_CP_NON_DIR_TO_DIR', 'Cannot overwrite directory with non-directory', {
        ...of(to),
        errno: 'ENOTDIR',
        message: `cannot overwrite directory ${to} with non-directory ${from}`,
      })
  }
  if (source.isDirectory() && isWithin(to, from)) throw intoItself(from, to)
  return { source, target }
}

async function copy(on: Copying, from: string, to: string, { source, target }: Both): Promise<void> {
  if (source.isDirectory()) return copyDirectory(on, from, to, source, target)
  if (source.isSymbolicLink()) return copySymlink(on, from, to, target)
  if (!source.isFile()) {
    const isSocket = source.isSocket()
    const code = isSocket ? 'ERR_FS_CP_SOCKET' : source.isFIFO() ? 'ERR_FS_CP_FIFO_PIPE' : 'ERR_FS_CP_UNKNOWN'
    const message = `only files, directories and symlinks are copied: ${to}`
    throw refusal(code, 'Cannot copy this kind of file', { ...of(to), errno: 'EINVAL', message })
  }
  if (target !== undefined) {
    if (!on.force) return mustNotBeThere(on, to)
    await inNodesWords({ syscall: 'unlink', path: to }, () => on.pool.unlink(to))
  }
  await inNodesWords({ syscall: 'copyfile', path: from, dest: to }, () =>
    on.pool.copyFile(from, to, { exclusive: on.exclusive }),
  )
  if (on.preserveTimestamps) await on.pool.utimes(to, source.atimeNs, source.mtimeNs)
}

async function copyDirectory(
  on: Copying,
  from: string,
  to: string,
  source: Stat,
  target: Stat | undefined,
): Promise<void> {
  const { pool } = on
  if (!on.recursive)
    throw refusal('ERR_FS_EISDIR', 'Path is a directory', {
      ...of(from),
      errno: 'EISDIR',
      message: `${from} is a directory (not copied)`,
    })
  if (target === undefined)
    await inNodesWords({ syscall: 'mkdir', path: to }, () => pool.mkdir(to, { mode: on.directoryMode }))
  else if (!on.force) mustNotBeThere(on, to)
  for await (const { name } of pool.entries(from)) {
    const [inside, there] = [posix.join(from, name), posix.join(to, name)]
    const both = await looked(on, inside, there)
    if (both !== undefined) await copy(on, inside, there, both)
  }
  if (target === undefined) await pool.chmod(to, source.mode & PERMISSION_BITS)
}

async function copySymlink(on: Copying, from: string, to: string, target: Stat | undefined): Promise<void> {
  const { pool } = on
  const points = await pool.readlink(from)
  const absolute = isAbsolute(points) ? points : posix.resolve('/', posix.dirname(from), points)
  const pointsTo = on.verbatimSymlinks ? points : absolute
  if (target?.isSymbolicLink() === true) {
    const there = posix.resolve('/', posix.dirname(to), await pool.readlink(to))
    const source = await inNodesWords({ syscall: 'stat', path: from }, () => pool.stat(from))
    if (source.isDirectory() && isWithin(there, absolute)) throw intoItself(absolute, there, to)
    if (source.isDirectory() && isWithin(absolute, there))
      throw refusal('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', 'Cannot overwrite symlink in subdirectory of self', {
        ...of(to),
        errno: 'EINVAL',
        message: `cannot overwrite ${there} with ${absolute}`,
      })
    await pool.unlink(to)
  }
  await inNodesWords({ syscall: 'symlink', path: pointsTo, dest: to }, () => pool.symlink(pointsTo, to), to)
}

/** Looks at all directories above the target: by whatever names, none may be what is copied. */
async function mustNotLeadInto(on: Copying, source: Stat, from: string, to: string): Promise<void> {
  const sourceParent = posix.resolve('/', posix.dirname(from))
  let below = to
  for (let above = posix.resolve('/', posix.dirname(to)); above !== sourceParent && above !== '/';) {
    const stat = await statOf(on, above, true)
    if (stat === undefined) return
    if (stat.ino === source.ino) throw intoItself(from, below)
    below = above
    above = posix.dirname(above)
  }
}

function mustNotBeThere(on: Copying, to: string): void {
  if (on.errorOnExist)
    throw refusal('ERR_FS_CP_EEXIST', 'Target already exists', {
      ...of(to),
      errno: 'EEXIST',
      message: `${to} already exists`,
    })
}

const mustBeThere = (on: Copying, path: string): Promise<Stat> => {
  const syscall = on.dereference ? 'stat' : 'lstat'
  return inNodesWords({ syscall, path }, () => on.pool[syscall](path))
}

/** undefined: nothing is there. */
async function statOf(on: Copying, path: string, follows: boolean): Promise<Stat | undefined> {
  const syscall = follows ? 'stat' : 'lstat'
  try {
    return await inNodesWords({ syscall, path }, () => on.pool[syscall](path))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** By the names alone. */
function isWithin(path: string, directory: string): boolean {
  const way = posix.relative(posix.resolve('/', directory), posix.resolve('/', path))
  return way !== '..' && !way.startsWith('../')
}

const of = (path: string): { syscall: string; path: string } => ({ syscall: 'cp', path })

const invalid = (path: string, message: string): Error =>
  refusal('ERR_FS_CP_EINVAL', 'Invalid src or dest', { ...of(path), errno: 'EINVAL', message })

const intoItself = (from: string, to: string, path = to): Error =>
  invalid(path, `cannot copy ${from} to a subdirectory of self ${to}`)
