/**
 * Young files: made in the open batch (commit-batch.ts), and in no table yet. What is removed before the batch is committed
 * never was in one: a program's lock file, a compiler's temporary one. The others are written all at once.
 *
 * Invariants
 *   1. They are written before anything looks at the tables but the operations here, and before the commit: as what
 *      hot-rows.ts puts off. So nobody ever misses one.
 *   2. A young file is empty, has one name, no extended attributes, and the policies of its directory: whatever gives it more is
 *      an operation on the tables, so by then it is written.
 *   3. Writing it can't fail but as a commit can. Its number is one that none had before, its directory is in the tables, the name
 *      was checked and is free, and stays so: nobody else writes during a batch, and who here takes a name by the
 *      tables has it written first.
 */
import assert from 'node:assert/strict'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { InodeNumber } from '../units.ts'
import type { HotRows } from './hot-rows.ts'
import type { InodeTable } from './inodes.ts'
import { LOST_AND_FOUND_INODE } from './metadata.ts'
import type { CreateRequest, Inode, UnlinkRequest } from './metadata.ts'
import { withoutName } from './name-loss.ts'
import { checkName } from './names.ts'
import type { NameTable } from './names.ts'
import { newInode } from './new-inode.ts'
import type { TransactionMarks } from './transaction-marks.ts'
import type { XattrTable } from './xattrs.ts'

interface Young {
  readonly parent: InodeNumber
  readonly inode: Inode
}

export class YoungFiles {
  readonly #inodes: InodeTable
  readonly #names: NameTable
  readonly #xattrs: XattrTable
  readonly #hotRows: HotRows
  readonly #marks: TransactionMarks
  readonly #isTaken: StatementSync
  /** One of a name; a second one, in another directory, is made in the tables. */
  #byName = new Map<string, Young>()

  constructor(
    db: DatabaseSync,
    tables: {
      readonly inodes: InodeTable
      readonly names: NameTable
      readonly xattrs: XattrTable
      readonly hotRows: HotRows
    },
    marks: TransactionMarks,
  ) {
    this.#inodes = tables.inodes
    this.#names = tables.names
    this.#xattrs = tables.xattrs
    this.#hotRows = tables.hotRows
    this.#marks = marks
    this.#isTaken = db.prepare('SELECT 1 FROM dentries WHERE parent = ? AND name = ?')
    this.#isTaken.setReturnArrays(true)
  }

  /**
   * Makes a file, while `hotRows` puts off. undefined, with nothing changed that is not put off: that can't be a young one, or
   * is an error, which the tables tell better.
   */
  create(request: CreateRequest, claim?: (ino: InodeNumber) => void): Inode | undefined {
    const { parent, name, kind, nowNs } = request
    if (kind !== 'file' || name === undefined || parent === LOST_AND_FOUND_INODE || this.#byName.has(name))
      return undefined
    checkName(name, 'open')
    const directory = this.#inodes.directory(parent)
    if (directory?.kind !== 'directory') return undefined
    const follows = request.along?.(directory, (xattr) => this.#xattrs.get(parent, xattr))
    if (follows?.xattrs !== undefined && follows.xattrs.length > 0) return undefined
    if (request.isFree?.() !== true && this.#isTaken.get(parent, name) !== undefined) return undefined
    const inode = newInode(this.#hotRows.takeNumber(true), request, follows?.mode ?? request.mode, directory)
    this.#marks.begin(parent)
    this.#hotRows.touch(parent, 0, nowNs)
    claim?.(inode.ino)
    this.#byName.set(name, { parent, inode })
    return inode
  }

  /**
   * Removes a young file that nobody has open, while `hotRows` puts off; returns it as it was last. undefined, with nothing
   * changed: it is none, or is open, which makes it an orphan.
   *
   * No break is published, nor is its mark or its generation advanced (layout/break-last-name.ts), since there is nobody to
   * be told: it has no blocks, which could be pinned; no other participant can have heard of it, so who has it open is
   * known here, to `isOpen`. Its number is never given again.
   */
  remove({ parent, name, nowNs }: UnlinkRequest, isOpen: (ino: InodeNumber) => boolean): Inode | undefined {
    const young = this.#byName.get(name)
    if (young?.parent !== parent || isOpen(young.inode.ino)) return undefined
    this.#byName.delete(name)
    this.#marks.begin(parent)
    this.#hotRows.touch(parent, 0, nowNs)
    this.#hotRows.countOff()
    return withoutName(young.inode, nowNs)
  }

  /** Writes them to the tables, within the transaction. They are young no more. */
  write(): void {
    if (this.#byName.size === 0) return
    for (const [name, { parent, inode }] of this.#byName) {
      this.#inodes.write(inode)
      assert(this.#names.write(parent, name, inode.ino, inode.kind), 'the name of a young file is taken')
    }
    this.forget()
  }

  /** The transaction is over. */
  forget(): void {
    // Not `clear`: see few-numbers.ts.
    if (this.#byName.size > 0) this.#byName = new Map()
  }
}
