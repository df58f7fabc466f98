/**
 * Names that are made and taken away, each operation the body of one transaction.
 *
 * Invariants
 *   1. The directories are a tree with the root, inode 1, on top: each other directory has exactly one name.
 *   2. nlink is the number of names; a directory's is 2 and one for each subdirectory.
 *   3. Only a file lives on without a name: an orphan that somebody has open, or one made so, which may get a name.
 *   4. /lost+found (inode 2) stays where it is. Sequestered files come and go by layout changes only; what fsck reconnected
 *      there may leave it; nobody else puts anything in.
 */
import assert from 'node:assert/strict'
import { systemError } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { InodeTable } from './inodes.ts'
import type { LostAndFound } from './lost-and-found.ts'
import { LOST_AND_FOUND_INODE, SYMLINK_MAX } from './metadata.ts'
import type {
  CreateRequest,
  DecideLastName,
  Inode,
  InodeKind,
  LinkRequest,
  NameLoss,
  UnlinkRequest,
} from './metadata.ts'
import { refusedLoss, withoutName } from './name-loss.ts'
import type { NameLosses } from './name-loss.ts'
import { checkName } from './names.ts'
import type { NameTable } from './names.ts'
import { newInode } from './new-inode.ts'
import type { TransactionMarks } from './transaction-marks.ts'
import type { XattrTable } from './xattrs.ts'

const SYSCALLS: Partial<Record<InodeKind, string>> = { file: 'open', directory: 'mkdir', symlink: 'symlink' }

export class NameChanges {
  readonly #inodes: InodeTable
  readonly #names: NameTable
  readonly #xattrs: XattrTable
  readonly #lostAndFound: LostAndFound
  readonly #losses: NameLosses
  readonly #marks: TransactionMarks

  constructor(
    inodes: InodeTable,
    names: NameTable,
    xattrs: XattrTable,
    lostAndFound: LostAndFound,
    losses: NameLosses,
    marks: TransactionMarks,
  ) {
    this.#inodes = inodes
    this.#names = names
    this.#xattrs = xattrs
    this.#lostAndFound = lostAndFound
    this.#losses = losses
    this.#marks = marks
  }

  create(request: CreateRequest, claim?: (ino: InodeNumber) => void): Inode {
    const { parent, name, kind, nowNs } = request
    const syscall = SYSCALLS[kind] ?? 'mknod'
    if (name !== undefined) checkName(name, syscall)
    if (kind === 'symlink') checkTarget(request.target, name)
    const directory = this.#names.directory(parent, name ?? '', syscall)
    if (parent === LOST_AND_FOUND_INODE) throw forbidden(syscall, name ?? '')
    const follows = request.along?.(directory, (xattr) => this.#xattrs.get(parent, xattr))
    const inode = newInode(this.#inodes.takeNumber(kind), request, follows?.mode ?? request.mode, directory)
    this.#inodes.write(inode)
    if (name === undefined) {
      assert(kind === 'file', 'only a file can be without a name')
    } else {
      if (!this.#names.insert(parent, name, inode.ino, kind)) {
        throw systemError('EEXIST', 'the name is taken', { syscall, path: name })
      }
      this.#inodes.touchDirectory(parent, kind === 'directory' ? 1 : 0, nowNs)
    }
    this.#xattrs.follow(inode.ino, follows)
    claim?.(inode.ino)
    return inode
  }

  link({ ino, parent, name, nowNs }: LinkRequest): Inode {
    const detail = { syscall: 'link', path: name }
    checkName(name, 'link')
    const inode = this.#inodes.get(ino)
    if (inode === undefined) throw systemError('ENOENT', 'the file is gone', detail)
    this.#names.directory(parent, name, 'link')
    if (parent === LOST_AND_FOUND_INODE || this.#lostAndFound.has(ino)) throw forbidden('link', name)
    if (this.#names.lookup(parent, name) !== undefined) throw systemError('EEXIST', 'the name is taken', detail)
    if (inode.kind === 'directory') throw systemError('EPERM', 'a directory has one name only', detail)
    if (inode.nlink === 0 && this.#inodes.lastNameOf(ino) !== undefined) {
      throw systemError('ENOENT', 'the file was removed and is only open still', detail)
    }
    this.#names.insert(parent, name, ino, inode.kind)
    this.#inodes.touchDirectory(parent, 0, nowNs)
    return this.#inodes.gainName(inode, nowNs)
  }

  unlink({ parent, name, nowNs }: UnlinkRequest, decide: DecideLastName): NameLoss {
    const inode = this.#names.found(parent, name, 'unlink')
    // Such a file has one name, which is there.
    if (parent === LOST_AND_FOUND_INODE && this.#lostAndFound.has(inode.ino)) throw forbidden('unlink', name)
    if (inode.kind === 'directory') throw systemError('EISDIR', 'it is a directory', { syscall: 'unlink', path: name })
    this.#marks.begin(parent)
    const fate = this.#losses.fateOf(inode, decide)
    if (fate === undefined) return refusedLoss(inode)
    this.#names.delete(parent, name)
    this.#inodes.touchDirectory(parent, 0, nowNs)
    return this.#losses.lose(inode, name, fate, nowNs)
  }

  removeDirectory({ parent, name, nowNs }: UnlinkRequest): Inode {
    const inode = this.#names.found(parent, name, 'rmdir')
    if (inode.kind !== 'directory') throw systemError('ENOTDIR', 'it is no directory', { syscall: 'rmdir', path: name })
    if (inode.ino === LOST_AND_FOUND_INODE) throw immovable('rmdir', name)
    this.#names.mustBeEmpty(inode.ino, { syscall: 'rmdir', path: name })
    this.#names.delete(parent, name)
    this.#inodes.delete(inode)
    this.#inodes.touchDirectory(parent, -1, nowNs)
    return withoutName(inode, nowNs)
  }
}

function checkTarget(target: string | undefined, path: string | undefined): void {
  const detail = { syscall: 'symlink', path }
  const bytes = Buffer.byteLength(target ?? '')
  if (bytes === 0) throw systemError('ENOENT', 'a symlink must point somewhere', detail)
  if (bytes > SYMLINK_MAX) {
    throw systemError('ENAMETOOLONG', `the target has ${bytes} bytes; at most ${SYMLINK_MAX} can be stored`, detail)
  }
  if (target?.includes('\0') === true || target?.isWellFormed() === false) {
    throw systemError('EINVAL', 'no symlink can have this target', detail)
  }
}

export const forbidden = (syscall: string, path: string): Error =>
  systemError('EPERM', 'names in /lost+found cannot be changed; reclaim its files instead', { syscall, path })

export const immovable = (syscall: string, path: string): Error =>
  systemError('EBUSY', '/lost+found cannot be moved or removed', { syscall, path })
