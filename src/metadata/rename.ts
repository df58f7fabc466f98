/**
 * rename: a name moves, onto another one if there is one, or two names change places. The body of one transaction;
 * errors and their order are those of rename(2) and renameat2(2).
 */
import { systemError } from '../errors.ts'
import type { SystemErrorDetail } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { InodeTable } from './inodes.ts'
import type { LostAndFound } from './lost-and-found.ts'
import { LOST_AND_FOUND_INODE } from './metadata.ts'
import type { DecideLastName, Inode, NameLoss, RenameRequest } from './metadata.ts'
import { forbidden, immovable } from './name-changes.ts'
import { nothingLost, refusedLoss, withoutName } from './name-loss.ts'
import type { NameLosses } from './name-loss.ts'
import { checkName } from './names.ts'
import type { NameTable } from './names.ts'
import type { TransactionMarks } from './transaction-marks.ts'

export class Renames {
  readonly #inodes: InodeTable
  readonly #names: NameTable
  readonly #lostAndFound: LostAndFound
  readonly #losses: NameLosses
  readonly #marks: TransactionMarks

  constructor(
    inodes: InodeTable,
    names: NameTable,
    lostAndFound: LostAndFound,
    losses: NameLosses,
    marks: TransactionMarks,
  ) {
    this.#inodes = inodes
    this.#names = names
    this.#lostAndFound = lostAndFound
    this.#losses = losses
    this.#marks = marks
  }

  rename(request: RenameRequest, decide: DecideLastName): NameLoss {
    const { fromParent, fromName, toParent, toName, mode = 'replace', nowNs } = request
    const detail = { syscall: 'rename', path: fromName, dest: toName }
    const moved = this.#names.found(fromParent, fromName, 'rename')
    checkName(toName, 'rename')
    this.#names.directory(toParent, toName, 'rename')
    const old = this.#names.lookup(toParent, toName)
    if (toParent === LOST_AND_FOUND_INODE || this.#lostAndFound.has(moved.ino)) throw forbidden('rename', fromName)
    if (mode === 'exchange' && fromParent === LOST_AND_FOUND_INODE) throw forbidden('rename', fromName)
    if (moved.ino === LOST_AND_FOUND_INODE || old?.ino === LOST_AND_FOUND_INODE) throw immovable('rename', fromName)
    if (mode === 'noReplace' && old !== undefined) throw systemError('EEXIST', 'the target is there', detail)
    if (mode === 'exchange' && old === undefined) {
      throw systemError('ENOENT', 'there is nothing to change places with', detail)
    }
    if (old?.ino === moved.ino) return nothingLost
    if (this.#isBelow(toParent, fromParent, moved)) {
      throw systemError('EINVAL', 'a directory cannot be moved into itself', detail)
    }
    if (old !== undefined && this.#isBelow(fromParent, toParent, old)) {
      if (mode !== 'exchange') throw systemError('ENOTEMPTY', 'the directory is not empty', detail)
      throw systemError('EINVAL', 'a directory cannot be moved into itself', detail)
    }
    this.#marks.begin(fromParent)
    this.#marks.begin(toParent)
    this.#marks.begin(moved.ino)
    if (old === undefined) {
      this.#names.move(fromParent, fromName, toParent, toName)
      this.#touch(request, moved, undefined)
      return nothingLost
    }
    if (mode === 'exchange') {
      this.#names.retarget(fromParent, fromName, old)
      this.#names.retarget(toParent, toName, moved)
      this.#inodes.touch(old.ino, nowNs)
      this.#touch(request, moved, old)
      return nothingLost
    }
    return this.#replace(request, moved, old, detail, decide)
  }

  #replace(
    request: RenameRequest,
    moved: Inode,
    old: Inode,
    detail: SystemErrorDetail,
    decide: DecideLastName,
  ): NameLoss {
    const { fromParent, fromName, toParent, toName, nowNs } = request
    const isDirectory = moved.kind === 'directory'
    if (isDirectory && old.kind !== 'directory') throw systemError('ENOTDIR', 'the target is no directory', detail)
    if (!isDirectory && old.kind === 'directory') throw systemError('EISDIR', 'the target is a directory', detail)
    if (isDirectory) this.#names.mustBeEmpty(old.ino, detail)
    const fate = isDirectory ? undefined : this.#losses.fateOf(old, decide)
    if (!isDirectory && fate === undefined) return refusedLoss(old)
    this.#names.delete(fromParent, fromName)
    this.#names.retarget(toParent, toName, moved)
    if (fate !== undefined) {
      this.#touch(request, moved, undefined)
      return this.#losses.lose(old, toName, fate, nowNs)
    }
    this.#inodes.delete(old)
    this.#inodes.touchDirectory(toParent, -1, nowNs)
    this.#touch(request, moved, undefined)
    return { committed: true, inode: withoutName(old, nowNs), isGone: true, lostAndFound: [] }
  }

  /** What moved, and the directories of both names. `returned` came back to the old name. */
  #touch({ fromParent, toParent, nowNs }: RenameRequest, moved: Inode, returned: Inode | undefined): void {
    this.#inodes.touch(moved.ino, nowNs)
    const gained = (moved.kind === 'directory' ? 1 : 0) - (returned?.kind === 'directory' ? 1 : 0)
    if (fromParent === toParent) {
      this.#inodes.touchDirectory(fromParent, 0, nowNs)
    } else {
      this.#inodes.touchDirectory(fromParent, -gained, nowNs)
      this.#inodes.touchDirectory(toParent, gained, nowNs)
    }
  }

  /** Is `parent` a directory within `moved`, which has a name in `fromParent`? */
  #isBelow(parent: InodeNumber, fromParent: InodeNumber, { kind, ino }: Inode): boolean {
    return kind === 'directory' && parent !== fromParent && this.#names.isWithin(parent, ino)
  }
}
