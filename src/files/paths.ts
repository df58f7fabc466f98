/** Paths of a pool: '/'-separated, from the root, with or without the leading '/'. */
import { invalidValue, systemError, wrongType } from '../errors.ts'
import type { Inode, Metadata } from '../metadata/metadata.ts'
import { ROOT_INODE } from '../metadata/metadata.ts'

/** Bytes of a name in UTF-8. */
const NAME_MAX = 255

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

/** Where a path leads. `name` '' means the root itself. */
export interface Place {
  readonly parent: Inode
  readonly name: string
  readonly inode: Inode | undefined
}

/** Follows all names but the last, and looks the last one up. ENOENT, ENOTDIR. '..' goes up, from the root to the root. */
export async function placeOf(metadata: Metadata, path: string, syscall: string): Promise<Place> {
  const root = await rootOf(metadata, path, syscall)
  const trail: Place[] = [{ parent: root, name: '', inode: root }]
  for (const name of namesOf(path, syscall)) {
    const { inode: here } = trail[trail.length - 1]
    if (here === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
    if (here.kind !== 'directory')
      throw systemError('ENOTDIR', 'a name on the way is not a directory', { syscall, path })
    if (name === '..') {
      if (trail.length > 1) trail.pop()
    } else {
      trail.push({ parent: here, name, inode: await metadata.lookup(here.ino, name) })
    }
  }
  const place = trail[trail.length - 1]
  if (path.endsWith('/') && place.inode !== undefined && place.inode.kind !== 'directory') {
    throw systemError('ENOTDIR', 'the path ends with / but is not a directory', { syscall, path })
  }
  return place
}

/** The inode at a path. ENOENT, ENOTDIR. */
export async function inodeAt(metadata: Metadata, path: string, syscall: string): Promise<Inode> {
  const { inode } = await placeOf(metadata, path, syscall)
  if (inode === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
  return inode
}

/**
 * The place a name is to be made in or taken from: the last name must be one. EINVAL for '.' and '..', EBUSY for the root.
 */
export async function nameAt(metadata: Metadata, path: string, syscall: string): Promise<Place> {
  const last = typeof path === 'string' ? path.replace(/\/+$/, '').split('/').at(-1) : ''
  if (last === '.' || last === '..')
    throw systemError('EINVAL', `the last name must not be '${last}'`, { syscall, path })
  const place = await placeOf(metadata, path, syscall)
  if (place.name === '') throw systemError('EBUSY', 'this is the root of the pool', { syscall, path })
  return place
}

async function rootOf(metadata: Metadata, path: string, syscall: string): Promise<Inode> {
  const root = await metadata.inode(ROOT_INODE)
  if (root === undefined)
    throw systemError('EUCLEAN', 'the pool has no root directory; check it with fsck', { syscall, path })
  return root
}
