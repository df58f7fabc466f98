/**
 * Directories that pools are mounted on.
 *
 * Nothing here looks *into* a mount: the process that serves it may be dead (ENOTCONN) or stopped, and then whoever looks
 * waits.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf, systemError } from '../errors.ts'
import { serverOf } from './server-of.ts'

/** `fuse.holdfast` in /proc/mounts, and for mount(8). */
export const FILE_SYSTEM_TYPE = 'fuse.holdfast'

/** One line of /proc/self/mountinfo. */
export interface MountEntry {
  readonly dir: string
  readonly type: string
  readonly source: string
  /** Of the mount, by the words of mount(8). */
  readonly flags: readonly string[]
}

const unescaped = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** What is mounted in this mount namespace, later ones last. */
function mountEntries(): MountEntry[] {
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  return lines.slice(0, -1).map((line) => {
    const [before, after] = line.split(' - ')
    const [type, source] = after.split(' ')
    const text = (escaped: string): string => Buffer.from(unescaped(escaped), 'latin1').toString()
    const [, , , , dir, flags] = before.split(' ')
    return { dir: text(dir), type, source: text(source), flags: flags.split(',') }
  })
}

/** What was mounted on the directory last; undefined: nothing. */
export const mountedAt = (dir: string): MountEntry | undefined => mountEntries().findLast((entry) => entry.dir === dir)

/** Directories below it that something is mounted on. */
export const mountedBelow = (dir: string): string[] =>
  mountEntries()
    .map((entry) => entry.dir)
    .filter((each) => each.startsWith(`${dir}/`))

/** The path without symlinks of a directory that may be a mount, dead or alive: its parent is resolved, not itself. */
export function mountPointPath(dir: string): string {
  const absolute = resolve(dir)
  if (absolute === '/') return absolute
  const path = join(realpathSync(dirname(absolute)), basename(absolute))
  return mountedAt(path) === undefined && mountedAt(absolute) === undefined ? resolvedOr(path) : path
}

/** A symlink to a mount point is one, too; what is not there is left to who needs it. */
function resolvedOr(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTCONN') return path
    throw error
  }
}

/**
 * The path of a directory to mount on, which need not be empty. ENOENT, ENOTDIR; ENOTCONN: the server of an earlier mount
 * died; EBUSY: a pool is mounted there; EINVAL: it is the root.
 */
export function requireMountPoint(dir: string): string {
  const path = mountPointPath(dir)
  const detail = { syscall: 'mount', path: dir }
  mustNotBeRoot(path, detail)
  mustNotBeMounted(path, detail)
  let isDirectory: boolean
  try {
    isDirectory = statSync(path).isDirectory()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw systemError('ENOENT', 'there is no such directory to mount on', detail)
    throw error
  }
  if (!isDirectory) throw systemError('ENOTDIR', 'only on a directory can be mounted', detail)
  return path
}

/** EBUSY: a pool is mounted there. */
export function mustNotBeMounted(path: string, detail: { syscall: string; path: string }): void {
  if (mountedAt(path)?.type !== FILE_SYSTEM_TYPE) return
  const what =
    serverOf(path, process.pid) === undefined && process.getuid?.() === 0
      ? 'the process that served the pool mounted here has ended'
      : 'a pool is mounted here already'
  throw systemError('EBUSY', `${what}; unmount it first: holdfast umount '${path}'`, detail)
}

/**
 * What is mounted over the root is reached by no path: a path begins below it. And umount2(2) of the root makes read-only
 * what it is.
 */
function mustNotBeRoot(path: string, detail: { syscall: string; path: string }): void {
  if (path === '/') throw systemError('EINVAL', 'the root directory can be neither covered nor unmounted', detail)
}

/** What is mounted on a directory, which must be a pool. EINVAL: none is; to unmount, also: it is the root. */
export function mountedPoolAt(dir: string, syscall: 'umount' | 'mount'): MountEntry {
  const path = mountPointPath(dir)
  const entry = mountedAt(path)
  const detail = { syscall, path: dir }
  if (syscall === 'umount') mustNotBeRoot(path, detail)
  if (entry === undefined) throw systemError('EINVAL', 'nothing is mounted here', detail)
  if (entry.type === FILE_SYSTEM_TYPE) return entry
  throw systemError('EINVAL', `what is mounted here is no pool but ${entry.type}; use ${syscall}(8)`, detail)
}
