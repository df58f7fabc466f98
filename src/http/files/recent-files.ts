/**
 * Recent files: what was pinned in this turn of the event loop serves every other request of the turn for the same file.
 * A busy server reads many requests in one turn, so most of them cost no pin; an idle one holds nothing: the pins kept
 * here are let go at the end of the turn.
 *
 * Why what is served is the file as it is now, not as it was when the turn began. A stable pin stands on the bytes: who
 * would change them, in any process, gives the file other blocks first, in a transaction, and every transaction changes the
 * marks of what it touches before it commits. So while the name leads to the inode, and the inode is known as it was, both
 * by marks that are looked at for each request, the pinned bytes are the file's.
 */
import type { FileSystem } from '../../files/file-system.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Pool } from '../../pool/pool.ts'
import type { Stat } from '../../pool/stat.ts'
import type { Source } from './source.ts'

export interface RecentFile {
  readonly path: string
  readonly stat: Stat
  /** All of the file; undefined: it is empty. */
  readonly source: Source | undefined
}

interface Kept extends RecentFile {
  readonly open: OpenInode
  readonly inode: OpenInode['inode']
}

export class RecentFiles {
  readonly #pool: Pool
  readonly #fs: FileSystem
  readonly #byUrl = new Map<string, Kept>()

  constructor(pool: Pool) {
    this.#pool = pool
    this.#fs = pool.fileSystem
  }

  /** What the target of a request leads to now, if that was sent in this turn. */
  find(url: string): RecentFile | undefined {
    if (this.#byUrl.size === 0) return undefined
    const kept = this.#byUrl.get(url)
    if (kept === undefined || !this.#pool.isOpen) return undefined
    const { path, open, inode } = kept
    const isNow =
      this.#fs.knownPaths.place(path)?.dentry?.ino === open.ino && open.inode === inode && open.isCurrent(this.#fs)
    return isNow ? kept : undefined
  }

  /** Keeps what was found under a target, until the turn ends. */
  keep(url: string, file: RecentFile): void {
    const open = this.#fs.openInodes.get(file.stat.ino as OpenInode['ino'])
    // Somebody has looked since: what they saw may be another state.
    if (open?.inode?.changeCount !== file.stat.changeCount || this.#byUrl.has(url)) return
    if (this.#byUrl.size === 0) setImmediate(() => this.#end())
    this.#byUrl.set(url, { ...file, source: file.source?.share(), open, inode: open.inode })
  }

  #end(): void {
    for (const { source } of this.#byUrl.values()) source?.release()
    this.#byUrl.clear()
  }
}
