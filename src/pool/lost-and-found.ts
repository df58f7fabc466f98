/** The face of lost+found: what was held when its file let go of it. */
import type { Holder } from '../errors.ts'
import { systemError, wrongType } from '../errors.ts'
import { readInto } from '../files/data.ts'
import type { FileSystem } from '../files/file-system.ts'
import { limitsOf, mustBeWritable } from '../files/file-system.ts'
import { inodeAt } from '../files/paths.ts'
import { holderOf } from '../layout/holders.ts'
import { heldBy, reclaimIdleLostFiles, reclaimLostFile } from '../layout/lost-and-found.ts'
import type { LostAndFoundEntry } from '../metadata/metadata.ts'
import { bytesOf } from '../units.ts'
import type { FreeSpaceMaker } from './free-space-maker.ts'

/** Plain JSON. Offsets and lengths in bytes. */
export interface LostFile {
  readonly name: string
  /** The file the blocks were taken from, by number and by the name it had. */
  readonly originInode: number
  readonly originName: string
  readonly offset: number
  readonly length: number
  /** Since when, ms since 1970. */
  readonly sinceMs: number
  /** Who still holds blocks of it; empty: idle, goes when space is wanted. */
  readonly holders: readonly Holder[]
}

export class LostAndFound {
  readonly #fs: FileSystem
  readonly #space: FreeSpaceMaker

  constructor(fs: FileSystem, space: FreeSpaceMaker) {
    this.#fs = fs
    this.#space = space
  }

  async list(): Promise<LostFile[]> {
    return (await this.#fs.metadata.lostAndFound()).map((entry) => this.#describe(entry))
  }

  /** The bytes as they are now, late data included: a copy. ENOENT. */
  async read(name: string): Promise<Buffer> {
    if (typeof name !== 'string') throw wrongType('name', 'of type string', name)
    const path = `/lost+found/${name}`
    const { ino } = await inodeAt(this.#fs, path, 'read')
    const open = await this.#fs.openInodes.open(this.#fs, ino)
    if (open === undefined) throw systemError('ENOENT', 'the file was reclaimed meanwhile', { syscall: 'read', path })
    try {
      const data = Buffer.alloc(open.size)
      await readInto(this.#fs, open, data, 0, limitsOf(this.#fs), path)
      return data
    } finally {
      await this.#fs.openInodes.close(this.#fs, open)
    }
  }

  /**
   * Frees one file (EBUSY with `holders` while it is held, ENOENT), or without a name all that nobody holds. Returns the
   * bytes given back to free space, those of other busy extents included.
   */
  async reclaim(name?: string): Promise<number> {
    mustBeWritable(this.#fs, 'reclaim', `/lost+found/${name ?? ''}`)
    if (name === undefined) {
      await reclaimIdleLostFiles(this.#fs)
    } else {
      const entry = (await this.#fs.metadata.lostAndFound()).find((file) => file.name === name)
      if (entry === undefined) {
        throw systemError('ENOENT', 'no such file in lost+found', { syscall: 'reclaim', path: `/lost+found/${name}` })
      }
      await reclaimLostFile(this.#fs, entry, 'reclaim')
    }
    return bytesOf(await this.#space.reclaim())
  }

  #describe(entry: LostAndFoundEntry): LostFile {
    const { name, originInode, originName, offset, length, sinceMs } = entry
    const holders = heldBy(this.#fs, entry).map((claim) => holderOf(this.#fs.table, this.#fs.witness, claim))
    return { name, originInode, originName, offset, length, sinceMs, holders }
  }
}
