/**
 * Recent files: what was found under the target of a request is looked for there again, without opening it, and what was
 * pinned in this turn of the event loop serves every other request of the turn. A busy server reads many requests in one
 * turn, so most of them cost no pin; an idle one holds nothing: the pins kept here are let go at the end of the turn.
 *
 * Why what is served is the file as it is now. For each request the marks are looked at: they say that the name leads to the
 * inode, and that the inode is known as it is (`knownAt`). A pin taken now is looked at in the same way afterwards, so
 * attributes and bytes are those of one instant, as in file-state.ts. One taken earlier in the turn is stable: who would
 * change its bytes, in any process, gives the file other blocks first, in a transaction, and every transaction changes the
 * marks of what it touches before it commits; the inode is then another object, for which nothing is pinned.
 */
import type { FileSystem } from '../../files/file-system.ts'
import { knownAt } from '../../files/names.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Pool } from '../../pool/pool.ts'
import { Stat } from '../../pool/stat.ts'
import type { Fields } from './answer.ts'
import type { ByteRange } from './byte-ranges.ts'
import { Source } from './source.ts'

/** What a target leads to now. */
export interface RecentFile {
  readonly path: string
  readonly stat: Stat
  /** Header fields of all of it, where they are the same for everybody. */
  fields: Fields | undefined
}

class Kept implements RecentFile {
  readonly path: string
  readonly inode: OpenInode['inode']
  readonly stat: Stat
  fields: Fields | undefined
  /** All of the file, until the end of the turn. */
  source: Source | undefined

  constructor(path: string, inode: OpenInode['inode']) {
    this.path = path
    this.inode = inode
    this.stat = new Stat(inode)
  }
}

/** With more, all are dropped: anybody can make up new ones with a query. */
const MOST_TARGETS = 1024
const LONGEST_TARGET = 1024

export class RecentFiles {
  readonly #pool: Pool
  readonly #fs: FileSystem
  readonly #byTarget = new Map<string, Kept>()
  /** Those with a source. */
  #ofTurn: Kept[] = []

  constructor(pool: Pool) {
    this.#pool = pool
    this.#fs = pool.fileSystem
  }

  /** undefined: it must be looked for. */
  find(target: string): RecentFile | undefined {
    const kept = this.#byTarget.get(target)
    if (kept === undefined || !this.#pool.isOpen) return undefined
    const inode = knownAt(this.#fs, kept.path)?.inode
    if (inode === undefined || inode === kept.inode) return inode === undefined ? undefined : kept
    const anew = new Kept(kept.path, inode)
    this.#byTarget.set(target, anew)
    return anew
  }

  /** The bytes of what was found just now, to be released; undefined: they cannot be had at once, or not for less than all of the file. */
  take(file: RecentFile, { length }: ByteRange): Source | undefined {
    const kept = file as Kept
    if (kept.source === undefined && (length < kept.stat.size || !this.#pin(kept))) return undefined
    return kept.source!.share()
  }

  #pin(kept: Kept): boolean {
    const { path, inode } = kept
    const open = knownAt(this.#fs, path)
    if (open?.inode !== inode) return false
    const pin = this.#pool.pinKnown(open, path)
    if (pin === undefined) return false
    if (knownAt(this.#fs, path) !== open || open.inode !== inode) {
      pin.release()
      return false
    }
    kept.source = new Source(0, pin.buffers, pin)
    if (this.#ofTurn.push(kept) === 1) setImmediate(() => this.#endTurn())
    return true
  }

  /** Keeps where a target led to: to the path itself, whatever else might be there or not. */
  keep(target: string, path: string): void {
    if (target.length > LONGEST_TARGET || this.#byTarget.has(target)) return
    const open = knownAt(this.#fs, path)
    if (open === undefined) return
    if (this.#byTarget.size >= MOST_TARGETS) this.#byTarget.clear()
    this.#byTarget.set(target, new Kept(path, open.inode))
  }

  #endTurn(): void {
    const kept = this.#ofTurn
    this.#ofTurn = []
    for (const each of kept) {
      each.source?.release()
      each.source = undefined
    }
  }
}
