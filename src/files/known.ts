/**
 * Known: names and inodes that this participant has looked up, kept for as long as their change marks say that they are
 * so now (layout/change-marks.ts). What is kept is never behind what any participant has committed.
 *
 * Bounded: when there is too much it is dropped as a whole, and comes back as it is asked for.
 */
import type { TableMarks } from '../layout/change-marks.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import type { Inode, InodeKind, Metadata } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'

/** What a name in a directory leads to. The kind of an inode never changes. */
export interface Dentry {
  readonly ino: InodeNumber
  readonly kind: InodeKind
}

interface KnownDirectory {
  mark: number
  /** null: there is nothing under the name. */
  readonly names: Map<string, Dentry | null>
}

const MOST_NAMES = 1 << 16
const MOST_INODES = 1 << 16

export class Known {
  readonly #metadata: Metadata
  readonly #marks: TableMarks
  readonly #directories = new Map<InodeNumber, KnownDirectory>()
  readonly #inodes = new Map<InodeNumber, { readonly inode: Inode; readonly mark: number }>()
  #names = 0

  constructor(metadata: Metadata, marks: TableMarks) {
    this.#metadata = metadata
    this.#marks = marks
  }

  /** undefined: not known now; null: nothing has the name. Price: 60 ns. */
  dentry(directory: InodeNumber, name: string): Dentry | null | undefined {
    const known = this.#directories.get(directory)
    if (known === undefined || !this.#marks.isCurrent(directory, known.mark)) return undefined
    return known.names.get(name)
  }

  /** The mark under which the names of a directory are known; {@link UNKNOWN}: none is. */
  markOf(directory: InodeNumber): number {
    return this.#directories.get(directory)?.mark ?? UNKNOWN
  }

  /** undefined: not known now. */
  inode(ino: InodeNumber): Inode | undefined {
    const known = this.#inodes.get(ino)
    return known !== undefined && this.#marks.isCurrent(ino, known.mark) ? known.inode : undefined
  }

  /** The same, looked up when it is not known; null: nothing has the name. */
  async lookUp(directory: InodeNumber, name: string): Promise<Dentry | null> {
    const known = this.dentry(directory, name)
    if (known !== undefined) return known
    const mark = this.#marks.current(directory)
    const inode = await this.#metadata.lookup(directory, name)
    const dentry = inode === undefined ? null : { ino: inode.ino, kind: inode.kind }
    if (mark !== UNKNOWN && this.#marks.isCurrent(directory, mark)) this.#keepName(directory, mark, name, dentry)
    return dentry
  }

  /** The inode as it is now; undefined: it is gone. */
  async lookUpInode(ino: InodeNumber): Promise<Inode | undefined> {
    const known = this.inode(ino)
    if (known !== undefined) return known
    const mark = this.#marks.current(ino)
    const inode = await this.#metadata.inode(ino)
    if (inode !== undefined && mark !== UNKNOWN && this.#marks.isCurrent(ino, mark)) this.#keepInode(inode, mark)
    return inode
  }

  /**
   * This participant has changed what a name of a directory leads to (null: to nothing) in one transaction that surely marked
   * the directory, whose mark was `before`. When that is just two more now, nobody else has changed anything that shares
   * it: what was known under it is so still. Else it is looked up again, as without this.
   */
  nameChanged(directory: InodeNumber, before: number, name: string, dentry: Dentry | null): void {
    const known = this.#directories.get(directory)
    if (known === undefined || known.mark !== before || !this.#isNext(directory, before)) return
    known.mark = next(before)
    this.#setName(known, name, dentry)
  }

  /** The same for the attributes of an inode: they are `inode` now. */
  inodeChanged(before: number, inode: Inode): void {
    if (this.#isNext(inode.ino, before)) this.#keepInode(inode, next(before))
  }

  #isNext(ino: InodeNumber, before: number): boolean {
    return before !== UNKNOWN && this.#marks.isCurrent(ino, next(before))
  }

  #keepInode(inode: Inode, mark: number): void {
    if (this.#inodes.size >= MOST_INODES) this.#inodes.clear()
    this.#inodes.set(inode.ino, { inode, mark })
  }

  #keepName(directory: InodeNumber, mark: number, name: string, dentry: Dentry | null): void {
    let known = this.#directories.get(directory)
    if (known?.mark !== mark) {
      this.#names -= known?.names.size ?? 0
      known = { mark, names: new Map() }
      this.#directories.set(directory, known)
    }
    this.#setName(known, name, dentry)
  }

  #setName({ names }: KnownDirectory, name: string, dentry: Dentry | null): void {
    const before = names.size
    names.set(name, dentry)
    this.#names += names.size - before
    if (this.#names < MOST_NAMES) return
    this.#directories.clear()
    this.#names = 0
  }
}

/** An even mark after one transaction (layout/change-marks.ts). */
const next = (mark: number): number => (mark + 2) | 0
