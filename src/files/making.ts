/**
 * Making: new inodes and new names of old ones, at a place: a directory by its number and a name in it. Who has paths has
 * found the place before (names.ts).
 */
import { named } from '../errors.ts'
import type { Limits } from '../layout/waiting.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import { patienceOf } from '../layout/waiting.ts'
import type { Along, BusyPolicy, CreateRequest, Inode } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import { inheriting } from './acl.ts'
import type { FileSystem } from './file-system.ts'
import { nowNs } from './growth.ts'
import type { OpenInode } from './open-inode.ts'

/** A name in a directory. */
export interface NameIn {
  readonly parent: InodeNumber
  readonly name: string
}

/** A place for a new inode; without a name: a file that nobody finds, in the file system of that directory. */
export interface PlaceToMake {
  readonly parent: InodeNumber
  readonly name: string | undefined
}

/** What is made, and whose it is. */
export interface What extends Pick<CreateRequest, 'kind' | 'mode' | 'uid' | 'gid' | 'target' | 'rdev'> {
  /** Permission bits that are taken off, unless the directory's default list says who may (acl.ts). Default none. */
  readonly umask?: number | undefined
}

/** How long it may take, and what errors call it. */
export interface Call {
  readonly limits: Limits
  readonly syscall: string
  readonly path: string
}

/** A call that takes blocks out of files. */
export interface BusyCall extends Call {
  /** Undefined: the file's policy, else the pool's. */
  readonly busy: BusyPolicy | undefined
}

/**
 * Makes an inode at a place. `claim` gets its number before anybody else can see it. ENOENT and ENOTDIR (the directory),
 * EEXIST, EPERM (in lost+found), ENAMETOOLONG.
 */
export async function makeInode(
  fs: FileSystem,
  { parent, name }: PlaceToMake,
  { umask = 0, ...what }: What,
  { limits, syscall, path }: Call,
  claim?: (ino: InodeNumber) => void,
): Promise<Inode> {
  const inherited = inheriting(what.kind, what.mode, umask)
  let isBare = true
  const along: Along = (directory, xattrOf) => {
    // The store is locked, and nothing of the directory changed yet.
    const follows = inherited?.(directory, fs.known.isBare(parent) ? nothing : xattrOf) ?? {}
    isBare = follows.xattrs === undefined || follows.xattrs.length === 0
    return follows
  }
  let mark = UNKNOWN
  const claimed = (ino: InodeNumber): void => {
    mark = fs.marks.committing(ino)
    claim?.(ino)
  }
  const request = { parent, name, ...what, along, nowNs: nowNs(fs) }
  const before = fs.marks.current(parent)
  const inode = await named(syscall, path, () => fs.metadata.create(request, claimed, patienceOf(fs.table, limits)))
  fs.known.made(inode, mark, isBare)
  if (name !== undefined) {
    const dentry = { ino: inode.ino, kind: inode.kind }
    fs.known.entryChanged({ parent, name }, before, dentry, {
      links: what.kind === 'directory' ? 1 : 0,
      nowNs: request.nowNs,
    })
  }
  return inode
}

const nothing = (): undefined => undefined

/** Makes a file at a place and opens it. As `makeInode`. */
export const makeOpen = (
  fs: FileSystem,
  place: PlaceToMake,
  what: Omit<What, 'kind' | 'target' | 'rdev'>,
  call: Call,
): Promise<OpenInode> =>
  fs.openInodes.openNew(fs, (claim) => makeInode(fs, place, { ...what, kind: 'file' }, call, claim))

/** Gives an inode one more name; an unnamed file its first. EEXIST, EPERM (a directory, lost+found), ENOENT. */
export async function makeLink(
  fs: FileSystem,
  ino: InodeNumber,
  at: NameIn,
  { limits, syscall, path, dest }: Call & { readonly dest: string },
): Promise<Inode> {
  const { parent, name } = at
  const request = { ino, parent, name, nowNs: nowNs(fs) }
  const before = fs.marks.current(parent)
  const inode = await named(syscall, path, () => fs.metadata.link(request, patienceOf(fs.table, limits)), dest)
  fs.known.entryChanged(at, before, { ino, kind: inode.kind }, { links: 0, nowNs: request.nowNs })
  return inode
}
