/**
 * /lost+found: files made of blocks that left their file while somebody still used them (option 3 of the thread). Each
 * holds one run of its file's blocks, with that file's owner and mode. Called inside of a transaction.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { bytesOf } from '../units.ts'
import { counted, damaged } from './damage.ts'
import type { Extent, InodeNumber } from '../units.ts'
import { blocksIn, fileEnd, joinedExtents, makeExtent } from './extent-arithmetic.ts'
import type { ExtentTable } from './extents.ts'
import type { InodeTable } from './inodes.ts'
import { LOST_AND_FOUND_INODE } from './metadata.ts'
import type { DirectoryEntry, Inode, LostAndFoundEntry } from './metadata.ts'
import type { NameTable } from './names.ts'

export class LostAndFound {
  readonly #inodes: InodeTable
  readonly #names: NameTable
  readonly #extents: ExtentTable
  readonly #has: StatementSync
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #all: StatementSync

  constructor(db: DatabaseSync, inodes: InodeTable, names: NameTable, extents: ExtentTable) {
    this.#inodes = inodes
    this.#names = names
    this.#extents = extents
    this.#has = db.prepare('SELECT 1 FROM lost_and_found WHERE ino = ?')
    this.#insert = db.prepare(
      'INSERT INTO lost_and_found (ino, origin_inode, origin_name, origin_offset, length, since_ns) ' +
        'VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#delete = db.prepare('DELETE FROM lost_and_found WHERE ino = ?')
    this.#all = db.prepare(
      'SELECT d.name, l.ino, l.origin_inode AS originInode, l.origin_name AS originName, l.origin_offset AS "offset", ' +
        'l.length, l.since_ns / 1000000 AS sinceMs FROM lost_and_found l ' +
        `JOIN dentries d ON d.ino = l.ino AND d.parent = ${LOST_AND_FOUND_INODE} ORDER BY l.ino`,
    )
  }

  has(ino: InodeNumber): boolean {
    return this.#has.get(ino) !== undefined
  }

  entries(): LostAndFoundEntry[] {
    const rows = this.#all.all() as unknown as Omit<LostAndFoundEntry, 'extents'>[]
    return rows.map((row) => {
      for (const number of [row.ino, row.originInode, row.offset, row.length])
        counted(number, 'a number of a file of /lost+found')
      if (typeof row.name !== 'string' || typeof row.originName !== 'string' || typeof row.sinceMs !== 'number')
        throw damaged(`the row of file ${row.ino} of /lost+found says nothing`)
      return Object.assign(row, { extents: this.#extents.of(row.ino) })
    })
  }

  /**
   * Makes one file for each run of file blocks in `extents`, which have left `origin` already. `lostName` is the name that
   * it lost in this transaction.
   */
  take(origin: Inode, extents: readonly Extent[], nowNs: bigint, lostName?: string): DirectoryEntry[] {
    if (extents.length === 0) return []
    const originName = lostName ?? this.#names.nameOf(origin.ino)?.name ?? this.#inodes.lastNameOf(origin.ino) ?? ''
    const made: DirectoryEntry[] = []
    for (const run of runsOfFile(extents)) {
      const first = run[0].fileBlock
      const offset = bytesOf(first)
      const length = bytesOf(fileEnd(run.at(-1)!) - first)
      const ino = this.#inodes.takeNumber('file')
      this.#inodes.write({
        ino,
        ...ownedLike(origin),
        nlink: 1,
        size: length,
        blocks: blocksIn(run),
        ctimeNs: nowNs,
        birthtimeNs: nowNs,
        changeCount: 0,
      })
      for (const extent of run) {
        this.#extents.insert(ino, makeExtent(extent.fileBlock - first, extent.deviceBlock, extent.count))
      }
      const name = this.#named(`${origin.ino}-${offset}-${offset + length}`, ino)
      this.#insert.run(ino, origin.ino, originName, offset, length, nowNs)
      made.push({ name, ino, kind: 'file' })
    }
    this.#inodes.touchDirectory(LOST_AND_FOUND_INODE, 0, nowNs)
    return made
  }

  /** Takes a file's name and row away; its extents and its inode are the caller's. */
  remove(ino: InodeNumber, nowNs: bigint): void {
    const entry = this.#names.nameOf(ino)
    if (entry !== undefined) this.#names.delete(entry.parent, entry.name)
    this.#delete.run(ino)
    this.#inodes.touchDirectory(LOST_AND_FOUND_INODE, 0, nowNs)
  }

  #named(stem: string, ino: InodeNumber): string {
    for (let nth = 1; ; nth++) {
      const name = nth === 1 ? stem : `${stem}~${nth}`
      if (this.#names.insert(LOST_AND_FOUND_INODE, name, ino, 'file')) return name
    }
  }
}

/** Parts extents into groups that are contiguous in the file. */
function runsOfFile(extents: readonly Extent[]): Extent[][] {
  const runs: Extent[][] = []
  for (const extent of joinedExtents(extents)) {
    const last = runs.at(-1)
    if (last !== undefined && fileEnd(last.at(-1)!) === extent.fileBlock) last.push(extent)
    else runs.push([extent])
  }
  return runs
}

function ownedLike({ kind, mode, uid, gid, atimeNs, mtimeNs }: Inode) {
  return { kind, mode, uid, gid, atimeNs, mtimeNs, busy: undefined, dax: undefined, target: undefined, rdev: 0 }
}
