/**
 * The tree of the model: nodes, names, and how Linux follows a path (path_resolution(7), fs/namei.c), whatever the pool's
 * own code does. Errors are thrown as `ModelError` with the code that is expected.
 */
import type { BusyPolicy, DaxMode, InodeKind } from '../../src/metadata/metadata.ts'
import type { Who } from './operations.ts'
import { ModelFile } from './model-file.ts'

export class ModelError extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export interface Node {
  readonly id: number
  readonly kind: InodeKind
  /** Permission bits. */
  mode: number
  uid: number
  gid: number
  rdev: number
  nlink: number
  /** Of a directory that has a name. */
  parent: Node | undefined
  readonly entries: Map<string, Node>
  readonly target: string
  readonly file: ModelFile
  readonly xattrs: Map<string, Buffer>
  busy: BusyPolicy | undefined
  dax: DaxMode | undefined
  /** undefined: nobody set it, or it has changed since. */
  atimeNs: bigint | undefined
  mtimeNs: bigint | undefined
  /** Goes up with every change that everybody is told of at once. */
  changes: number
  /** Who wrote in place, and stores that later. */
  readonly unstored: Set<Who>
  hadName: boolean
}

/** The last name of a path, which is not looked up yet. */
export interface Last {
  readonly directory: Node
  /** '/': there is none, the path is the root. */
  readonly type: 'name' | '.' | '..' | '/'
  readonly name: string
  /** The path goes on with a slash: a directory is meant. */
  readonly hasSlash: boolean
}

/** How many symlinks were followed for one path. */
export interface Followed {
  symlinks: number
}

const NAME_MAX = 255
const PATH_MAX = 4096
const MOST_SYMLINKS = 40
const KIND_BITS: Readonly<Record<InodeKind, number>> = {
  fifo: 0o010_000,
  character: 0o020_000,
  directory: 0o040_000,
  block: 0o060_000,
  file: 0o100_000,
  symlink: 0o120_000,
  socket: 0o140_000,
}
const S_ISGID = 0o2000

export const kindBitsOf = ({ kind }: Node): number => KIND_BITS[kind]

export class ModelTree {
  readonly root: Node
  readonly lostAndFound: Node
  #nextId = 1

  constructor() {
    this.root = this.#node('directory', 0o755, undefined)
    this.root.nlink = 2
    this.lostAndFound = this.#node('directory', 0o700, undefined)
    this.#name(this.root, 'lost+found', this.lostAndFound)
  }

  /** Walks to the directory of the last name. */
  last(path: string): Last {
    if (path === '') throw new ModelError('ENOENT')
    if (Buffer.byteLength(path) >= PATH_MAX) throw new ModelError('ENAMETOOLONG')
    return this.walk(path, this.root, { symlinks: 0 })
  }

  /** The same from a directory, as for the target of a symlink. */
  walk(path: string, from: Node, followed: Followed): Last {
    const names = path.split('/').filter((name) => name !== '')
    let directory = path.startsWith('/') ? this.root : from
    const last = names.pop()
    if (last === undefined) return { directory, type: '/', name: '', hasSlash: true }
    for (const name of names) directory = this.#step(directory, name, followed)
    const type = last === '.' || last === '..' ? last : 'name'
    return { directory, type, name: last, hasSlash: path.endsWith('/') }
  }

  /** The node at a path. ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG. */
  at(path: string, follows = true): Node {
    return this.#resolved(this.last(path), { symlinks: 0 }, follows).node
  }

  /** The path without symlinks, '.' and '..'. */
  realPath(path: string): string {
    const { node, last } = this.#resolved(this.last(path), { symlinks: 0 }, true)
    if (last.type !== 'name') return this.#pathOf(node)
    const directory = this.#pathOf(last.directory)
    return `${directory === '/' ? '' : directory}/${last.name}`
  }

  #pathOf(directory: Node): string {
    let path = ''
    for (let at = directory; at.parent !== undefined; at = at.parent) {
      for (const [name, node] of at.parent.entries) if (node === at) path = `/${name}${path}`
    }
    return path === '' ? '/' : path
  }

  /** The node of the last name, which is not followed; undefined: there is none. */
  child({ directory, name }: Last): Node | undefined {
    if (Buffer.byteLength(name) > NAME_MAX) throw new ModelError('ENAMETOOLONG')
    return directory.entries.get(name)
  }

  /** What a last name means that is no name. */
  special({ directory, type }: Last): Node {
    return type === '..' ? (directory.parent ?? this.root) : directory
  }

  /** Where a symlink leads, from the directory it is in. */
  follow(symlink: Node, directory: Node, followed: Followed): Last {
    if (++followed.symlinks > MOST_SYMLINKS) throw new ModelError('ELOOP')
    return this.walk(symlink.target, directory, followed)
  }

  #resolved(
    last: Last,
    followed: Followed,
    follows: boolean,
    mustBeDirectory = false,
  ): { readonly node: Node; readonly last: Last } {
    if (last.type !== 'name') return { node: this.special(last), last }
    const isDirectoryMeant = mustBeDirectory || last.hasSlash
    const node = this.child(last)
    if (node === undefined) throw new ModelError('ENOENT')
    if (node.kind === 'symlink' && (follows || isDirectoryMeant))
      return this.#resolved(this.follow(node, last.directory, followed), followed, true, isDirectoryMeant)
    if (isDirectoryMeant && node.kind !== 'directory') throw new ModelError('ENOTDIR')
    return { node, last }
  }

  #step(directory: Node, name: string, followed: Followed): Node {
    if (name === '.' || name === '..') return this.special({ directory, type: name, name, hasSlash: true })
    return this.#resolved({ directory, type: 'name', name, hasSlash: true }, followed, true).node
  }

  /** Makes a node in a directory; without a name when that is undefined. EPERM in lost+found. */
  make(
    directory: Node,
    name: string | undefined,
    kind: InodeKind,
    { mode, target, rdev = 0 }: { mode: number; target?: string; rdev?: number },
  ): Node {
    if (directory === this.lostAndFound) throw new ModelError('EPERM')
    const node = this.#node(kind, mode, target)
    const givesGroup = (directory.mode & S_ISGID) !== 0
    if (givesGroup) node.gid = directory.gid
    if (givesGroup && kind === 'directory') node.mode |= S_ISGID
    if (kind === 'directory' || kind === 'file') {
      node.busy = directory.busy
      node.dax = directory.dax
    }
    if (kind === 'character' || kind === 'block') node.rdev = rdev
    if (name !== undefined) this.#name(directory, name, node)
    return node
  }

  /** Gives a node a name; a directory its only one. */
  #name(directory: Node, name: string, node: Node): void {
    directory.entries.set(name, node)
    node.hadName = true
    if (node.kind === 'directory') {
      node.parent = directory
      node.nlink = 2 + [...node.entries.values()].filter(({ kind }) => kind === 'directory').length
      directory.nlink++
    } else {
      node.nlink++
    }
    this.changed(directory)
  }

  link(directory: Node, name: string, node: Node): void {
    this.#name(directory, name, node)
    node.changes++
  }

  /** Takes a name away. */
  unlink(directory: Node, name: string): void {
    const node = directory.entries.get(name)!
    directory.entries.delete(name)
    if (node.kind === 'directory') {
      node.parent = undefined
      node.nlink = 0
      directory.nlink--
    } else {
      node.nlink--
    }
    node.changes++
    this.changed(directory)
  }

  /** Content has changed: bytes of a file, names of a directory. */
  changed(node: Node): void {
    node.changes++
    node.mtimeNs = undefined
  }

  isWithin(node: Node, ancestor: Node): boolean {
    for (let at: Node | undefined = node; at !== undefined; at = at.parent) if (at === ancestor) return true
    return false
  }

  /** Every path there is, with its node, each directory before what is in it. */
  *paths(from = this.root, prefix = ''): Generator<[string, Node]> {
    if (from === this.root) yield ['/', from]
    for (const [name, node] of from.entries) {
      yield [`${prefix}/${name}`, node]
      if (node.kind === 'directory') yield* this.paths(node, `${prefix}/${name}`)
    }
  }

  #node(kind: InodeKind, mode: number, target: string | undefined): Node {
    return {
      id: this.#nextId++,
      kind,
      mode,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      rdev: 0,
      nlink: 0,
      parent: undefined,
      entries: new Map(),
      target: target ?? '',
      file: new ModelFile(),
      xattrs: new Map(),
      busy: undefined,
      dax: undefined,
      atimeNs: undefined,
      mtimeNs: undefined,
      changes: 0,
      unstored: new Set(),
      hadName: false,
    }
  }
}
