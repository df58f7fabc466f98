/**
 * Names: files, directories, links and other kinds made, removed and renamed. Taking away a file's last name makes its
 * blocks go, at once or at the last close, so it goes through the door: under `fail` and `wait` the name stays while the
 * blocks are pinned.
 */
import type { SystemErrorDetail } from '../errors.ts'
import { codeOf, invalidValue, named, outOfRange, systemError } from '../errors.ts'
import type { TakeName } from '../layout/break-last-name.ts'
import { breakLastName } from '../layout/break-last-name.ts'
import { reclaimLostFile } from '../layout/lost-and-found.ts'
import type { Limits } from '../layout/waiting.ts'
import { patienceOf } from '../layout/waiting.ts'
import type { BusyPolicy, CreateRequest, DirectoryEntry, Inode, InodeKind, RenameMode } from '../metadata/metadata.ts'
import { LOST_AND_FOUND_INODE, SYMLINK_MAX } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { BusyOptions, FileSystem } from './file-system.ts'
import { busyPolicyOf, limitsOf, mustBeWritable } from './file-system.ts'
import { nowNs } from './growth.ts'
import { permissions } from './attributes.ts'
import type { OpenInode } from './open-inode.ts'
import { removeIfOrphan } from './open-inodes.ts'
import type { Dentry } from './known.ts'
import type { NamePlace } from './paths.ts'
import { checkName, checkPath, inodeAt, lastOf, mustBeName, nameAt, placeOf } from './paths.ts'

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
  const make = ({ parent, name }: Pick<NamePlace, 'parent' | 'name'>): Promise<OpenInode> =>
    fs.openInodes.openNew(fs, (claim) =>
      create(fs, { parent, name }, { kind: 'file', mode }, 'open', path, limits, claim),
    )
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
      if (request.mayWrite && isLost(place)) {
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
  if (place?.dentry?.kind !== 'file' || isLost(place) || mustBeDirectory || (creates && isExclusive)) return undefined
  return fs.openInodes.open(fs, place.dentry.ino)
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
  const what = { kind: 'file' as const, mode: newPermissions(fs, mode, 0o666) }
  const place = { parent: inode.ino, name: undefined }
  return fs.openInodes.openNew(fs, (claim) => create(fs, place, what, 'open', directory, limits, claim))
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
  const make = ({ parent, name }: Pick<NamePlace, 'parent' | 'name'>): Promise<Inode> =>
    create(fs, { parent, name }, { kind: 'directory', mode }, 'mkdir', path, limits)
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

async function makeNew(fs: FileSystem, path: string, what: What, syscall: string): Promise<void> {
  const place = await nameAt(fs, path, syscall, taken)
  await mustNotEndWithSlash(fs, place, syscall, path)
  await create(fs, place, what, syscall, path, limitsOf(fs))
}

/** Only a directory's name may end with '/': EEXIST, ENOENT. */
async function mustNotEndWithSlash(fs: FileSystem, place: NamePlace, syscall: string, path: string): Promise<void> {
  if (!place.hasSlash) return
  throw (await fs.known.lookUp(place.parent, place.name)) === null
    ? notThere(syscall, path)
    : alreadyThere(syscall, path)
}

type What = Pick<CreateRequest, 'kind' | 'mode' | 'target' | 'rdev'>

async function create(
  fs: FileSystem,
  { parent, name }: { readonly parent: InodeNumber; readonly name: string | undefined },
  what: What,
  syscall: string,
  path: string,
  limits: Limits,
  claim?: (ino: InodeNumber) => void,
): Promise<Inode> {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const request = { parent, name, ...what, ...owner, nowNs: nowNs(fs) }
  return named(syscall, path, () => fs.metadata.create(request, claim, patienceOf(fs.table, limits)))
}

/** Gives an inode one more name; an unnamed file its first. EEXIST, EPERM (a directory, lost+found), ENOENT. */
export async function linkInode(fs: FileSystem, ino: InodeNumber, from: string, to: string): Promise<void> {
  const place = await nameAt(fs, to, 'link', taken)
  await mustNotEndWithSlash(fs, place, 'link', to)
  const { parent, name } = place
  const request = { ino, parent, name, nowNs: nowNs(fs) }
  await named('link', from, () => fs.metadata.link(request, patienceOf(fs.table, limitsOf(fs))), to)
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
export async function removeName(fs: FileSystem, path: string, options: BusyOptions): Promise<void> {
  const limits = limitsOf(fs, options)
  const place = await nameAt(fs, path, 'unlink', () => 'EISDIR')
  const { parent, name, hasSlash } = place
  if (isLost(place)) {
    mustBeWritable(fs, 'unlink', path)
    const file = await fs.known.lookUp(place.parent, place.name)
    if (file === null) throw notThere('unlink', path)
    await reclaimLostFile(fs, { ino: file.ino, name: place.name }, 'unlink')
    return fs.freed()
  }
  if (hasSlash) slashMeansDirectory(await fs.known.lookUp(parent, name), { syscall: 'unlink', path })
  const request = { parent, name, nowNs: nowNs(fs) }
  await takeName(fs, options, limits, 'unlink', path, (decide, patience) =>
    named('unlink', path, () => fs.metadata.unlink(request, decide, patience)),
  )
}

/** Whose path ends with '/' is a directory, or is not there. */
function slashMeansDirectory(dentry: Dentry | null, detail: SystemErrorDetail): void {
  if (dentry !== null && dentry.kind !== 'directory')
    throw systemError('ENOTDIR', "the path ends with '/' but is not a directory", detail)
}

/** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, lost+found). */
export async function removeDirectory(fs: FileSystem, path: string): Promise<void> {
  const refusals = { '.': 'EINVAL', '..': 'ENOTEMPTY', '/': 'EBUSY' } as const
  const { parent, name } = await nameAt(fs, path, 'rmdir', (last) => refusals[last])
  const request = { parent, name, nowNs: nowNs(fs) }
  await named('rmdir', path, () => fs.metadata.removeDirectory(request))
}

/** Renames, whole or not at all. A file that is replaced: as in `removeName`. */
export async function renameName(
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
  const request = {
    fromParent: source.parent,
    fromName: source.name,
    toParent: target.parent,
    toName: target.name,
    mode: options.mode,
    nowNs: nowNs(fs),
  }
  await takeName(fs, options, limits, 'rename', to, (decide, patience) =>
    named('rename', from, () => fs.metadata.rename(request, decide, patience), to),
  )
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

/** Takes a name away, by `take`, when the policy lets the blocks go of the file whose last it is. */
async function takeName(
  fs: FileSystem,
  options: BusyOptions,
  limits: Limits,
  syscall: string,
  path: string,
  take: TakeName,
): Promise<void> {
  const policyOf = (inode: Inode): BusyPolicy => busyPolicyOf(fs, inode, options)
  const loss = await breakLastName(fs, { policyOf, limits, syscall, path }, take)
  if (loss.isGone) fs.freed()
  else if (loss.inode?.nlink === 0) await removeIfOrphan(fs, loss.inode.ino)
}

/** What '/', '.' and '..' are for who makes a name. */
const taken = (): string => 'EEXIST'

/** Sequestered; what fsck reconnected there, as `#INODE`, is a file as any other. */
const isLost = ({ parent, name }: Pick<NamePlace, 'parent' | 'name'>): boolean =>
  parent === LOST_AND_FOUND_INODE && !name.startsWith('#')

const alreadyThere = (syscall: string, path: string): Error =>
  systemError('EEXIST', 'there is a file or directory already', { syscall, path })

const notThere = (syscall: string, path: string): Error =>
  systemError('ENOENT', 'no such file or directory', { syscall, path })
