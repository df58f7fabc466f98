/**
 * ChangeWatch: tells what changes in a directory, a tree, or a file of the pool, whoever changes it, in any process.
 *
 * Each participant already has one word for every inode that is another one after each change of it, which its caches are
 * checked by (layout/change-marks.ts). Nobody is woken by them, so they are looked at: every 50 ms, 20 ns for each inode that
 * is watched, and the metadata is asked only where a word is another one. A look that took long is followed by a pause 20
 * times as long, so that watching never takes more than a twentieth of the thread.
 *
 * What one look finds is told in the order of names; what came and went between two looks is not told. Bytes written in
 * place, or through a pin, are told when their writer closes, syncs or stats the file: it stores their time then.
 *
 * A mark is loaded before what it stands for is read, so that a change in between is found by the next look.
 */
import { posix } from 'node:path'
import { systemError } from '../errors.ts'
import { inodeAt } from '../files/paths.ts'
import type { DirectoryEntry, Inode } from '../metadata/metadata.ts'
import type { Pool } from '../pool/pool.ts'
import type { InodeNumber } from '../units.ts'

export interface Change {
  /** 'rename': the name came, went, or is another file's. */
  readonly eventType: 'rename' | 'change'
  /** From the directory that is watched; of a file its own name. */
  readonly filename: string
}

interface Listener {
  changed(change: Change): void
  /** Nothing is told any more: `error` says why, nothing when the pool was closed. */
  ended(error?: Error): void
}

interface WatchedDirectory {
  readonly way: string
  mark: number
  names: ReadonlyMap<string, DirectoryEntry>
}

interface WatchedInode {
  readonly ways: Set<string>
  mark: number
  facts: string
}

const LOOK_EVERY_MS = 50
const PAUSE_TIMES = 20

export class ChangeWatch {
  readonly #pool: Pool
  readonly #path: string
  readonly #isRecursive: boolean
  readonly #listener: Listener
  readonly #directories = new Map<InodeNumber, WatchedDirectory>()
  readonly #inodes = new Map<InodeNumber, WatchedInode>()
  /** Of a file, or the directory itself. */
  #root: InodeNumber | undefined
  #timer: NodeJS.Timeout | undefined
  #isPersistent: boolean
  #isClosed = false

  constructor(
    pool: Pool,
    path: string,
    options: { readonly recursive: boolean; readonly persistent: boolean },
    listener: Listener,
  ) {
    this.#pool = pool
    this.#path = path
    this.#isRecursive = options.recursive
    this.#isPersistent = options.persistent
    this.#listener = listener
  }

  /** The first look: what is there. Changes are told from when it began. ENOENT, ENOTDIR. */
  async start(): Promise<void> {
    const { fileSystem: fs } = this.#pool
    const inode = await inodeAt(fs, this.#path, 'watch')
    this.#root = inode.ino
    if (inode.kind === 'directory') await this.#addDirectory(inode.ino, '', false)
    else await this.#addInode(inode.ino, posix.basename(this.#path))
    this.#lookIn(LOOK_EVERY_MS)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** Whether it keeps the process from ending. */
  set isPersistent(isPersistent: boolean) {
    this.#isPersistent = isPersistent
    if (isPersistent) this.#timer?.ref()
    else this.#timer?.unref()
  }

  #lookIn(ms: number): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.#lookAndGoOn(), ms)
    if (!this.#isPersistent) this.#timer.unref()
  }

  async #lookAndGoOn(): Promise<void> {
    const startedAt = performance.now()
    try {
      if (this.#pool.isOpen) await this.#look()
      if (!this.#pool.isOpen) return this.#end()
    } catch (error) {
      return this.#end(this.#pool.isOpen ? (error as Error) : undefined)
    }
    this.#lookIn(Math.max(LOOK_EVERY_MS, PAUSE_TIMES * (performance.now() - startedAt)))
  }

  #end(error?: Error): void {
    if (this.#isClosed) return
    this.close()
    this.#listener.ended(error)
  }

  /** No word is loaded once the pool is closed: after each wait that is asked first. */
  async #look(): Promise<void> {
    const { marks } = this.#pool.fileSystem
    const isOther = ([ino, { mark }]: [InodeNumber, { mark: number }]): boolean => !marks.isCurrent(ino, mark)
    for (const [ino, directory] of [...this.#directories].filter(isOther)) {
      if (!this.#isWorthIt()) return
      if (this.#directories.get(ino) === directory) await this.#lookAtDirectory(ino, directory)
    }
    if (!this.#isWorthIt()) return
    for (const [ino, watched] of [...this.#inodes].filter(isOther)) {
      if (!this.#isWorthIt()) return
      await this.#lookAtInode(ino, watched)
    }
    await this.#lookAtRoot()
  }

  #isWorthIt(): boolean {
    return this.#pool.isOpen && !this.#isClosed
  }

  async #lookAtDirectory(ino: InodeNumber, directory: WatchedDirectory): Promise<void> {
    directory.mark = this.#pool.fileSystem.marks.current(ino)
    const before = directory.names
    const names = await this.#namesIn(ino)
    directory.names = names
    for (const name of [...new Set([...before.keys(), ...names.keys()])].toSorted()) {
      const [old, entry] = [before.get(name), names.get(name)]
      if (old?.ino === entry?.ino) continue
      const way = wayOf(directory, name)
      this.#tell('rename', way)
      if (old !== undefined) this.#forget(old, way)
      if (entry !== undefined) await this.#add(entry, way, true)
    }
  }

  async #namesIn(ino: InodeNumber): Promise<Map<string, DirectoryEntry>> {
    const { metadata } = this.#pool.fileSystem
    const names = new Map<string, DirectoryEntry>()
    for (let after: string | undefined; ;) {
      const portion = await metadata.entries(ino, after === undefined ? {} : { after })
      if (portion.length === 0) return names
      for (const entry of portion) names.set(entry.name, entry)
      after = portion[portion.length - 1].name
    }
  }

  /** `isNew`: what is found below is told, since it came with it. */
  async #add(entry: DirectoryEntry, way: string, isNew: boolean): Promise<void> {
    const inode = await this.#addInode(entry.ino, way)
    if (isNew && inode?.kind === 'file' && inode.size > 0) this.#tell('change', way)
    if (this.#isRecursive && entry.kind === 'directory') await this.#addDirectory(entry.ino, way, isNew)
  }

  async #addDirectory(ino: InodeNumber, way: string, isNew: boolean): Promise<void> {
    const directory: WatchedDirectory = { way, mark: this.#pool.fileSystem.marks.current(ino), names: new Map() }
    this.#directories.set(ino, directory)
    directory.names = await this.#namesIn(ino)
    for (const entry of directory.names.values()) {
      if (isNew) this.#tell('rename', wayOf(directory, entry.name))
      await this.#add(entry, wayOf(directory, entry.name), isNew)
    }
  }

  async #addInode(ino: InodeNumber, way: string): Promise<Inode | undefined> {
    const known = this.#inodes.get(ino)
    if (known !== undefined) {
      known.ways.add(way)
      return undefined
    }
    const { marks, known: cache } = this.#pool.fileSystem
    const mark = marks.current(ino)
    const inode = await cache.lookUpInode(ino)
    if (inode !== undefined) this.#inodes.set(ino, { ways: new Set([way]), mark, facts: factsOf(inode) })
    return inode
  }

  #forget(entry: DirectoryEntry, way: string): void {
    const watched = this.#inodes.get(entry.ino)
    watched?.ways.delete(way)
    if (watched?.ways.size === 0) this.#inodes.delete(entry.ino)
    const below = this.#directories.get(entry.ino)
    // Moved within the tree it may have been found at its new place already.
    if (below?.way !== way) return
    this.#directories.delete(entry.ino)
    for (const [name, inside] of below.names) this.#forget(inside, wayOf(below, name))
  }

  async #lookAtInode(ino: InodeNumber, watched: WatchedInode): Promise<void> {
    const { marks, known } = this.#pool.fileSystem
    watched.mark = marks.current(ino)
    const inode = await known.lookUpInode(ino)
    // One that is gone has lost its names, which is told of them.
    const facts = inode === undefined ? watched.facts : factsOf(inode)
    if (facts === watched.facts) return
    watched.facts = facts
    for (const way of watched.ways) this.#tell('change', way)
  }

  /** Whether what is watched is still what the path leads to: once it is not, that is told, and nothing after it. */
  async #lookAtRoot(): Promise<void> {
    if (this.#root === undefined || !this.#isWorthIt()) return
    const { known } = this.#pool.fileSystem
    const isDirectory = this.#directories.has(this.#root)
    const now = isDirectory ? await known.lookUpInode(this.#root) : await this.#inodeAtPath()
    if (now?.ino === this.#root) return
    this.#root = undefined
    this.#directories.clear()
    this.#inodes.clear()
    this.#tell('rename', posix.basename(this.#path))
  }

  async #inodeAtPath(): Promise<Inode | undefined> {
    try {
      return await inodeAt(this.#pool.fileSystem, this.#path, 'watch')
    } catch {
      return undefined
    }
  }

  #tell(eventType: Change['eventType'], filename: string): void {
    if (!this.#isClosed) this.#listener.changed({ eventType, filename })
  }
}

const wayOf = ({ way }: WatchedDirectory, name: string): string => (way === '' ? name : `${way}/${name}`)

/** What is another one after a change. What changes in a directory is told of the names in it. */
const factsOf = ({ kind, mode, uid, gid, changeCount }: Inode): string =>
  kind === 'directory' ? `${mode} ${uid} ${gid}` : String(changeCount)

/** For a listener that is told by throwing. */
export const tooManyChanges = (most: number): Error =>
  Object.assign(systemError('EOVERFLOW', `more than ${most} changes wait to be taken`, { syscall: 'watch' }), {
    code: 'ERR_FS_WATCH_QUEUE_OVERFLOW',
  })
