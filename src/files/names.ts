/**
 * Names: files, directories, links and other kinds made, removed and renamed. Taking away a file's last name makes its
 * blocks go, at once or at the last close, so it goes through the door: under `fail` and `wait` the name stays while the
 * blocks are pinned.
 */
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
import type { NamePlace } from './paths.ts'
import { inodeAt, knownPlaceAt, nameAt, placeOf } from './paths.ts'

/** What opening asks of a name. */
export interface FileRequest {
  readonly creates: boolean
  readonly isExclusive: boolean
  readonly mayWrite: boolean
  /** Permission bits of a new file; undefined: 0o666 less the umask. */
  readonly mode: number | undefined
}

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
  const make = async ({ parent, name }: NamePlace): Promise<OpenInode> => {
    if (path.endsWith('/')) throw systemError('EISDIR', 'a file name must not end with /', { syscall: 'open', path })
    return fs.openInodes.openNew(fs, (claim) =>
      create(fs, { parent, name }, { kind: 'file', mode }, 'open', path, limits, claim),
    )
  }
  // O_CREAT with O_EXCL asks for nothing but the name, and follows no symlink.
  if (request.creates && request.isExclusive) {
    return { open: await make(await nameAt(fs, path, 'open')), isNew: true }
  }
  const turn = fs.turnIfDue()
  if (turn !== undefined) await turn
  for (;;) {
    const place = knownPlaceAt(fs, path) ?? (await placeOf(fs, path, 'open', true))
    const { dentry } = place
    if (dentry !== undefined) {
      mustBeFile(dentry.kind, path)
      if (request.mayWrite && isLost(place)) {
        throw systemError('EPERM', 'files of lost+found are for reading; copy it out', { syscall: 'open', path })
      }
      return { open: await fs.openInodes.open(fs, dentry.ino, path), isNew: false }
    }
    if (!request.creates) throw notThere('open', path)
    try {
      return { open: await make(place), isNew: true }
    } catch (error) {
      // Somebody was quicker: then it is there.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
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
  const mode = newPermissions(fs, options.mode, 0o777)
  const limits = limitsOf(fs)
  if (options.recursive !== true) {
    await create(fs, await nameAt(fs, path, 'mkdir'), { kind: 'directory', mode }, 'mkdir', path, limits)
    return
  }
  const names = path.split('/').filter((name) => name !== '')
  for (let depth = 1; depth <= names.length; depth++) {
    const part = names.slice(0, depth).join('/')
    const place = await placeOf(fs, part, 'mkdir', true)
    if (place.dentry?.kind === 'directory') continue
    if (place.dentry !== undefined) throw alreadyThere('mkdir', path)
    await create(fs, place, { kind: 'directory', mode }, 'mkdir', path, limits).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}

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

/** Makes an inode of any such kind, without opening it. `rdev` of devices: as stat gives it. */
export async function makeNode(
  fs: FileSystem,
  path: string,
  kind: NodeKind,
  options: { mode?: number | undefined; rdev?: number | undefined },
): Promise<void> {
  const { rdev = 0 } = options
  if (!Number.isInteger(rdev) || rdev < 0 || rdev > 0xffff_ffff) throw outOfRange('rdev', '>= 0 and < 2^32', rdev)
  await makeNew(fs, path, { kind, mode: newPermissions(fs, options.mode, 0o666), rdev }, 'mknod')
}

async function makeNew(fs: FileSystem, path: string, what: What, syscall: string): Promise<void> {
  const place = await nameAt(fs, path, syscall)
  if (path.endsWith('/')) throw notThere(syscall, path)
  await create(fs, place, what, syscall, path, limitsOf(fs))
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
  const place = await nameAt(fs, to, 'link')
  if (to.endsWith('/')) throw systemError('ENOENT', 'no such directory', { syscall: 'link', path: from, dest: to })
  const request = { ino, ...place, nowNs: nowNs(fs) }
  await named('link', from, () => fs.metadata.link(request, patienceOf(fs.table, limitsOf(fs))), to)
}

const newPermissions = (fs: FileSystem, mode: number | undefined, base: number): number =>
  permissions(mode ?? base & ~fs.umask)

/** Entries of a directory in byte order of their names, read in portions: a name that stays is seen exactly once, whatever changes. */
export async function* entriesOf(fs: FileSystem, path: string): AsyncGenerator<DirectoryEntry> {
  const directory = await inodeAt(fs, path, 'scandir')
  if (directory.kind !== 'directory')
    throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'scandir', path })
  for (let after: string | undefined; ;) {
    const portion = await fs.metadata.entries(directory.ino, after === undefined ? {} : { after })
    if (portion.length === 0) return
    yield* portion
    after = portion[portion.length - 1].name
  }
}

/** Takes a name away that is no directory's; in lost+found the file itself. ENOENT, EISDIR, and by policy EBUSY, ETIMEDOUT with holders. */
export async function removeName(fs: FileSystem, path: string, options: BusyOptions): Promise<void> {
  const limits = limitsOf(fs, options)
  const place = await nameAt(fs, path, 'unlink')
  if (isLost(place)) {
    mustBeWritable(fs, 'unlink', path)
    const file = await fs.known.lookUp(place.parent, place.name)
    if (file === null) throw notThere('unlink', path)
    await reclaimLostFile(fs, { ino: file.ino, name: place.name }, 'unlink')
    return fs.freed()
  }
  if (path.endsWith('/')) await mustBeDirectory(fs, path, 'unlink')
  const request = { ...place, nowNs: nowNs(fs) }
  await takeName(fs, options, limits, 'unlink', path, (decide, patience) =>
    named('unlink', path, () => fs.metadata.unlink(request, decide, patience)),
  )
}

/** ENOENT or ENOTDIR for a path that ends with / and is no directory. */
const mustBeDirectory = (fs: FileSystem, path: string, syscall: string): Promise<unknown> => inodeAt(fs, path, syscall)

/** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, lost+found). */
export async function removeDirectory(fs: FileSystem, path: string): Promise<void> {
  const { parent, name } = await nameAt(fs, path, 'rmdir')
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
  const source = await nameAt(fs, from, 'rename')
  const target = await nameAt(fs, to, 'rename')
  if (from.endsWith('/') || to.endsWith('/')) await mustBeDirectory(fs, from, 'rename')
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

const isLost = ({ parent }: NamePlace): boolean => parent === LOST_AND_FOUND_INODE

const alreadyThere = (syscall: string, path: string): Error =>
  systemError('EEXIST', 'there is a file or directory already', { syscall, path })

const notThere = (syscall: string, path: string): Error =>
  systemError('ENOENT', 'no such file or directory', { syscall, path })
