/**
 * Names: files, directories, links and other kinds opened, made, removed and renamed by path. What a path leads to is found
 * here, and what it may end with; what then happens there is in making.ts and removing.ts.
 */
import type { SystemErrorDetail } from '../errors.ts'
import { codeOf, invalidValue, outOfRange, systemError } from '../errors.ts'
import type { Limits } from '../layout/waiting.ts'
import type { DirectoryEntry, Inode, InodeKind, RenameMode } from '../metadata/metadata.ts'
import { SYMLINK_MAX } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { BusyOptions, FileSystem } from './file-system.ts'
import { limitsOf } from './file-system.ts'
import { permissions } from './attributes.ts'
import type { What } from './making.ts'
import { makeInode, makeLink, makeOpen } from './making.ts'
import type { OpenInode } from './open-inode.ts'
import type { Dentry } from './known.ts'
import type { NamePlace } from './paths.ts'
import { checkName, checkPath, inodeAt, lastOf, mustBeName, nameAt, placeOf } from './paths.ts'
import { isInLostAndFound, moveName, removeDirectory, removeName } from './removing.ts'

/** What opening asks of a name. */
export interface FileRequest {
  readonly creates: boolean
  readonly isExclusive: boolean
  readonly mayWrite: boolean
  /** A symlink at the end of the path is followed. */
  readonly follows: boolean
  /** Something else than a directory is ENOTDIR. */
  readonly mustBeDirectory: boolean
  /** Permission bits of a new file; undefined: 0o666 less the umask. */
  readonly mode: number | undefined
}

/** So often a name is looked up that another file takes each time. */
const MOST_LOOKS = 100

/**
 * Opens the file at a path, made when that was asked. ENOENT, EEXIST, EISDIR, ENOTDIR, ELOOP, EPERM (writing or making
 * files in lost+found), ENXIO (neither file nor directory).
 */
export async function openAt(
  fs: FileSystem,
  path: string,
  request: FileRequest,
  limits: Limits,
): Promise<{ open: OpenInode; isNew: boolean }> {
  const mode = request.creates ? newPermissions(fs, request.mode, 0o666) : 0
  const { creates, follows, mustBeDirectory } = request
  if (creates && mustBeDirectory)
    throw systemError('EINVAL', 'O_CREAT and O_DIRECTORY exclude each other', { syscall: 'open', path })
  const make = (place: Pick<NamePlace, 'parent' | 'name'>): Promise<OpenInode> =>
    makeOpen(fs, place, { mode, ...ownOwner() }, { limits, syscall: 'open', path })
  // O_CREAT with O_EXCL asks for nothing but the name, and follows no symlink.
  if (creates && request.isExclusive) {
    const place = await lastOf(fs, path, 'open')
    mustBeName(place, path, 'open', taken)
    if (place.hasSlash) throw systemError('EISDIR', "a file's name must not end with '/'", { syscall: 'open', path })
    checkName(place.name, 'open', path)
    return { open: await make(place), isNew: true }
  }
  for (let tries = 1; ; tries++) {
    const place = fs.knownPaths.place(path) ?? (await placeOf(fs, path, 'open', { follows, mustBeDirectory, creates }))
    const { dentry } = place
    if (dentry !== undefined) {
      if (mustBeDirectory && dentry.kind !== 'directory')
        throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'open', path })
      mustBeFile(dentry.kind, path)
      if (request.mayWrite && isInLostAndFound(place)) {
        throw systemError('EPERM', 'files of lost+found are for reading; copy it out', { syscall: 'open', path })
      }
      const open = await fs.openInodes.open(fs, dentry.ino)
      if (open !== undefined) return { open, isNew: false }
      // Removed since it was found, perhaps by a rename that put another in its place: look again.
      if (tries < MOST_LOOKS) continue
      throw systemError('ENOENT', 'the file was removed while it was being opened', { syscall: 'open', path })
    }
    if (!creates) throw notThere('open', path)
    try {
      return { open: await make(place), isNew: true }
    } catch (error) {
      // Somebody was quicker: then it is there.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
}

/** The same, not waiting for more than a look, for a file that is known to be there; undefined: ask {@link openAt}. */
export function openKnown(
  fs: FileSystem,
  path: string,
  { creates, isExclusive, mustBeDirectory }: Pick<FileRequest, 'creates' | 'isExclusive' | 'mustBeDirectory'>,
): OpenInode | Promise<OpenInode | undefined> | undefined {
  const place = fs.knownPaths.place(path)
  if (place?.dentry?.kind !== 'file' || isInLostAndFound(place) || mustBeDirectory || (creates && isExclusive))
    return undefined
  return fs.openInodes.open(fs, place.dentry.ino)
}

/**
 * The file at the path as it is known to be now, without opening it: its attributes and layout are so, the times of own
 * writes stored, and the name leads to it. undefined: it must be opened to know.
 */
export function knownAt(fs: FileSystem, path: string): OpenInode | undefined {
  const place = fs.knownPaths.place(path)
  if (place?.dentry?.kind !== 'file' || isInLostAndFound(place)) return undefined
  const open = fs.openInodes.get(place.dentry.ino)
  return open?.isCurrent(fs) === true && open.inode.nlink > 0 && !open.hasNewContent ? open : undefined
}

/** Opens a new file without a name, in the file system of a directory: it goes at the last close, unless it is linked. */
export async function openUnnamed(
  fs: FileSystem,
  directory: string,
  mode: number | undefined,
  limits: Limits,
): Promise<OpenInode> {
  const inode = await inodeAt(fs, directory, 'open')
  if (inode.kind !== 'directory')
    throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'open', path: directory })
  const what = { mode: newPermissions(fs, mode, 0o666), ...ownOwner() }
  return makeOpen(fs, { parent: inode.ino, name: undefined }, what, { limits, syscall: 'open', path: directory })
}

function mustBeFile(kind: InodeKind, path: string): void {
  if (kind === 'file') return
  if (kind === 'directory') throw systemError('EISDIR', 'this is a directory', { syscall: 'open', path })
  if (kind === 'symlink')
    throw systemError('ELOOP', 'this is a symlink, which is not followed here', { syscall: 'open', path })
  throw systemError('ENXIO', `this is a ${kind}, which only a mounted pool can open`, { syscall: 'open', path })
}

/** Makes a directory; with `recursive` also those above, and none is no error. */
export async function makeDirectory(
  fs: FileSystem,
  path: string,
  options: { mode?: number | undefined; recursive?: boolean | undefined },
): Promise<void> {
  const mode = newPermissions(fs, options.mode, 0o777) & DIRECTORY_BITS
  const limits = limitsOf(fs)
  const make = (place: Pick<NamePlace, 'parent' | 'name'>): Promise<Inode> =>
    makeInode(fs, place, { kind: 'directory', mode, ...ownOwner() }, { limits, syscall: 'mkdir', path })
  if (options.recursive !== true) {
    await make(await nameAt(fs, path, 'mkdir', taken))
    return
  }
  checkPath(path, 'mkdir')
  const names = path.split('/').filter((name) => name !== '')
  for (let depth = 1; depth <= names.length; depth++) {
    const part = names.slice(0, depth).join('/')
    const place = await placeOf(fs, part, 'mkdir', { follows: false })
    if (place.dentry?.kind === 'directory') continue
    try {
      if (place.dentry === undefined) {
        await make(place)
        continue
      }
    } catch (error) {
      // Somebody was quicker.
      if (codeOf(error) !== 'EEXIST') throw error
    }
    const isLast = depth === names.length
    const { kind } = await inodeAt(fs, isLast ? path : part, 'mkdir')
    if (kind === 'directory') continue
    if (isLast) throw alreadyThere('mkdir', path)
    throw systemError('ENOTDIR', 'a name on the way is not a directory', { syscall: 'mkdir', path })
  }
}

/** Setuid and setgid are not for mkdir(2) to give. */
const DIRECTORY_BITS = 0o1777

/** Makes a symlink at `path`; `target` need not exist. */
export async function makeSymlink(fs: FileSystem, target: string, path: string): Promise<void> {
  const bytes = Buffer.byteLength(target)
  if (target === '') throw systemError('ENOENT', 'a symlink must point to something', { syscall: 'symlink', path })
  if (target.includes('\0')) throw invalidValue('target', 'must be a string without null bytes', target)
  if (bytes > SYMLINK_MAX)
    throw systemError('ENAMETOOLONG', `a target has at most ${SYMLINK_MAX} bytes`, { syscall: 'symlink', path })
  await makeNew(fs, path, { kind: 'symlink', mode: 0o777, target }, 'symlink')
}

/** Kinds that are only a name and attributes: what a mounted pool shows as fifos, sockets and device nodes. */
export type NodeKind = Exclude<InodeKind, 'directory' | 'symlink'>
export const NODE_KINDS: readonly NodeKind[] = ['file', 'fifo', 'socket', 'character', 'block']

/** Makes an inode of any such kind, without opening it. `rdev` of devices: as stat gives it; of others it is nothing. */
export async function makeNode(
  fs: FileSystem,
  path: string,
  kind: NodeKind,
  options: { mode?: number | undefined; rdev?: number | undefined },
): Promise<void> {
  const { rdev = 0 } = options
  if (!Number.isInteger(rdev) || rdev < 0 || rdev > 0xffff_ffff) throw outOfRange('rdev', '>= 0 and < 2^32', rdev)
  const isDevice = kind === 'character' || kind === 'block'
  await makeNew(fs, path, { kind, mode: newPermissions(fs, options.mode, 0o666), rdev: isDevice ? rdev : 0 }, 'mknod')
}

async function makeNew(fs: FileSystem, path: string, what: Omit<What, 'uid' | 'gid'>, syscall: string): Promise<void> {
  const place = await nameAt(fs, path, syscall, taken)
  await mustNotEndWithSlash(fs, place, syscall, path)
  await makeInode(fs, place, { ...what, ...ownOwner() }, { limits: limitsOf(fs), syscall, path })
}

/** What this process makes is its own. */
const ownOwner = (): Pick<What, 'uid' | 'gid'> => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })

/** Only a directory's name may end with '/': EEXIST, ENOENT. */
async function mustNotEndWithSlash(fs: FileSystem, place: NamePlace, syscall: string, path: string): Promise<void> {
  if (!place.hasSlash) return
  throw (await fs.known.lookUp(place.parent, place.name)) === null
    ? notThere(syscall, path)
    : alreadyThere(syscall, path)
}

/** Gives an inode one more name; an unnamed file its first. EEXIST, EPERM (a directory, lost+found), ENOENT. */
export async function linkInode(fs: FileSystem, ino: InodeNumber, from: string, to: string): Promise<void> {
  const place = await nameAt(fs, to, 'link', taken)
  await mustNotEndWithSlash(fs, place, 'link', to)
  await makeLink(fs, ino, place, { limits: limitsOf(fs), syscall: 'link', path: from, dest: to })
}

const newPermissions = (fs: FileSystem, mode: number | undefined, base: number): number =>
  permissions(mode ?? base & ~fs.umask)

/**
 * Entries of a directory in byte order of their names, a portion at a time: a name that stays is seen exactly once,
 * whatever changes. ENOENT, ENOTDIR, ELOOP.
 */
export async function* portionsOf(fs: FileSystem, path: string): AsyncGenerator<readonly DirectoryEntry[]> {
  const directory = await inodeAt(fs, path, 'scandir')
  if (directory.kind !== 'directory')
    throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'scandir', path })
  for (let after: string | undefined; ;) {
    const portion = await fs.metadata.entries(directory.ino, after === undefined ? {} : { after })
    if (portion.length === 0) return
    yield portion
    after = portion[portion.length - 1].name
  }
}

/** Takes a name away that is no directory's; in lost+found the file itself. ENOENT, EISDIR, and by policy EBUSY, ETIMEDOUT with holders. */
export async function unlinkPath(fs: FileSystem, path: string, options: BusyOptions): Promise<void> {
  const limits = limitsOf(fs, options)
  const place = await nameAt(fs, path, 'unlink', () => 'EISDIR')
  if (place.hasSlash && !isInLostAndFound(place))
    slashMeansDirectory(await fs.known.lookUp(place.parent, place.name), { syscall: 'unlink', path })
  await removeName(fs, place, { busy: options.busy, limits, syscall: 'unlink', path })
}

/** Whose path ends with '/' is a directory, or is not there. */
function slashMeansDirectory(dentry: Dentry | null, detail: SystemErrorDetail): void {
  if (dentry !== null && dentry.kind !== 'directory')
    throw systemError('ENOTDIR', "the path ends with '/' but is not a directory", detail)
}

/** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, lost+found). */
export async function removeDirectoryPath(fs: FileSystem, path: string): Promise<void> {
  const refusals = { '.': 'EINVAL', '..': 'ENOTEMPTY', '/': 'EBUSY' } as const
  const place = await nameAt(fs, path, 'rmdir', (last) => refusals[last])
  await removeDirectory(fs, place, { limits: limitsOf(fs), syscall: 'rmdir', path })
}

/** Renames, whole or not at all. A file that is replaced: as in `unlinkPath`. */
export async function renamePath(
  fs: FileSystem,
  from: string,
  to: string,
  options: BusyOptions & { mode: RenameMode },
): Promise<void> {
  const limits = limitsOf(fs, options)
  const source = await lastOf(fs, from, 'rename')
  const target = await lastOf(fs, to, 'rename')
  mustBeName(source, from, 'rename', () => 'EBUSY')
  mustBeName(target, to, 'rename', () => (options.mode === 'noReplace' ? 'EEXIST' : 'EBUSY'))
  checkName(source.name, 'rename', from)
  if (source.hasSlash || target.hasSlash) await checkSlashes(fs, source, target, options.mode, from, to)
  await moveName(fs, source, target, options.mode, {
    busy: options.busy,
    limits,
    syscall: 'rename',
    path: from,
    dest: to,
  })
}

/** What a path that ends with '/' must be. Of what is not there, or is and must not be, the store says so itself. */
async function checkSlashes(
  fs: FileSystem,
  source: NamePlace,
  target: NamePlace,
  mode: RenameMode,
  from: string,
  to: string,
): Promise<void> {
  const detail = { syscall: 'rename', path: from, dest: to }
  const moved = await fs.known.lookUp(source.parent, source.name)
  if (moved === null) return
  checkName(target.name, 'rename', to)
  const there = await fs.known.lookUp(target.parent, target.name)
  if (mode === 'noReplace' ? there !== null : mode === 'exchange' && there === null) return
  if (mode === 'exchange' && target.hasSlash) slashMeansDirectory(there, detail)
  if (source.hasSlash || mode !== 'exchange') slashMeansDirectory(moved, detail)
}

/** What '/', '.' and '..' are for who makes a name. */
const taken = (): string => 'EEXIST'

const alreadyThere = (syscall: string, path: string): Error =>
  systemError('EEXIST', 'there is a file or directory already', { syscall, path })

const notThere = (syscall: string, path: string): Error =>
  systemError('ENOENT', 'no such file or directory', { syscall, path })
