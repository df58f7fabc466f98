/**
 * Nodes: what is remembered of inodes that the kernel has looked up, until it forgets them. Everything else is asked of the
 * pool each time.
 */
import type { Inode } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'

/** The kernel forgets what is gone as soon as nobody has it; when it does not, this bounds what is kept. */
const MOST_GONE = 1 << 16

export class Nodes {
  readonly #gone = new Map<InodeNumber, Inode>()
  /** With how many of its lookups the kernel has not given back. */
  readonly #lost = new Map<InodeNumber, number>()
  /** By the change count of what the kernel has cached; valid in this company only. */
  readonly #contents = new Map<InodeNumber, number>()
  #company = ''

  /** An inode went with its last name. Who has it as a working directory, or by O_PATH, may ask for it still. */
  removed(inode: Inode): void {
    if (this.#gone.size >= MOST_GONE) this.#gone.clear()
    this.#gone.set(inode.ino, inode.nlink === 0 && inode.blocks === 0 ? inode : { ...inode, nlink: 0, blocks: 0 })
  }

  /** As it was last; undefined: it was not removed through this mount. */
  gone(ino: InodeNumber): Inode | undefined {
    return this.#gone.get(ino)
  }

  /** Remembers attributes that were set of what is gone. */
  changedGone(inode: Inode): void {
    this.#gone.set(inode.ino, inode)
  }

  /** The kernel is told of the inode under a name of lost+found: one more lookup of it. */
  foundInLost(ino: InodeNumber): void {
    this.#lost.set(ino, (this.#lost.get(ino) ?? 0) + 1)
  }

  /** It is a file of lost+found: for reading only. */
  isLost(ino: InodeNumber): boolean {
    return this.#lost.size > 0 && this.#lost.has(ino)
  }

  /**
   * Whether content that the kernel has cached is still so, by the change count; from now on it is cached under this one.
   * `company`: who else could have changed it; what was cached in another one's is not known (`companyOf`).
   */
  hasSameContent({ ino, changeCount }: Inode, company: string): boolean {
    if (company !== this.#company) this.#contents.clear()
    this.#company = company
    const isSame = this.#contents.get(ino) === changeCount
    this.#contents.set(ino, changeCount)
    return isSame
  }

  /** What the kernel caches from now on may change without a count. */
  hasUnknownContent(ino: InodeNumber): void {
    this.#contents.delete(ino)
  }

  /**
   * The kernel has forgotten it, and gives back so many lookups. It may have looked it up anew before we are told, and has
   * it then: of what is only a cache, or as good as never asked for again, that costs nothing. That a file is of lost+found
   * must not be forgotten.
   */
  forget(ino: InodeNumber, lookups: number): void {
    this.#gone.delete(ino)
    if (this.#contents.size > 0) this.#contents.delete(ino)
    const before = this.#lost.size > 0 ? this.#lost.get(ino) : undefined
    if (before === undefined) return
    if (before > lookups) this.#lost.set(ino, before - lookups)
    else this.#lost.delete(ino)
  }
}
