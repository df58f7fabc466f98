/**
 * loadPool: a new pool from a dump, whole or not at all: it is made beside its place, as `.holdfast-` and eight digits, and
 * renamed when everything is in it, the sum is right and all is durable. Only a kill leaves that directory behind.
 *
 * Directories get their attributes last: making something in them changes their times, and inherits their policies, their
 * access control lists and their group.
 */
import { randomBytes } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { addAbortSignal } from 'node:stream'
import { codeOf, isSystemError, systemError } from '../errors.ts'
import { changeAttributes, setXattr } from '../files/attributes.ts'
import type { NodeKind } from '../files/names.ts'
import { syncDirectory } from '../metadata/write-ahead-log.ts'
import { createPool } from '../pool/create-pool.ts'
import type { File } from '../pool/file.ts'
import type { Pool } from '../pool/pool.ts'
import { usedFile } from '../pool/used-file.ts'
import type { InodeNumber } from '../units.ts'
import { ArchiveReader } from './archive-reader.ts'
import type { DumpTally } from './dump.ts'
import type { ArchiveNode, ByteRange } from './node.ts'
import { decodeNode } from './node.ts'
import type { DumpedPool } from './preamble.ts'
import { decodeFirst, decodeLast, notADump } from './preamble.ts'
import { badArchive, paddingBytes, TAR_BLOCK } from './tar.ts'

export interface LoadOptions {
  /** Bytes of the new pool's device; default: as the old one's. */
  readonly sizeBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Told of what was read of the archive, in bytes. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

export interface Loaded extends Omit<DumpTally, 'gone' | 'lost'> {
  /** Of the new pool. */
  readonly uuid: string
  readonly sizeBytes: number
}

/**
 * Makes a pool in `path`, which must be missing or an empty directory, of a dump that is read from `source`. EEXIST (something is
 * there), EBADMSG (no dump, a damaged one, one that was cut off), EPROTONOSUPPORT (a newer one), ENOSPC, AbortError. Price: 0.2 ms a file.
 */
export async function loadPool(source: Readable, path: string, options: LoadOptions = {}): Promise<Loaded> {
  const { signal } = options
  signal?.throwIfAborted()
  if (signal !== undefined) addAbortSignal(signal, source)
  const directory = dirname(resolve(path))
  const temporary = join(directory, `.holdfast-${randomBytes(4).toString('hex')}`)
  try {
    await mustBeFree(path)
    const loaded = await new Load(source, temporary, options).run()
    signal?.throwIfAborted()
    await rename(temporary, path)
    await syncDirectory(directory)
    return loaded
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(codeOf(error) ?? '') && 'dest' in (error as object))
      throw taken(path)
    if (isSystemError(error)) error.message = error.message.replaceAll(temporary, path)
    throw error
  } finally {
    source.destroy()
  }
}

async function mustBeFree(path: string): Promise<void> {
  try {
    if ((await readdir(path)).length > 0) throw taken(path)
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') throw taken(path)
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

const taken = (path: string): Error =>
  systemError('EEXIST', 'something is there already; a dump is loaded into a new pool', { syscall: 'load', path })

class Load {
  readonly #reader: ArchiveReader
  readonly #path: string
  readonly #options: LoadOptions
  readonly #tally = { files: 0, directories: 0, symlinks: 0, links: 0, nodes: 0, bytes: 0 }
  /** By path: what they get at the end. */
  readonly #directories = new Map<string, ArchiveNode>()
  #pool!: Pool

  constructor(source: Readable, path: string, options: LoadOptions) {
    this.#reader = new ArchiveReader(source, options.onProgress)
    this.#path = path
    this.#options = options
  }

  async run(): Promise<Loaded> {
    const was = await this.#first()
    const { busy, dax, leaseBreakTimeMs } = was
    const sizeBytes = this.#options.sizeBytes ?? was.sizeBytes
    this.#pool = await createPool(this.#path, { sizeBytes, busy, dax, leaseBreakTimeMs })
    try {
      await this.#nodes()
      for (const node of [...this.#directories.values()].toReversed()) await this.#finish(node)
      return { uuid: this.#pool.properties.uuid, sizeBytes, ...this.#tally }
    } finally {
      // Which makes everything durable.
      await this.#pool.close()
    }
  }

  async #first(): Promise<DumpedPool> {
    const part = await this.#reader.next().catch((error: unknown) => {
      throw codeOf(error) === 'EBADMSG' ? notADump() : error
    })
    if (part?.kind !== 'global') throw notADump()
    return decodeFirst(part.records)
  }

  async #nodes(): Promise<void> {
    for (let nodes = 0; ; nodes++) {
      this.#options.signal?.throwIfAborted()
      const part = await this.#reader.next()
      if (part === undefined) throw badArchive('it has no end')
      if (part.kind === 'global') {
        const last = decodeLast(part.records)
        if (last?.nodes === nodes && last.crc32 === part.crcBefore) return
        throw badArchive('its content is not what was written')
      }
      const { contentSize, isSparse, ...what } = decodeNode(part.header, part.records)
      const { data, used } = isSparse
        ? await this.#map(contentSize, what.size, what.path)
        : { data: [{ start: 0, end: what.size }], used: 0 }
      const node: ArchiveNode = { ...what, data }
      mustBeIn(this.#directories, node)
      await this.#make(node, contentSize - used).catch((error: unknown) => {
        this.#options.signal?.throwIfAborted()
        throw isOfContent(error) ? badArchive(`this cannot be: ${error.message}`, what.path) : error
      })
      await this.#reader.exactly(paddingBytes(contentSize))
    }
  }

  /** The map of a file with holes, and how many bytes it takes. */
  async #map(contentSize: number, size: number, path: string): Promise<{ data: ByteRange[]; used: number }> {
    const numbers: number[] = []
    let text = ''
    let used = 0
    while (numbers.length === 0 || numbers.length < 1 + 2 * numbers[0]) {
      if (used + TAR_BLOCK > contentSize) throw badArchive('a map of holes has no end', path)
      text += (await this.#reader.exactly(TAR_BLOCK)).toString('latin1')
      used += TAR_BLOCK
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      numbers.push(...lines.map(Number))
    }
    const data: ByteRange[] = []
    let before = 0
    let bytes = 0
    for (let i = 1; i < 1 + 2 * numbers[0]; i += 2) {
      const [start, length] = [numbers[i], numbers[i + 1]]
      if (!(start >= before && length >= 0 && start + length <= size)) throw badArchive('a map of holes is wrong', path)
      before = start + length
      bytes += length
      if (length > 0) data.push({ start, end: before })
    }
    if (bytes !== contentSize - used) throw badArchive('a map of holes does not fit its file', path)
    return { data, used }
  }

  async #make(node: ArchiveNode, contentBytes: number): Promise<void> {
    const pool = this.#pool
    const { kind, linkTo } = node
    const path = `/${node.path}`
    if (contentBytes > 0 && (kind !== 'file' || linkTo !== undefined))
      throw badArchive('content of what has none', path)
    if (linkTo !== undefined) {
      await pool.link(`/${linkTo}`, path)
      this.#tally.links++
    } else if (kind === 'directory') {
      if (node.path !== '') await pool.mkdir(path, { mode: 0o700 })
      this.#directories.set(node.path, node)
      this.#tally.directories++
    } else if (kind === 'file') {
      await usedFile(await pool.open(path, 'wx', { mode: 0o600 }), async (file) => {
        await this.#fill(file, node)
        await this.#finish(node, file.ino)
      })
      this.#tally.files++
    } else {
      if (kind === 'symlink') await pool.symlink(node.target ?? '', path)
      else await pool.mknod(path, kind satisfies NodeKind, { mode: 0o600, rdev: node.rdev })
      await this.#finish(node)
      this.#tally[kind === 'symlink' ? 'symlinks' : 'nodes']++
    }
  }

  /** Blocks first: then writing is in place, without a transaction for each piece. */
  async #fill(file: File, { size, data }: ArchiveNode): Promise<void> {
    const { signal } = this.#options
    await file.truncate(size)
    for (const { start, end } of data) {
      if (start < end) await file.allocate(start, end - start, { signal })
      let position = start
      for await (const piece of this.#reader.pieces(end - start)) {
        for (let done = 0; done < piece.length;) {
          done += (await file.write(piece, { offset: done, position: position + done, signal })).bytesWritten
        }
        position += piece.length
      }
      this.#tally.bytes += end - start
    }
  }

  async #finish(node: ArchiveNode, known?: number): Promise<void> {
    const fs = this.#pool.fileSystem
    const path = `/${node.path}`
    const ino = known ?? (await this.#pool.lstat(path)).ino
    const { mode, uid, gid, atimeNs, mtimeNs, busy = null, dax = null } = node
    if (node.xattrs.size > 0) {
      const inode = await fs.metadata.inode(ino as InodeNumber)
      for (const [name, value] of node.xattrs) await setXattr(fs, inode!, name, value, 'set', path)
    }
    const bits = node.kind === 'symlink' ? {} : { mode }
    await changeAttributes(fs, { ino: ino as InodeNumber, path }, 'setattr', {
      ...bits,
      uid,
      gid,
      atimeNs,
      mtimeNs,
      busy,
      dax,
    })
  }
}

/** Codes of what the host, the pool's size or the caller are to blame for; any other is the archive's. */
const OTHERS = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'ENOMEM', 'EMFILE', 'ENFILE', 'EBADMSG'])

const isOfContent = (error: unknown): error is Error => {
  const code = codeOf(error)
  return error instanceof Error && code !== undefined && code !== 'ERR_ASSERTION' && !OTHERS.has(code)
}

/** What is made lies in a directory that was made, by a name that can be one: never behind a symlink. EBADMSG. */
function mustBeIn(directories: ReadonlyMap<string, ArchiveNode>, { path, kind }: ArchiveNode): void {
  if (path === '' && kind === 'directory' && directories.size === 0) return
  const slash = path.lastIndexOf('/')
  const name = path.slice(slash + 1)
  if (!directories.has(path.slice(0, Math.max(0, slash)))) throw badArchive('its directory is not there', path)
  if (name === '' || name === '.' || name === '..') throw badArchive('this is no name', path)
}
