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

/** One inode that is being made: what is asked of the metadata, and what is known once it is there. */
class Making {
  readonly request: CreateRequest
  readonly #fs: FileSystem
  readonly #claim: ((ino: InodeNumber) => void) | undefined
  readonly #before: number
  #isBare = true
  #mark = UNKNOWN

  constructor(
    fs: FileSystem,
    { parent, name }: PlaceToMake,
    { kind, mode, uid, gid, target, rdev, umask = 0 }: What,
    claim: ((ino: InodeNumber) => void) | undefined,
  ) {
    this.#fs = fs
    this.#claim = claim
    const inherited = inheriting(kind, mode, umask)
    const along: Along = (directory, xattrOf) => {
      // The store is locked, and nothing of the directory changed yet.
      const follows = inherited?.(directory, fs.known.isBare(parent) ? nothing : xattrOf) ?? {}
      this.#isBare = follows.xattrs === undefined || follows.xattrs.length === 0
      return follows
    }
    const isFree = (): boolean => name !== undefined && fs.known.dentry(parent, name) === null
    this.request = { parent, name, kind, mode, uid, gid, target, rdev, isFree, along, nowNs: nowNs(fs) }
    this.#before = fs.marks.current(parent)
  }

  readonly claimed = (ino: InodeNumber): void => {
    this.#mark = this.#fs.marks.committing(ino)
    this.#claim?.(ino)
  }

  /** It is there. */
  made(inode: Inode): Inode {
    const { known } = this.#fs
    const { parent, name, kind, nowNs: now } = this.request
    known.made(inode, this.#mark, this.#isBare)
    if (name !== undefined) {
      const links = kind === 'directory' ? 1 : 0
      known.entryChanged({ parent, name }, this.#before, { ino: inode.ino, kind }, { links, nowNs: now })
    }
    return inode
  }
}

/**
 * Makes an inode at a place. `claim` gets its number before anybody else can see it. ENOENT and ENOTDIR (the directory),
 * EEXIST, EPERM (in lost+found), ENAMETOOLONG.
 */
export async function makeInode(
  fs: FileSystem,
  place: PlaceToMake,
  what: What,
  { limits, syscall, path }: Call,
  claim?: (ino: InodeNumber) => void,
): Promise<Inode> {
  const making = new Making(fs, place, what, claim)
  const { request, claimed } = making
  return making.made(
    await named(syscall, path, () => fs.metadata.create(request, claimed, patienceOf(fs.table, limits))),
  )
}

const nothing = (): undefined => undefined

type WhatFile = Omit<What, 'kind' | 'target' | 'rdev'>

/** Makes a file at a place and opens it. As `makeInode`. */
export const makeOpen = (fs: FileSystem, place: PlaceToMake, what: WhatFile, call: Call): Promise<OpenInode> =>
  fs.openInodes.openNew(fs, (claim) => makeInode(fs, place, { ...what, kind: 'file' }, call, claim))

/** The same at once, where the metadata can; undefined: ask {@link makeOpen}. */
export function makeOpenNow(fs: FileSystem, place: PlaceToMake, what: What): OpenInode | undefined {
  if (fs.metadata.createNow === undefined) return undefined
  return fs.openInodes.openNewNow(fs, (claim) => {
    const making = new Making(fs, place, what, claim)
    const inode = fs.metadata.createNow!(making.request, making.claimed)
    return inode === undefined ? undefined : making.made(inode)
  })
}

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
