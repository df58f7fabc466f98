/**
 * The state of the model: the tree, and what slots have open. It knows nothing of participants, except which of them
 * opened what, and which of them wrote in place and is still to tell the others.
 */
import { constants } from 'node:fs'
import { MAX_FILE_SIZE } from '../../src/units.ts'
import type { Expectation } from './expectations.ts'
import { BLOCK } from './model-file.ts'
import type { Followed, Last, Node } from './model-tree.ts'
import { ModelError, ModelTree } from './model-tree.ts'
import type { Arguments, Operation, OperationName, Who } from './operations.ts'

/** What a slot has open. */
export interface Handle {
  readonly by: Who
  readonly node: Node
  readonly mayRead: boolean
  readonly mayWrite: boolean
  readonly appends: boolean
  position: number
}

interface Flags {
  readonly mayRead: boolean
  readonly mayWrite: boolean
  readonly creates: boolean
  readonly isExclusive: boolean
  readonly truncates: boolean
  readonly appends: boolean
  readonly follows: boolean
  readonly mustBeDirectory: boolean
}

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR, O_TRUNC, O_WRONLY } = constants
const ACCESS_BITS = 3
/** Bytes of a file that is read as a whole, at most. */
export const MOST_READ = 1 << 20

const WORDS: Readonly<Record<string, number>> = {
  r: 0,
  'r+': O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  'w+': O_RDWR | O_CREAT | O_TRUNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
  'a+': O_RDWR | O_CREAT | O_APPEND,
}

function flagsOf(flags: string | number): Flags {
  // 's' is O_SYNC, which changes nothing that can be seen.
  const plain = typeof flags === 'string' ? WORDS[flags.replaceAll(/[xs]/g, '')] : flags
  const bits = typeof flags === 'string' && flags.includes('x') ? plain | O_EXCL : plain
  const access = bits & ACCESS_BITS
  return {
    mayRead: access === 0 || access === O_RDWR,
    mayWrite: access === O_WRONLY || access === O_RDWR,
    creates: (bits & O_CREAT) !== 0,
    isExclusive: (bits & O_EXCL) !== 0,
    truncates: (bits & O_TRUNC) !== 0,
    appends: (bits & O_APPEND) !== 0,
    follows: (bits & O_NOFOLLOW) === 0,
    mustBeDirectory: (bits & O_DIRECTORY) !== 0,
  }
}

/** Expectations are functions; everything else is a value that is to come of it. */
export type Performed = Expectation | Buffer | string | number | boolean | readonly unknown[] | undefined

export type Operations<Names extends OperationName> = {
  readonly [Name in Names]: (model: Model, operation: Arguments[Name]) => Performed
}

export class Model {
  readonly tree = new ModelTree()
  readonly handles = new Map<number, Handle>()
  readonly #umask: number

  constructor(umask: number) {
    this.#umask = umask
  }

  /** Whether it makes sense: an operation of an open file wants one that is open, and nobody reads a tebibyte of zeros. */
  mayPerform(operation: Operation): boolean {
    if ('slot' in operation && !('path' in operation) && !this.handles.has(operation.slot)) return false
    if (operation.op === 'readFile') return this.sizeAt(operation.path) <= MOST_READ
    if (operation.op === 'insertRange') {
      // Blocks past the end of one of the largest files have no place to go to.
      const { file } = this.handles.get(operation.slot)!.node
      return file.lastBlock * BLOCK + operation.length < MAX_FILE_SIZE
    }
    if (operation.op !== 'copyFrom') return true
    return this.handles.get(operation.from)?.by === this.handles.get(operation.slot)?.by
  }

  /** Files there are, with a name or open. */
  get files(): number {
    const nodes = [
      ...[...this.tree.paths()].map(([, node]) => node),
      ...[...this.handles.values()].map(({ node }) => node),
    ]
    return new Set(nodes.filter(({ kind }) => kind === 'file')).size
  }

  /** 0 where there is no file. */
  sizeAt(path: string): number {
    try {
      return this.tree.at(path).file.size
    } catch {
      return 0
    }
  }

  /** All that a participant has open is closed. */
  leave(by: Who): void {
    for (const [slot, handle] of this.handles) if (handle.by === by) this.close(slot)
  }

  close(slot: number): void {
    const handle = this.handles.get(slot)
    if (handle === undefined) return
    this.handles.delete(slot)
    this.closed(handle.node, handle.by)
  }

  /** After a last close what was written in place is stored. */
  closed(node: Node, by: Who): void {
    for (const handle of this.handles.values()) if (handle.node === node && handle.by === by) return
    node.file.closed()
    this.store(node, by)
  }

  /** What a participant wrote in place is told to everybody. */
  store(node: Node, by: Who): void {
    if (node.unstored.delete(by)) this.tree.changed(node)
  }

  /** Bytes of a file have changed; in place: whoever did it says so later. */
  wrote(node: Node, by: Who, isInPlace: boolean): void {
    if (isInPlace) {
      node.unstored.add(by)
      node.mtimeNs = undefined
    } else {
      this.tree.changed(node)
    }
  }

  open(path: string, text: string | number, mode: number | undefined): { node: Node; flags: Flags } {
    const flags = flagsOf(text)
    if (flags.creates && flags.mustBeDirectory) throw new ModelError('EINVAL')
    const node = this.#opened(this.tree.last(path), flags, mode, { symlinks: 0 })
    // Not as Linux: who may not write changes nothing. POSIX leaves it open.
    if (flags.truncates && flags.mayWrite) {
      node.file.truncate(0)
      this.tree.changed(node)
    }
    return { node, flags }
  }

  #opened(last: Last, flags: Flags, mode: number | undefined, followed: Followed): Node {
    if (last.type !== 'name') return checked(this.tree.special(last), flags)
    if (flags.creates && last.hasSlash) throw new ModelError('EISDIR')
    const node = this.tree.child(last)
    if (node === undefined) {
      if (!flags.creates) throw new ModelError('ENOENT')
      return this.tree.make(last.directory, last.name, 'file', { mode: this.modeOf(mode, 0o666) })
    }
    const mustBeDirectory = flags.mustBeDirectory || last.hasSlash
    const follows = (flags.follows || last.hasSlash) && !(flags.creates && flags.isExclusive)
    if (node.kind === 'symlink' && follows) {
      const target = this.tree.follow(node, last.directory, followed)
      return this.#opened(target, { ...flags, mustBeDirectory, follows }, mode, followed)
    }
    return checked(node, { ...flags, mustBeDirectory })
  }

  /** Not as Linux: bits that are given are taken as they are, since a mount gets them less the umask already. */
  modeOf(mode: number | undefined, base: number): number {
    return mode ?? base & ~this.#umask
  }

  /** The place of a name that is to be made. */
  newName(path: string, isDirectory = false): Last {
    const last = this.tree.last(path)
    if (last.type !== 'name' || this.tree.child(last) !== undefined) throw new ModelError('EEXIST')
    if (last.hasSlash && !isDirectory) throw new ModelError('ENOENT')
    return last
  }

  linkTo(node: Node, dest: string): void {
    const { directory, name } = this.newName(dest)
    if (directory === this.tree.lostAndFound || node.kind === 'directory') throw new ModelError('EPERM')
    if (node.nlink === 0 && node.hadName) throw new ModelError('ENOENT')
    this.tree.link(directory, name, node)
  }
}

/** What may be opened. */
function checked(node: Node, flags: Flags): Node {
  const { kind } = node
  if (flags.creates && flags.isExclusive) throw new ModelError('EEXIST')
  if (flags.creates && kind === 'directory') throw new ModelError('EISDIR')
  if (flags.mustBeDirectory && kind !== 'directory') throw new ModelError('ENOTDIR')
  if (kind === 'symlink') throw new ModelError('ELOOP')
  // Not as Linux: directories cannot be opened for reading, there is nothing to be done with one.
  if (kind === 'directory') throw new ModelError('EISDIR')
  // Not as Linux: only a mount can open fifos and devices.
  if (kind !== 'file') throw new ModelError('ENXIO')
  return node
}
