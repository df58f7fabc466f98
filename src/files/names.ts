/**
 * Names: files and directories made, removed and renamed. Taking away a file's last name makes its blocks go, at once or
 * at the last close, so it asks the door first: under `fail` and `wait` the name stays while the blocks are pinned.
 */
import { codeOf, invalidValue, named, systemError } from '../errors.ts'
import { whileIdle } from '../layout/break-layout.ts'
import { reclaimLostFile } from '../layout/lost-and-found.ts'
import type { Limits } from '../layout/waiting.ts'
import { patienceOf } from '../layout/waiting.ts'
import type { DirectoryEntry, Inode } from '../metadata/metadata.ts'
import { LOST_AND_FOUND_INODE } from '../metadata/metadata.ts'
import type { BusyOptions, FileSystem } from './file-system.ts'
import { busyPolicyOf, limitsOf } from './file-system.ts'
import { nowNs } from './growth.ts'
import { removeIfOrphan } from './open-inodes.ts'
import type { Place } from './paths.ts'
import { inodeAt, nameAt, placeOf } from './paths.ts'

/** What opening asks of a name. */
export interface FileRequest {
  readonly creates: boolean
  readonly isExclusive: boolean
  readonly mayWrite: boolean
  /** Permission bits of a new file; undefined: 0o666 less the umask. */
  readonly mode: number | undefined
}

/** The file at a path, made when that was asked. ENOENT, EEXIST, EISDIR, ENOTDIR, EPERM (writing or making files in lost+found). */
export async function fileAt(fs: FileSystem, path: string, request: FileRequest, limits: Limits): Promise<Inode> {
  for (;;) {
    const place = await (request.creates ? nameAt : placeOf)(fs.metadata, path, 'open')
    if (place.inode !== undefined) {
      if (request.creates && request.isExclusive) throw alreadyThere('open', path)
      if (place.inode.kind === 'directory')
        throw systemError('EISDIR', 'this is a directory', { syscall: 'open', path })
      if (request.mayWrite && isLost(place)) {
        throw systemError('EPERM', 'files of lost+found are for reading; copy it out', { syscall: 'open', path })
      }
      return place.inode
    }
    if (!request.creates) throw systemError('ENOENT', 'no such file or directory', { syscall: 'open', path })
    if (path.endsWith('/')) throw systemError('EISDIR', 'a file name must not end with /', { syscall: 'open', path })
    try {
      return await make(fs, place, 'file', newPermissions(fs, request.mode, 0o666), 'open', path, limits)
    } catch (error) {
      // Somebody was quicker: then it is there.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
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
    const place = await nameAt(fs.metadata, path, 'mkdir')
    if (place.inode !== undefined) throw alreadyThere('mkdir', path)
    await make(fs, place, 'directory', mode, 'mkdir', path, limits)
    return
  }
  const names = path.split('/').filter((name) => name !== '')
  for (let depth = 1; depth <= names.length; depth++) {
    const part = names.slice(0, depth).join('/')
    const place = await placeOf(fs.metadata, part, 'mkdir')
    if (place.inode?.kind === 'directory') continue
    if (place.inode !== undefined) throw alreadyThere('mkdir', path)
    await make(fs, place, 'directory', mode, 'mkdir', path, limits).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}

async function make(
  fs: FileSystem,
  { parent, name }: Place,
  kind: Inode['kind'],
  mode: number,
  syscall: string,
  path: string,
  limits: Limits,
): Promise<Inode> {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const request = { parent: parent.ino, name, kind, mode, ...owner, nowNs: nowNs(fs) }
  return named(syscall, path, () => fs.metadata.create(request, patienceOf(fs.table, limits)))
}

/** Checks permission bits. */
export function permissions(bits: number): number {
  if (!Number.isInteger(bits) || bits < 0 || bits > 0o7777) throw invalidValue('mode', 'must be permission bits', bits)
  return bits
}

const newPermissions = (fs: FileSystem, mode: number | undefined, base: number): number =>
  permissions(mode ?? base & ~fs.umask)

/** Entries of a directory in byte order of their names, read in portions: a name that stays is seen exactly once, whatever changes. */
export async function* entriesOf(fs: FileSystem, path: string): AsyncGenerator<DirectoryEntry> {
  const directory = await inodeAt(fs.metadata, path, 'scandir')
  if (directory.kind !== 'directory')
    throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'scandir', path })
  for (let after: string | undefined; ;) {
    const portion = await fs.metadata.entries(directory.ino, after === undefined ? {} : { after })
    if (portion.length === 0) return
    yield* portion
    after = portion[portion.length - 1].name
  }
}

/** Removes a file's name; in lost+found the file itself. ENOENT, EISDIR, and by policy EBUSY, ETIMEDOUT with holders. */
export async function removeName(fs: FileSystem, path: string, options: BusyOptions): Promise<void> {
  const limits = limitsOf(fs, options)
  const place = await nameAt(fs.metadata, path, 'unlink')
  const { inode, parent, name } = place
  if (inode === undefined) throw systemError('ENOENT', 'no such file', { syscall: 'unlink', path })
  if (inode.kind === 'directory')
    throw systemError('EISDIR', 'this is a directory; use rmdir', { syscall: 'unlink', path })
  if (isLost(place)) {
    await reclaimLostFile(fs, { ino: inode.ino, name }, 'unlink')
    return fs.freed()
  }
  const request = { parent: parent.ino, name, nowNs: nowNs(fs) }
  const removed = await whileBlocksMayGo(fs, inode, options, limits, 'unlink', path, () =>
    named('unlink', path, () => fs.metadata.unlink(request, patienceOf(fs.table, limits))),
  )
  await afterLastName(fs, removed)
}

/** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, lost+found). */
export async function removeDirectory(fs: FileSystem, path: string): Promise<void> {
  const { parent, name } = await nameAt(fs.metadata, path, 'rmdir')
  const request = { parent: parent.ino, name, nowNs: nowNs(fs) }
  await named('rmdir', path, () => fs.metadata.removeDirectory(request))
}

/** Renames, replacing what is there, whole or not at all. A file that is replaced: as in `removeName`. */
export async function renameName(fs: FileSystem, from: string, to: string, options: BusyOptions): Promise<void> {
  const { metadata, table } = fs
  const limits = limitsOf(fs, options)
  const source = await nameAt(metadata, from, 'rename')
  if (source.inode === undefined) {
    throw systemError('ENOENT', 'no such file or directory', { syscall: 'rename', path: from, dest: to })
  }
  for (;;) {
    const target = await nameAt(metadata, to, 'rename')
    const request = {
      fromParent: source.parent.ino,
      fromName: source.name,
      toParent: target.parent.ino,
      toName: target.name,
      nowNs: nowNs(fs),
    }
    const rename = (): Promise<{ replaced: Inode | undefined }> =>
      named('rename', from, () => metadata.rename(request, patienceOf(table, limits)), to)
    const victim = target.inode
    const isReplacing = victim?.kind === 'file' && victim.ino !== source.inode.ino
    const done = isReplacing
      ? await whileBlocksMayGo(fs, victim, options, limits, 'rename', to, async () => {
          // Another file may have taken the name since we looked; its blocks were not asked for.
          const now = await metadata.lookup(target.parent.ino, target.name)
          return now?.ino === victim.ino ? rename() : undefined
        })
      : await rename()
    if (done === undefined) continue
    if (done.replaced !== undefined) await afterLastName(fs, done.replaced)
    return
  }
}

/** Runs `action` when the policy lets the blocks of a file go that is about to lose a name. */
function whileBlocksMayGo<T>(
  fs: FileSystem,
  inode: Inode,
  options: BusyOptions,
  limits: Limits,
  syscall: string,
  path: string,
  action: () => Promise<T>,
): Promise<T> {
  const busy = inode.nlink > 1 ? 'sequester' : busyPolicyOf(fs, inode, options)
  return whileIdle(fs, { ino: inode.ino, busy, limits, syscall, path }, action)
}

async function afterLastName(fs: FileSystem, inode: Inode): Promise<void> {
  if (inode.nlink === 0 && inode.kind === 'file') await removeIfOrphan(fs, inode.ino)
}

const isLost = ({ parent }: Place): boolean => parent.ino === LOST_AND_FOUND_INODE

const alreadyThere = (syscall: string, path: string): Error =>
  systemError('EEXIST', 'there is a file or directory already', { syscall, path })
