/**
 * Known: names and inodes that this participant has looked up or made, and which inodes have no extended attributes, kept
 * for as long as their change marks say that they are so now (layout/change-marks.ts). What is kept is never behind what
 * any participant has committed.
 *
 * What this participant changes itself it need not look up again: one transaction is two more of a mark, so when a mark is
 * just that since before its transaction, nobody else has changed anything that shares it, and what was known stays so
 * but for what the transaction did.
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
  /** These are all there are: it was made here. */
  readonly isWhole: boolean
}

const MOST_NAMES = 1 << 16
const MOST_INODES = 1 << 16

export class Known {
  readonly #metadata: Metadata
  readonly #marks: TableMarks
  readonly #directories = new Map<InodeNumber, KnownDirectory>()
  readonly #inodes = new Map<InodeNumber, { readonly inode: Inode; readonly mark: number }>()
  /** Inodes without extended attributes, with the mark under which they have none. */
  readonly #bare = new Map<InodeNumber, number>()
  #names = 0

  constructor(metadata: Metadata, marks: TableMarks) {
    this.#metadata = metadata
    this.#marks = marks
  }

  /** undefined: not known now; null: nothing has the name. Price: 60 ns. */
  dentry(directory: InodeNumber, name: string): Dentry | null | undefined {
    const known = this.#directories.get(directory)
    if (known === undefined || !this.#marks.isCurrent(directory, known.mark)) return undefined
    const dentry = known.names.get(name)
    // Nobody asked for it, but all names are known.
    return dentry === undefined && known.isWhole ? null : dentry
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

  /** Whether it is known that the inode has no extended attributes now. Price: 60 ns. */
  isBare(ino: InodeNumber): boolean {
    const mark = this.#bare.get(ino)
    return mark !== undefined && this.#marks.isCurrent(ino, mark)
  }

  /** An extended attribute; undefined: there is none. */
  async xattr(ino: InodeNumber, name: string): Promise<Uint8Array | undefined> {
    if (this.isBare(ino)) return undefined
    const mark = this.#marks.current(ino)
    const value = await this.#metadata.xattr(ino, name)
    if (value !== undefined || mark === UNKNOWN) return value
    // Nearly all have none at all, and who asks for one asks for others. When the inode is gone, it has none either.
    const names = await this.#metadata.xattrs(ino).catch(() => undefined)
    if (names?.length === 0 && this.#marks.isCurrent(ino, mark)) this.#keepBare(ino, mark)
    return undefined
  }

  /** This participant has made an inode, which is so while the mark is `mark`; a directory is empty. */
  made(inode: Inode, mark: number, isBare: boolean): void {
    if (mark === UNKNOWN) return
    if (isBare) this.#keepBare(inode.ino, mark)
    // Files are remembered as open ones.
    if (inode.kind === 'file') return
    this.#keepInode(inode, mark)
    if (inode.kind !== 'directory') return
    this.#directories.set(inode.ino, { mark, names: new Map(), isWhole: true })
    this.#boundNames()
  }

  /** This participant has removed an inode. What is known of it would only be kept, and copied by the garbage collector. */
  gone(ino: InodeNumber): void {
    this.#bare.delete(ino)
    this.#inodes.delete(ino)
    const known = this.#directories.get(ino)
    if (known === undefined) return
    this.#names -= known.names.size
    this.#directories.delete(ino)
  }

  /**
   * This participant has changed what a name of a directory leads to (null: to nothing) in one transaction, before which the
   * directory's mark was `before`. It surely marked the directory, made `nowNs` its mtime and ctime, counted one change of
   * it, and `links` more subdirectories.
   */
  entryChanged(
    { parent, name }: { readonly parent: InodeNumber; readonly name: string },
    before: number,
    dentry: Dentry | null,
    { links, nowNs }: { readonly links: number; readonly nowNs: bigint },
  ): void {
    if (!this.#isNext(parent, before)) return
    const known = this.#directories.get(parent)
    if (known?.mark === before) {
      known.mark = next(before)
      this.#setName(known, name, dentry)
    }
    const directory = this.#inodes.get(parent)
    if (directory?.mark === before) {
      const { inode } = directory
      const nlink = inode.nlink + links
      const changeCount = inode.changeCount + 1
      this.#keepInode({ ...inode, nlink, mtimeNs: nowNs, ctimeNs: nowNs, changeCount }, next(before))
    }
    if (this.#bare.get(parent) === before) this.#bare.set(parent, next(before))
  }

  /** The same of an inode, whose extended attributes were left alone. */
  xattrsStayed(ino: InodeNumber, before: number): void {
    if (this.#bare.get(ino) === before && this.#isNext(ino, before)) this.#bare.set(ino, next(before))
  }

  /** The same of the attributes of an inode: they are `inode` now. */
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

  #keepBare(ino: InodeNumber, mark: number): void {
    if (this.#bare.size >= MOST_INODES) this.#bare.clear()
    this.#bare.set(ino, mark)
  }

  #keepName(directory: InodeNumber, mark: number, name: string, dentry: Dentry | null): void {
    let known = this.#directories.get(directory)
    if (known?.mark !== mark) {
      this.#names -= known?.names.size ?? 0
      known = { mark, names: new Map(), isWhole: false }
      this.#directories.set(directory, known)
    }
    this.#setName(known, name, dentry)
  }

  #setName({ names }: KnownDirectory, name: string, dentry: Dentry | null): void {
    const before = names.size
    names.set(name, dentry)
    this.#names += names.size - before
    this.#boundNames()
  }

  #boundNames(): void {
    if (this.#names + this.#directories.size < MOST_NAMES) return
    this.#directories.clear()
    this.#names = 0
  }
}

/** An even mark after one transaction (layout/change-marks.ts). */
const next = (mark: number): number => (mark + 2) | 0
