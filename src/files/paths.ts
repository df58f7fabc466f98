/** Paths of a pool: '/'-separated, from the root, with or without the leading '/'. Symlinks on the way are followed. */
import { invalidValue, systemError, wrongType } from '../errors.ts'
import type { Inode } from '../metadata/metadata.ts'
import { ROOT_INODE } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { FileSystem } from './file-system.ts'
import type { Dentry } from './known.ts'

/** Bytes of a name in UTF-8. */
const NAME_MAX = 255
/** Symlinks followed for one path, as in Linux. */
const MOST_SYMLINKS = 40

/** Splits a path into names; '' and '.' between slashes are left out. Throws for what can be no path. */
function namesOf(path: string, syscall: string): string[] {
  if (typeof path !== 'string') throw wrongType('path', 'of type string', path)
  if (path === '') throw systemError('ENOENT', 'the path is empty', { syscall, path })
  if (path.includes('\0')) throw invalidValue('path', 'must be a string without null bytes', path)
  if (!path.isWellFormed())
    throw systemError('EILSEQ', 'the path is not well-formed Unicode, so it has no UTF-8 form', { syscall, path })
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  for (const name of names) {
    if (name.length > NAME_MAX || Buffer.byteLength(name) > NAME_MAX) {
      throw systemError('ENAMETOOLONG', `a name has at most ${NAME_MAX} bytes`, { syscall, path })
    }
  }
  return names
}

/** Only a directory can be meant. */
const isDirectoryPath = (path: string): boolean => /\/\.?$/.test(path)

/** Where a path leads. `name` '' means a directory that was not reached by its name: the root, or through '..'. */
export interface Place {
  readonly parent: InodeNumber
  readonly name: string
  /** undefined: nothing is there. */
  readonly dentry: Dentry | undefined
}

const ROOT: Dentry = { ino: ROOT_INODE, kind: 'directory' }

/**
 * Follows all names but the last, and looks the last one up; a symlink there is followed with `follows`. ENOENT, ENOTDIR,
 * ELOOP. '..' goes up, from the root to the root. A last symlink that is followed to nothing leads to where it would be.
 */
export async function placeOf(fs: FileSystem, path: string, syscall: string, follows: boolean): Promise<Place> {
  return walk(fs, path, namesOf(path, syscall), isDirectoryPath(path), syscall, follows)
}

async function walk(
  fs: FileSystem,
  path: string,
  names: string[],
  isDirectory: boolean,
  syscall: string,
  follows: boolean,
): Promise<Place> {
  // What is known waits for nothing: timers and sockets get their turn here.
  const turn = fs.turnIfDue()
  if (turn !== undefined) await turn
  let mustBeDirectory = isDirectory
  const trail: InodeNumber[] = [ROOT_INODE]
  let place: Place = { parent: ROOT_INODE, name: '', dentry: ROOT }
  for (let i = 0, symlinks = 0; i < names.length; i++) {
    const name = names[i]
    const isLast = i === names.length - 1
    if (name === '..') {
      if (trail.length > 1) trail.pop()
      const ino = trail[trail.length - 1]
      place = { parent: ino, name: '', dentry: { ino, kind: 'directory' } }
      continue
    }
    const parent = trail[trail.length - 1]
    const dentry = fs.known.dentry(parent, name) ?? (await fs.known.lookUp(parent, name))
    if (dentry?.kind === 'symlink' && (!isLast || follows || mustBeDirectory)) {
      if (++symlinks > MOST_SYMLINKS)
        throw systemError('ELOOP', `the path leads through more than ${MOST_SYMLINKS} symlinks`, { syscall, path })
      const target = (await fs.known.lookUpInode(dentry.ino))?.target
      // Gone since: as if it had not been there.
      if (target === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
      if (isLast && isDirectoryPath(target)) mustBeDirectory = true
      if (target.startsWith('/')) trail.length = 1
      names.splice(i, 1, ...namesOf(target, syscall))
      const ino = trail[trail.length - 1]
      place = { parent: ino, name: '', dentry: { ino, kind: 'directory' } }
      i--
      continue
    }
    place = { parent, name, dentry: dentry ?? undefined }
    if (isLast) continue
    if (dentry === null) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
    if (dentry.kind !== 'directory')
      throw systemError('ENOTDIR', 'a name on the way is not a directory', { syscall, path })
    trail.push(dentry.ino)
  }
  if (mustBeDirectory && place.dentry !== undefined && place.dentry.kind !== 'directory') {
    throw systemError('ENOTDIR', 'what must be a directory is none', { syscall, path })
  }
  return place
}

/** The inode at a path. ENOENT, ENOTDIR, ELOOP. */
export async function inodeAt(fs: FileSystem, path: string, syscall: string, follows = true): Promise<Inode> {
  const { dentry } = await placeOf(fs, path, syscall, follows)
  const inode = dentry === undefined ? undefined : await fs.known.lookUpInode(dentry.ino)
  if (inode !== undefined) return inode
  if (dentry?.ino === ROOT_INODE)
    throw systemError('EUCLEAN', 'the pool has no root directory; check it with fsck', { syscall, path })
  throw systemError('ENOENT', 'no such file or directory', { syscall, path })
}

/**
 * Where a path leads when every name on the way is known and plain: what makes a second look cheap. undefined: ask
 * {@link placeOf}. Price: 70 ns a name.
 */
export function knownPlaceAt(fs: FileSystem, path: string): (Place & { readonly dentry: Dentry }) | undefined {
  if (typeof path !== 'string') return undefined
  let parent: InodeNumber = ROOT_INODE
  for (let at = path.charCodeAt(0) === SLASH ? 1 : 0; ;) {
    const slash = path.indexOf('/', at)
    // '', '.' and '..' are nobody's names, so they are not known.
    const name = slash < 0 ? path.slice(at) : path.slice(at, slash)
    const dentry = fs.known.dentry(parent, name)
    if (dentry === undefined || dentry === null || dentry.kind === 'symlink') return undefined
    if (slash < 0) return { parent, name, dentry }
    if (dentry.kind !== 'directory') return undefined
    parent = dentry.ino
    at = slash + 1
  }
}

const SLASH = 47

/** A name in a directory, there or not. */
export interface NamePlace {
  readonly parent: InodeNumber
  readonly name: string
}

/**
 * The place a name is to be made in or taken from: the last name must be one, and is not looked up. EINVAL for '.' and
 * '..', EBUSY for the root, ENOENT, ENOTDIR, ELOOP for what is on the way.
 */
export async function nameAt(fs: FileSystem, path: string, syscall: string): Promise<NamePlace> {
  const last = typeof path === 'string' ? path.replace(/\/+$/, '').split('/').at(-1) : ''
  if (last === '.' || last === '..')
    throw systemError('EINVAL', `the last name must not be '${last}'`, { syscall, path })
  const names = namesOf(path, syscall)
  const name = names.pop()
  if (name === undefined) throw systemError('EBUSY', 'this is the root of the pool', { syscall, path })
  const { dentry } = await walk(fs, path, names, true, syscall, true)
  if (dentry === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
  return { parent: dentry.ino, name }
}

/** The path without symlinks, '.' and '..'. ENOENT, ENOTDIR, ELOOP. */
export async function pathAt(fs: FileSystem, path: string, syscall: string): Promise<string> {
  const { ino } = await inodeAt(fs, path, syscall)
  const { parent, name } = await placeOf(fs, path, syscall, true)
  // A file may have several names: the one that was asked for, in the only path of its directory.
  const found = await fs.metadata.pathOf(name === '' ? ino : parent)
  if (found === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
  return name === '' ? found : `${found === '/' ? '' : found}/${name}`
}
