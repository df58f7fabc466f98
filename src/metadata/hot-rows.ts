/**
 * Hot rows: what nearly every change of names changes as well, the counts of the pool and the row of the directory. In an open
 * batch (commit-batch.ts) they are put off: added up here, and written once for all changes.
 *
 * Invariants
 *   1. What is put off is written before anything looks at the tables but the operations that put off themselves, and before the
 *      commit: `write` is the batch's first step of both. So nobody ever reads a row that lacks it.
 *   2. Those operations (create, unlink) read of these rows only what is not put off: of the directory its kind, mode, group
 *      and policies, of the counts nothing.
 *   3. What an operation that fails has put off is taken back with it.
 */
import assert from 'node:assert/strict'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { InodeNumber } from '../units.ts'
import { counted, theRow } from './damage.ts'
import type { Inode } from './metadata.ts'

/** Changes of a directory's entries: how many, by how much its subdirectories grew, when the last one was. */
interface Touch {
  readonly times: number
  readonly links: number
  readonly nowNs: bigint
}

/** The last inode number, when one was given; files made less files removed. */
interface Counts {
  readonly lastInode: number | undefined
  readonly files: number
}

const NO_COUNTS: Counts = { lastInode: undefined, files: 0 }

export class HotRows {
  readonly #lastNumber: StatementSync
  readonly #setCounts: StatementSync
  readonly #addFiles: StatementSync
  readonly #touch: StatementSync
  #isPuttingOff = false
  #counts = NO_COUNTS
  #touches = new Map<InodeNumber, Touch>()
  /** The directory of the last operation that put off. */
  #directory: Inode | undefined
  /** As they were before the operation under way. */
  #countsBefore = NO_COUNTS
  readonly #touchesBefore: [InodeNumber, Touch | undefined][] = []

  constructor(db: DatabaseSync) {
    // Two statements: one with RETURNING costs twice as much.
    this.#lastNumber = db.prepare('SELECT last_inode FROM space')
    this.#lastNumber.setReturnArrays(true)
    this.#setCounts = db.prepare('UPDATE space SET last_inode = ?, files = files + ?')
    this.#addFiles = db.prepare('UPDATE space SET files = files + ?')
    this.#touch = db.prepare(
      'UPDATE inodes SET nlink = nlink + ?, mtime_ns = ?, ctime_ns = ?, change_count = change_count + ? WHERE ino = ?',
    )
  }

  /** A number that no inode had before. `isFile`: it is counted. */
  takeNumber(isFile: boolean): InodeNumber {
    const { lastInode = this.#readLastNumber(), files } = this.#counts
    const ino = (lastInode + 1) as InodeNumber
    const added = isFile ? 1 : 0
    if (this.#isPuttingOff) this.#counts = { lastInode: ino, files: files + added }
    else this.#setCounts.run(ino, added)
    return ino
  }

  countOff(): void {
    const { lastInode, files } = this.#counts
    if (this.#isPuttingOff) this.#counts = { lastInode, files: files - 1 }
    else this.#addFiles.run(-1)
  }

  /** Entries of a directory changed; `links` is by how many its subdirectories did. */
  touch(directory: InodeNumber, links: number, nowNs: bigint): void {
    if (!this.#isPuttingOff) {
      this.#touch.run(links, nowNs, nowNs, 1, directory)
      return
    }
    const before = this.#touches.get(directory)
    this.#touchesBefore.push([directory, before])
    const after = { times: (before?.times ?? 0) + 1, links: (before?.links ?? 0) + links, nowNs }
    this.#touches.set(directory, after)
  }

  /** A directory as `read` reads it, but perhaps without what is put off. */
  directory(ino: InodeNumber, read: (ino: InodeNumber) => Inode | undefined): Inode | undefined {
    if (!this.#isPuttingOff) return read(ino)
    if (this.#directory?.ino !== ino) this.#directory = read(ino)
    return this.#directory
  }

  /** Before an operation that puts off. */
  beginPuttingOff(): void {
    this.#isPuttingOff = true
    this.#countsBefore = this.#counts
    this.#touchesBefore.length = 0
  }

  endPuttingOff(): void {
    this.#isPuttingOff = false
  }

  /** What the operation under way has put off is not to be. */
  takeBack(): void {
    this.#counts = this.#countsBefore
    for (const [ino, before] of this.#touchesBefore.toReversed()) {
      if (before === undefined) this.#touches.delete(ino)
      else this.#touches.set(ino, before)
    }
  }

  /** Writes what was put off, within the transaction. */
  write(): void {
    assert(!this.#isPuttingOff, 'an operation that puts off looked at what it puts off')
    const { lastInode, files } = this.#counts
    if (lastInode !== undefined) this.#setCounts.run(lastInode, files)
    else if (files !== 0) this.#addFiles.run(files)
    for (const [ino, { times, links, nowNs }] of this.#touches) this.#touch.run(links, nowNs, nowNs, times, ino)
    this.forget()
  }

  /** The transaction is over. */
  forget(): void {
    this.#counts = NO_COUNTS
    // Not `clear`: see few-numbers.ts.
    this.#touches = new Map()
    this.#directory = undefined
  }

  #readLastNumber(): number {
    const row = theRow(this.#lastNumber.get() as unknown as [number] | undefined, 'space')
    return counted(row[0], 'the last inode number', Number.MAX_SAFE_INTEGER - 1)
  }
}
