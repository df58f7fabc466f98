/** Paths of a pool: '/'-separated, from the root, with or without the leading '/'. Symlinks on the way are followed. */
import { invalidValue, systemError, wrongType } from '../errors.ts'
import type { Inode } from '../metadata/metadata.ts'
import { ROOT_INODE } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { FileSystem } from './file-system.ts'
import type { Dentry } from './known.ts'

/** Bytes of a name, and of a path, in UTF-8. */
const NAME_MAX = 255
const PATH_MAX = 4095
/** Symlinks followed for one path, as in Linux. */
const MOST_SYMLINKS = 40

/** Throws for what can be no path: ENOENT when it is empty, ENAMETOOLONG, EILSEQ. */
export function checkPath(path: string, syscall: string): void {
  if (typeof path !== 'string') throw wrongType('path', 'of type string', path)
  if (path === '') throw systemError('ENOENT', 'the path is empty', { syscall, path })
  if (path.includes('\0')) throw invalidValue('path', 'must be a string without null bytes', path)
  if (!path.isWellFormed())
    throw systemError('EILSEQ', 'the path is not well-formed Unicode, so it has no UTF-8 form', { syscall, path })
  if (isLongerThan(path, PATH_MAX))
    throw systemError('ENAMETOOLONG', `a path has at most ${PATH_MAX} bytes`, { syscall, path })
}

/** ENAMETOOLONG. */
export function checkName(name: string, syscall: string, path: string): void {
  if (isLongerThan(name, NAME_MAX))
    throw systemError('ENAMETOOLONG', `a name has at most ${NAME_MAX} bytes`, { syscall, path })
}

/** A character has 1 to 3 bytes in UTF-8, for each unit of UTF-16. */
const isLongerThan = (text: string, bytes: number): boolean =>
  text.length > bytes || (3 * text.length > bytes && Buffer.byteLength(text) > bytes)

/** '.' and '..' are names here: what stands before one must be a directory. */
const namesOf = (path: string): string[] => path.split('/').filter((name) => name !== '')

/** Where a path leads. `name` '' means a directory that was not reached by its name: the root, or through '.' or '..'. */
export interface Place {
  readonly parent: InodeNumber
  readonly name: string
  /** undefined: nothing is there. */
  readonly dentry: Dentry | undefined
}

const ROOT: Dentry = { ino: ROOT_INODE, kind: 'directory' }

/** What is asked of the last name of a path. */
interface LastName {
  /** A symlink there is followed; with a '/' behind it always. */
  readonly follows: boolean
  /** As if a '/' was behind it, but that a symlink is not followed for that. Default false. */
  readonly mustBeDirectory?: boolean | undefined
  /** A file may be made there: EISDIR when the path, or a symlink's target, ends with '/'. Default false. */
  readonly creates?: boolean | undefined
}

/**
 * Follows all names but the last, and looks the last one up. ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, in the order of the
 * names, as Linux does. '..' goes up, from the root to the root. A last symlink that is followed to nothing leads to where
 * it would be.
 */
export async function placeOf(fs: FileSystem, path: string, syscall: string, last: LastName): Promise<Place> {
  checkPath(path, syscall)
  return walk(fs, path, namesOf(path), path.endsWith('/'), syscall, last)
}

async function walk(
  fs: FileSystem,
  path: string,
  names: string[],
  hasSlash: boolean,
  syscall: string,
  last: LastName,
): Promise<Place> {
  // What is known waits for nothing: timers and sockets get their turn here.
  const turn = fs.turnIfDue()
  if (turn !== undefined) await turn
  const mayFollow = last.follows || hasSlash
  let mustBeDirectory = hasSlash || last.mustBeDirectory === true
  const trail: InodeNumber[] = [ROOT_INODE]
  let place: Place = { parent: ROOT_INODE, name: '', dentry: ROOT }
  for (let i = 0, symlinks = 0; i < names.length; i++) {
    const name = names[i]
    const isLast = i === names.length - 1
    if (name === '.' || name === '..') {
      if (name === '..' && trail.length > 1) trail.pop()
      const ino = trail[trail.length - 1]
      place = { parent: ino, name: '', dentry: { ino, kind: 'directory' } }
      continue
    }
    if (isLast && mustBeDirectory && last.creates === true)
      throw systemError('EISDIR', "a file's name must not end with '/'", { syscall, path })
    const parent = trail[trail.length - 1]
    checkName(name, syscall, path)
    const dentry = fs.known.dentry(parent, name) ?? (await fs.known.lookUp(parent, name))
    if (dentry?.kind === 'symlink' && (!isLast || mayFollow)) {
      if (++symlinks > MOST_SYMLINKS)
        throw systemError('ELOOP', `the path leads through more than ${MOST_SYMLINKS} symlinks`, { syscall, path })
      const target = (await fs.known.lookUpInode(dentry.ino))?.target
      // Gone since: as if it had not been there.
      if (target === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
      if (isLast && target.endsWith('/')) mustBeDirectory = true
      if (target.startsWith('/')) trail.length = 1
      names.splice(i, 1, ...namesOf(target))
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
  const { dentry } = await placeOf(fs, path, syscall, { follows })
  const inode = dentry === undefined ? undefined : await fs.known.lookUpInode(dentry.ino)
  if (inode !== undefined) return inode
  if (dentry?.ino === ROOT_INODE)
    throw systemError('EUCLEAN', 'the pool has no root directory; check it with fsck', { syscall, path })
  throw systemError('ENOENT', 'no such file or directory', { syscall, path })
}

/** A name in a directory, there or not. */
export interface NamePlace {
  readonly parent: InodeNumber
  readonly name: string
  /** The path ends with '/': a directory is meant. */
  readonly hasSlash: boolean
}

/** What a path ends with that is no name. */
export type NoName = '/' | '.' | '..'

/** Follows all names but the last, which is not looked up, and may be none: '/', '.' or '..'. ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG. */
export async function lastOf(fs: FileSystem, path: string, syscall: string): Promise<NamePlace> {
  checkPath(path, syscall)
  const names = namesOf(path)
  const name = names.pop() ?? '/'
  const { dentry } = await walk(fs, path, names, true, syscall, { follows: true })
  if (dentry === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
  return { parent: dentry.ino, name, hasSlash: path.endsWith('/') }
}

/** Throws unless the last name is one: `refusal` is the code for what is none. */
export function mustBeName(
  { name }: NamePlace,
  path: string,
  syscall: string,
  refusal: (last: NoName) => string,
): void {
  if (name === '/' || name === '.' || name === '..')
    throw systemError(refusal(name), `the path must end with a name, not with '${name}'`, { syscall, path })
}

/** The place a name is to be made in or taken from: both of the above. ENAMETOOLONG. */
export async function nameAt(
  fs: FileSystem,
  path: string,
  syscall: string,
  refusal: (last: NoName) => string,
): Promise<NamePlace> {
  const place = await lastOf(fs, path, syscall)
  mustBeName(place, path, syscall, refusal)
  checkName(place.name, syscall, path)
  return place
}

/** The directory that an inode has a name in: of several one, of the root itself; undefined: it has no name. Price: two lookups. */
export async function directoryOf(fs: FileSystem, ino: InodeNumber): Promise<Inode | undefined> {
  for (;;) {
    const parent = ino === ROOT_INODE ? ROOT_INODE : (await fs.metadata.nameOf(ino))?.parent
    if (parent === undefined) return undefined
    const directory = await fs.known.lookUpInode(parent)
    // Else the name has gone since, and then the directory: look again.
    if (directory !== undefined) return directory
  }
}

/** The path without symlinks, '.' and '..'. ENOENT, ENOTDIR, ELOOP. */
export async function pathAt(fs: FileSystem, path: string, syscall: string): Promise<string> {
  const { ino } = await inodeAt(fs, path, syscall)
  const { parent, name } = await placeOf(fs, path, syscall, { follows: true })
  // A file may have several names: the one that was asked for, in the only path of its directory.
  const found = await fs.metadata.pathOf(name === '' ? ino : parent)
  if (found === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
  return name === '' ? found : `${found === '/' ? '' : found}/${name}`
}
