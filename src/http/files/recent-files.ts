/**
 * Recent files: what was found under the target of a request is looked for there again, without opening it, and what was
 * pinned in this turn of the event loop serves every other request of the turn. A busy server reads many requests in one
 * turn, so most of them cost no pin; an idle one holds nothing: the pins kept here are let go at the end of the turn. What
 * a shortcut (shortcut.ts) pins again less than a millisecond after that is kept for a millisecond: it will be asked for
 * again. No longer, so that a change that waits for it gets its turn.
 *
 * Why what is served is the file as it is now. For each request the marks are looked at: they say that the name leads to the
 * inode, and that the inode is known as it is (`knownAt`). A pin taken now is looked at in the same way afterwards, so
 * attributes and bytes are those of one instant, as in file-state.ts. One taken earlier is stable: who would
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
import { headNow } from './head.ts'
import { Source } from './source.ts'

/** What a target leads to now. */
export interface RecentFile {
  readonly path: string
  readonly stat: Stat
  /** Header fields of all of it, where they are the same for everybody. */
  fields: Fields | undefined
  /** Somebody has asked for it by its target as it came, and got to the files with that. */
  isAskedFor: boolean
}

/** To be sent at once. */
export interface WholeFile {
  readonly head: string
  /** Until the end of the call; to be shared by who needs it longer. */
  readonly source: Source
}

class Kept implements RecentFile {
  readonly path: string
  readonly inode: OpenInode['inode']
  readonly stat: Stat
  fields: Fields | undefined
  isAskedFor = false
  /** All of the file, while it is pinned here. */
  source: Source | undefined
  /** As of `performance.now()`. */
  letGoAtMs = -Infinity

  constructor(path: string, inode: OpenInode['inode']) {
    this.path = path
    this.inode = inode
    this.stat = new Stat(inode)
  }
}

/** With more, all are dropped: anybody can make up new ones with a query. */
const MOST_TARGETS = 1024
const LONGEST_TARGET = 1024
const MOMENT_MS = 1

export class RecentFiles {
  readonly #pool: Pool
  readonly #fs: FileSystem
  readonly #byTarget = new Map<string, Kept>()
  readonly #ofTurn = new Pinned((end) => void setImmediate(end))
  readonly #ofMoment = new Pinned((end) => void setTimeout(end, MOMENT_MS))

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
    if (kept.source === undefined && (length < kept.stat.size || !this.#pin(kept, this.#ofTurn))) return undefined
    return kept.source!.share()
  }

  /** What a shortcut sends; undefined: it is to be asked for in the long way. */
  whole(target: string, keepAliveTimeout: number): WholeFile | undefined {
    const kept = this.find(target) as Kept | undefined
    if (kept?.fields === undefined || !kept.isAskedFor || kept.stat.size === 0) return undefined
    const head = headNow(kept.fields, keepAliveTimeout)
    if (head === undefined || (kept.source === undefined && !this.#pin(kept, this.#termOf(kept)))) return undefined
    return { head, source: kept.source! }
  }

  #termOf(kept: Kept): Pinned {
    return performance.now() - kept.letGoAtMs < MOMENT_MS ? this.#ofMoment : this.#ofTurn
  }

  #pin(kept: Kept, term: Pinned): boolean {
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
    term.add(kept)
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
}

/** Files with a source, until the end of a time that begins with the first of them. */
class Pinned {
  readonly #after: (end: () => void) => void
  #files: Kept[] = []

  constructor(after: (end: () => void) => void) {
    this.#after = after
  }

  add(kept: Kept): void {
    if (this.#files.push(kept) === 1) this.#after(() => this.#letGo())
  }

  #letGo(): void {
    const files = this.#files
    this.#files = []
    const now = performance.now()
    for (const kept of files) {
      kept.source?.release()
      kept.source = undefined
      kept.letGoAtMs = now
    }
  }
}
