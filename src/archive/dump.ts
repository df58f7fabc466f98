/**
 * dumpPool: all of a pool as a tar archive, while it is in use.
 *
 * What is consistent
 *   1. Directories, with their attributes, and names are those of one instant, the beginning.
 *   2. Each file is whole, as at one instant of its own between beginning and end: content, size, attributes, extended
 *      attributes (pool/frozen.ts). Symlinks and nodes too.
 *   3. A name that leads to a file all the time is in the dump: of a file that was replaced meanwhile (rename over it) the
 *      new one. A name that was taken away meanwhile may be missing, one that was made meanwhile is.
 *
 * Two files are not of the same instant. Files without a name and what is in /lost+found are not in the dump.
 */
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import { codeOf, isSystemError, retold, systemError } from '../errors.ts'
import type { WaitOptions } from '../files/file-system.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import type { DirectoryEntry, Inode } from '../metadata/metadata.ts'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../metadata/metadata.ts'
import type { Tree } from '../metadata/tree.ts'
import type { Frozen } from '../pool/frozen.ts'
import { xattrsOf } from '../pool/frozen.ts'
import type { Pool } from '../pool/pool.ts'
import type { InodeNumber } from '../units.ts'
import type { ArchiveNode } from './node.ts'
import { contentSize, encodeMap, encodeNode } from './node.ts'
import { encodeFirst, encodeLast } from './preamble.ts'
import { END_OF_ARCHIVE, paddingOf } from './tar.ts'

export interface DumpOptions extends WaitOptions {
  /** Told of content that was read, in bytes. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/** What is in a dump. */
export interface DumpTally {
  files: number
  directories: number
  symlinks: number
  /** Further names of what is counted already. */
  links: number
  /** Fifos, sockets and device nodes. */
  nodes: number
  /** Content; holes are not counted. */
  bytes: number
  /** Names that were there at the beginning, and were taken away before it was their turn. */
  gone: number
  /** What is in /lost+found at the beginning, and not in the dump. */
  lost: number
}

/** Bytes of content in one piece. */
const PIECE_BYTES = 1 << 20

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map()

/**
 * Writes the dump to `target`, and ends it. `timeoutMs` is for each file whose blocks are pinned for writing: ETIMEDOUT with
 * `holders`. EROFS: the pool is open for reading only, so that no file can be kept as it is. Price: 60 µs and 200 bytes of
 * memory a name; content as fast as it is copied once.
 */
export async function dumpPool(
  pool: Pool,
  target: NodeJS.WritableStream,
  options: DumpOptions = {},
): Promise<DumpTally> {
  const dump = new Dump(pool, options)
  const { signal } = options
  await pipeline(dump.bytes(), target, signal === undefined ? {} : { signal })
  return dump.tally
}

class Dump {
  readonly tally: DumpTally = { files: 0, directories: 0, symlinks: 0, links: 0, nodes: 0, bytes: 0, gone: 0, lost: 0 }
  readonly #pool: Pool
  readonly #options: DumpOptions
  /** What has several names, as it went by its first. */
  readonly #firsts = new Map<InodeNumber, ArchiveNode>()
  #nodes = 0

  constructor(pool: Pool, options: DumpOptions) {
    this.#pool = pool
    this.#options = options
  }

  async *bytes(): AsyncGenerator<Buffer> {
    let sum = 0
    for await (const piece of this.#pieces()) {
      sum = crc32(piece, sum)
      yield piece
    }
    yield encodeLast({ nodes: this.#nodes, crc32: sum })
    yield END_OF_ARCHIVE
  }

  async *#pieces(): AsyncGenerator<Buffer> {
    const { metadata } = this.#pool.fileSystem
    yield encodeFirst(this.#pool.properties, new Date())
    const tree = await metadata.tree()
    this.tally.lost = tree.get(LOST_AND_FOUND_INODE)?.entries.length ?? 0
    const waiting: { path: string; ino: InodeNumber }[] = [{ path: '', ino: ROOT_INODE }]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { path, ino } = next
      const { inode, xattrs, entries } = taken(tree, ino, path)
      this.tally.directories++
      yield this.#headers(nodeOf(path, inode, xattrs))
      const below: typeof waiting = []
      for (const entry of entries) {
        if (entry.ino === LOST_AND_FOUND_INODE) continue
        const at = path === '' ? entry.name : `${path}/${entry.name}`
        if (entry.kind === 'directory') below.push({ path: at, ino: entry.ino })
        else yield* this.#leaf(at, ino, entry)
      }
      for (const directory of below.toReversed()) waiting.push(directory)
    }
  }

  /** What is no directory. When it is gone: what has its name now. */
  async *#leaf(path: string, parent: InodeNumber, { name, ino, kind }: DirectoryEntry): AsyncGenerator<Buffer> {
    try {
      this.#options.signal?.throwIfAborted()
      const first = this.#firsts.get(ino)
      if (first !== undefined) {
        this.tally.links++
        return yield this.#headers({ ...first, path, linkTo: first.path })
      }
      const found = kind === 'file' ? yield* this.#file(path, ino) : yield* this.#special(path, ino)
      if (found) return
      const now = await this.#pool.fileSystem.metadata.lookup(parent, name)
      if (now === undefined || now.kind === 'directory' || now.ino === ino) this.tally.gone++
      else yield* this.#leaf(path, parent, { name, ino: now.ino, kind: now.kind })
    } catch (error) {
      throw isSystemError(error) ? retold(error, { syscall: 'dump', path: `/${path}` }) : error
    }
  }

  /** False: it is gone. */
  async *#file(path: string, ino: InodeNumber): AsyncGenerator<Buffer, boolean> {
    await using ends = new AsyncDisposableStack()
    let frozen: Frozen
    try {
      const file = ends.use(await this.#pool.openInode(ino, `/${path}`))
      frozen = ends.use(await file.freeze(this.#options))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
    const { stat, xattrs } = frozen
    const data = frozen.data.map(({ offset, bytes }) => ({ start: offset, end: offset + bytes.length }))
    const node: ArchiveNode = { ...facts(stat), path, kind: 'file', xattrs, target: undefined, data }
    this.#remember(node, ino, stat.nlink)
    this.tally.files++
    const map = encodeMap(node)
    const size = contentSize(node, map)
    yield this.#headers(node, size)
    if (map.length > 0) yield map
    for (const { bytes } of frozen.data) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        // A copy: whoever takes the stream may hold it longer than the blocks are pinned.
        const piece = Buffer.from(bytes.subarray(at, at + PIECE_BYTES))
        this.tally.bytes += piece.length
        this.#options.onProgress?.(piece.length)
        yield piece
      }
    }
    yield paddingOf(size)
    return true
  }

  /** Symlinks and nodes. False: it is gone. */
  async *#special(path: string, ino: InodeNumber): AsyncGenerator<Buffer, boolean> {
    const whole = await this.#whole(ino)
    if (whole === undefined) return false
    const { inode, xattrs } = whole
    const node = nodeOf(path, inode, xattrs)
    this.#remember(node, ino, inode.nlink)
    this.tally[inode.kind === 'symlink' ? 'symlinks' : 'nodes']++
    yield this.#headers(node)
    return true
  }

  async #whole(ino: InodeNumber): Promise<{ inode: Inode; xattrs: Map<string, Uint8Array> } | undefined> {
    const { marks, metadata } = this.#pool.fileSystem
    for (let tries = 1; ; tries++) {
      const mark = marks.current(ino)
      const inode = await metadata.inode(ino)
      if (inode === undefined) return undefined
      const xattrs = await xattrsOf(this.#pool.fileSystem, ino).catch(ignoreMissing)
      if (xattrs === undefined) return undefined
      if (marks.isCurrent(ino, mark)) return { inode, xattrs }
      // Left odd by somebody who died. Nothing that is no file is changed as often as that.
      if (mark === UNKNOWN && tries > 100) return { inode, xattrs }
    }
  }

  #remember(node: ArchiveNode, ino: InodeNumber, nlink: number): void {
    if (nlink > 1) this.#firsts.set(ino, { ...node, size: 0, xattrs: NO_XATTRS, target: undefined, data: [] })
  }

  #headers(node: ArchiveNode, size = 0): Buffer {
    this.#nodes++
    return encodeNode(node, size)
  }
}

/** Each directory once: a damaged pool may have circles. */
function taken(tree: Tree, ino: InodeNumber, path: string) {
  const directory = tree.get(ino)
  if (!tree.delete(ino) || directory === undefined) {
    const what = 'the directory has two names or no inode; see to it with fsck'
    throw systemError('EUCLEAN', what, { syscall: 'dump', path: `/${path}` })
  }
  return directory
}

type Facts = Pick<
  ArchiveNode,
  'mode' | 'uid' | 'gid' | 'atimeNs' | 'mtimeNs' | 'busy' | 'dax' | 'rdev' | 'size' | 'linkTo'
>

const facts = ({ mode, uid, gid, atimeNs, mtimeNs, busy, dax, rdev, size }: Omit<Facts, 'linkTo'>): Facts => ({
  mode: mode & 0o7777,
  uid,
  gid,
  atimeNs,
  mtimeNs,
  busy,
  dax,
  rdev,
  size,
  linkTo: undefined,
})

const nodeOf = (path: string, inode: Inode, xattrs: ReadonlyMap<string, Uint8Array>): ArchiveNode => ({
  ...facts(inode),
  size: 0,
  path,
  kind: inode.kind,
  xattrs,
  target: inode.target,
  data: [],
})

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}
