/** The plain model of names: a tree of objects that says what each operation answers, and does it. */
import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { InodeKind, RenameMode } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'

/** What is decided about a file that loses its last name. */
export type Fate = 'orphan' | 'gone' | 'refused'

/** An inode of the model. */
export class Node {
  readonly ino: InodeNumber
  readonly kind: InodeKind
  readonly entries = new Map<string, Node>()
  readonly xattrs = new Map<string, number>()
  gid: number
  mode: number
  isGone = false
  /** A file that lost its last name while somebody had it open. */
  hadName = false

  constructor(ino: InodeNumber, made: { kind: InodeKind; gid: number; mode: number }) {
    this.ino = ino
    this.kind = made.kind
    this.gid = made.gid
    this.mode = made.mode
  }
}

/** What both answer: a code of an error, or what was done. */
export type Answer = { readonly code: string } | { readonly done: () => void; readonly says?: unknown }
export const fails = (code: string): Answer => ({ code })

export class Tree {
  readonly root = new Node(ROOT_INODE, { kind: 'directory', gid: 0, mode: 0o755 })
  readonly found = new Node(LOST_AND_FOUND_INODE, { kind: 'directory', gid: 0, mode: 0o700 })
  /** All that ever were. */
  readonly nodes = [this.root, this.found]

  constructor() {
    this.root.entries.set('lost+found', this.found)
  }

  get living(): Node[] {
    return this.nodes.filter(({ isGone }) => !isGone)
  }

  namesOf(one: Node): string[] {
    return this.living.flatMap((parent) =>
      [...parent.entries].filter(([, child]) => child === one).map(([own]) => `${parent.ino}/${own}`),
    )
  }

  linksOf(one: Node): number {
    if (one.kind !== 'directory') return this.namesOf(one).length
    return 2 + [...one.entries.values()].filter((child) => child.kind === 'directory').length
  }

  isWithin(one: Node, ancestor: Node): boolean {
    return one === ancestor || [...ancestor.entries.values()].some((child) => this.isWithin(one, child))
  }

  #directory(parent: Node): string | undefined {
    if (parent.isGone) return 'ENOENT'
    return parent.kind === 'directory' ? undefined : 'ENOTDIR'
  }

  create(parent: Node, own: string | undefined): Answer {
    const code = this.#directory(parent)
    if (code !== undefined) return fails(code)
    if (parent === this.found) return fails('EPERM')
    return own !== undefined && parent.entries.has(own) ? fails('EEXIST') : { done: () => {} }
  }

  link(one: Node, parent: Node, own: string): Answer {
    if (one.isGone) return fails('ENOENT')
    const code = this.#directory(parent)
    if (code !== undefined) return fails(code)
    if (parent === this.found) return fails('EPERM')
    if (parent.entries.has(own)) return fails('EEXIST')
    if (one.kind === 'directory') return fails('EPERM')
    if (one.hadName) return fails('ENOENT')
    return { done: () => parent.entries.set(own, one) }
  }

  unlink(parent: Node, own: string, lot: Fate): Answer {
    const one = parent.entries.get(own)
    if (one === undefined) return fails(this.#directory(parent) ?? 'ENOENT')
    if (one.kind === 'directory') return fails('EISDIR')
    return this.#losing(one, lot, () => parent.entries.delete(own))
  }

  removeDirectory(parent: Node, own: string): Answer {
    const one = parent.entries.get(own)
    if (one === undefined) return fails(this.#directory(parent) ?? 'ENOENT')
    if (one.kind !== 'directory') return fails('ENOTDIR')
    if (one === this.found) return fails('EBUSY')
    if (one.entries.size > 0) return fails('ENOTEMPTY')
    const done = () => {
      parent.entries.delete(own)
      one.isGone = true
    }
    return { done }
  }

  rename(from: Node, own: string, to: Node, toOwn: string, mode: RenameMode, lot: Fate): Answer {
    const moved = from.entries.get(own)
    if (moved === undefined) return fails(this.#directory(from) ?? 'ENOENT')
    const code = this.#directory(to)
    if (code !== undefined) return fails(code)
    const old = to.entries.get(toOwn)
    if (to === this.found) return fails('EPERM')
    if (moved === this.found || old === this.found) return fails('EBUSY')
    if (mode === 'noReplace' && old !== undefined) return fails('EEXIST')
    if (mode === 'exchange' && old === undefined) return fails('ENOENT')
    const nothing = { committed: true, ino: undefined, isGone: false }
    if (moved === old) return { done: () => {}, says: nothing }
    if (this.isWithin(to, moved)) return fails('EINVAL')
    if (old !== undefined && this.isWithin(from, old)) return fails(mode === 'exchange' ? 'EINVAL' : 'ENOTEMPTY')
    const move = () => {
      from.entries.delete(own)
      to.entries.set(toOwn, moved)
    }
    if (old === undefined) return { done: move, says: nothing }
    if (mode === 'exchange') {
      const done = () => {
        from.entries.set(own, old)
        to.entries.set(toOwn, moved)
      }
      return { done, says: nothing }
    }
    if (moved.kind === 'directory' && old.kind !== 'directory') return fails('ENOTDIR')
    if (moved.kind !== 'directory' && old.kind === 'directory') return fails('EISDIR')
    if (old.entries.size > 0) return fails('ENOTEMPTY')
    return this.#losing(old, lot, move)
  }

  #losing(one: Node, lot: Fate, takeName: () => void): Answer {
    const isLast = one.kind === 'directory' || this.namesOf(one).length === 1
    const isAsked = isLast && one.kind === 'file'
    if (isAsked && lot === 'refused') return { done: () => {}, says: { committed: false, ino: one.ino, isGone: false } }
    const goes = isLast && !(isAsked && lot === 'orphan')
    const done = () => {
      takeName()
      one.isGone = goes
      one.hadName = isLast
    }
    return { done, says: { committed: true, ino: one.ino, isGone: goes } }
  }
}
