/**
 * The extents table: the layouts of files. Called inside of a transaction, except `layout` and
 * `mappedRuns`, one statement each.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Extent, InodeNumber, Run } from '../units.ts'
import { MAX_DEVICE_BLOCKS } from '../units.ts'
import { MAX_FILE_BLOCKS } from './allocation.ts'
import { damaged } from './damage.ts'
import { fileEnd, makeExtent, makeRun } from './extent-arithmetic.ts'
import { INODE_COLUMN_COUNT, INODE_COLUMNS, inodeOf, prepareInodes } from './inodes.ts'
import type { InodeRow } from './inodes.ts'
import type { Layout } from './metadata.ts'

type ExtentRow = readonly [fileBlock: number, deviceBlock: number, count: number]

export class ExtentTable {
  readonly #layout: StatementSync
  readonly #all: StatementSync
  readonly #insert: StatementSync
  readonly #setCount: StatementSync
  readonly #deleteRange: StatementSync
  readonly #mapped: StatementSync

  constructor(db: DatabaseSync) {
    // The extents as one text, 'file block,device block,count' for each: far cheaper than a row for each.
    this.#layout = prepareInodes(
      db,
      `SELECT ${INODE_COLUMNS}, (SELECT group_concat(file_block || ',' || device_block || ',' || count) FROM ` +
        '(SELECT * FROM extents WHERE inode = i.ino ORDER BY file_block)) FROM inodes i WHERE i.ino = ?',
    )
    this.#all = db.prepare('SELECT file_block, device_block, count FROM extents WHERE inode = ? ORDER BY file_block')
    this.#all.setReturnArrays(true)
    this.#insert = db.prepare('INSERT INTO extents (inode, file_block, device_block, count) VALUES (?, ?, ?, ?)')
    this.#setCount = db.prepare('UPDATE extents SET count = ? WHERE inode = ? AND file_block = ?')
    this.#deleteRange = db.prepare('DELETE FROM extents WHERE inode = ? AND file_block BETWEEN ? AND ?')
    this.#mapped = db.prepare('SELECT device_block, count FROM extents ORDER BY device_block')
    this.#mapped.setReturnArrays(true)
  }

  /** The inode and all its extents, by one statement: it sees one state without a transaction. */
  layout(ino: InodeNumber): Layout | undefined {
    const row = this.#layout.get(ino) as InodeRow | undefined
    if (row === undefined) return undefined
    return { inode: inodeOf(row), extents: extentsOf(ino, row[INODE_COLUMN_COUNT] as string | null) }
  }

  of(ino: InodeNumber): Extent[] {
    const rows = this.#all.all(ino) as unknown as ExtentRow[]
    return checked(
      ino,
      rows.map((row) => makeExtent(row[0], row[1], row[2])),
    )
  }

  insert(ino: InodeNumber, extent: Extent): void {
    this.#insert.run(ino, extent.fileBlock, extent.deviceBlock, extent.count)
  }

  /** Makes the rows of a file those of `after`, which were those of `before`; touches only the rows that differ. */
  replace(ino: InodeNumber, before: readonly Extent[], after: readonly Extent[]): void {
    const wanted = new Map(after.map((extent) => [extent.fileBlock as number, extent]))
    const grown: Extent[] = []
    let first: number | undefined
    let last = 0
    const flush = () => {
      if (first !== undefined) this.#deleteRange.run(ino, first, last)
      first = undefined
    }
    for (const extent of before) {
      const now = wanted.get(extent.fileBlock)
      if (now === undefined || now.deviceBlock !== extent.deviceBlock) {
        first ??= extent.fileBlock
        last = extent.fileBlock
        continue
      }
      flush()
      wanted.delete(extent.fileBlock)
      if (now.count !== extent.count) grown.push(now)
    }
    flush()
    for (const { fileBlock, count } of grown) this.#setCount.run(count, ino, fileBlock)
    for (const extent of wanted.values()) this.insert(ino, extent)
  }

  /** All that is mapped, merged by device block. */
  mappedRuns(): Run[] {
    const runs: Run[] = []
    let start = 0
    let end = 0
    for (const row of this.#mapped.iterate() as Iterable<unknown>) {
      const [block, count] = row as [number, number]
      if (block < end || count < 1) throw damaged(`block ${block} is mapped twice`)
      if (block !== end) {
        if (end > start) runs.push(makeRun(start, end - start))
        start = block
      }
      end = block + count
    }
    if (end > start) runs.push(makeRun(start, end - start))
    return runs
  }
}

function extentsOf(ino: InodeNumber, list: string | null): Extent[] {
  if (list === null) return []
  const numbers = numbersIn(ino, list)
  const extents: Extent[] = []
  for (let at = 0; at < numbers.length; at += 3) {
    extents.push(makeExtent(numbers[at], numbers[at + 1], numbers[at + 2]))
  }
  return checked(ino, extents)
}

function numbersIn(ino: InodeNumber, list: string): number[] {
  try {
    return JSON.parse(`[${list}]`) as number[]
  } catch {
    throw damaged(`the extents of inode ${ino} are no numbers`)
  }
}

/** EUCLEAN unless the extents ascend, do not overlap in the file, and lie where a device can have blocks. */
function checked(ino: InodeNumber, extents: Extent[]): Extent[] {
  let end = 0
  for (const extent of extents) {
    const { fileBlock, deviceBlock, count } = extent
    const isPossible =
      isBlockNumber(fileBlock, MAX_FILE_BLOCKS) &&
      isBlockNumber(deviceBlock, MAX_DEVICE_BLOCKS) &&
      isBlockNumber(count, MAX_DEVICE_BLOCKS - deviceBlock) &&
      count > 0 &&
      fileBlock >= end
    if (!isPossible) throw damaged(`inode ${ino} has an impossible extent at file block ${fileBlock}`)
    end = fileEnd(extent)
  }
  return extents
}

const isBlockNumber = (value: number, most: number): boolean =>
  Number.isSafeInteger(value) && value >= 0 && value <= most
