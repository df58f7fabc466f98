/**
 * The inodes table, one statement for each thing that is done to it. Called inside of a transaction, by the operations
 * of this folder. Whatever changes a row marks its inode.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { InodeNumber } from '../units.ts'
import { counted, damaged, oneOf, shownValue } from './damage.ts'
import type { HotRows } from './hot-rows.ts'
import { KINDS } from './schema.ts'
import type { TransactionMarks } from './transaction-marks.ts'
import { BUSY_POLICIES, DAX_MODES } from './metadata.ts'
import type { BusyPolicy, DaxMode, Inode, InodeKind } from './metadata.ts'

/** The columns of an inode in the order that {@link inodeOf} expects; {@link INODE_COLUMN_COUNT} of them. */
export const INODE_COLUMNS =
  'i.ino, i.kind, i.mode, i.uid, i.gid, i.nlink, i.size, i.blocks, ' +
  'i.atime_ns, i.mtime_ns, i.ctime_ns, i.birthtime_ns, i.change_count, i.busy, i.dax, i.target, i.rdev'

export const INODE_COLUMN_COUNT = 17

/** A row that begins with {@link INODE_COLUMNS}, read as an array with bigints (times need all 64 bits). */
export type InodeRow = readonly [
  ino: bigint,
  kind: InodeKind,
  mode: bigint,
  uid: bigint,
  gid: bigint,
  nlink: bigint,
  size: bigint,
  blocks: bigint,
  atimeNs: bigint,
  mtimeNs: bigint,
  ctimeNs: bigint,
  birthtimeNs: bigint,
  changeCount: bigint,
  busy: BusyPolicy | null,
  dax: DaxMode | null,
  target: string | null,
  rdev: bigint,
  ...rest: (bigint | string | null)[],
]

/** EUCLEAN when no store of ours has written this row. */
export function inodeOf(row: InodeRow): Inode {
  const ino = counted(row[0], 'an inode number', Number.MAX_SAFE_INTEGER, 1) as InodeNumber
  const number = (column: number, name: string, most?: number): number =>
    counted(row[column], `${name} of inode ${ino}`, most)
  const time = (column: number): bigint => {
    const value = row[column]
    if (typeof value === 'bigint') return value
    throw damaged(`a time of inode ${ino} is ${shownValue(value)}`)
  }
  const kind = oneOf(row[1], `the kind of inode ${ino}`, KINDS)
  const target = row[15] ?? undefined
  if (target !== undefined && typeof target !== 'string') throw damaged(`the target of inode ${ino} is no text`)
  return {
    ino,
    kind,
    mode: number(2, 'the mode', MODE_MAX),
    uid: number(3, 'the owner', WORD_MAX),
    gid: number(4, 'the group', WORD_MAX),
    // Only files live on without a name.
    nlink: counted(row[5], `the link count of ${kind} ${ino}`, Number.MAX_SAFE_INTEGER, kind === 'file' ? 0 : 1),
    size: number(6, 'the size'),
    blocks: number(7, 'the block count'),
    atimeNs: time(8),
    mtimeNs: time(9),
    ctimeNs: time(10),
    birthtimeNs: time(11),
    changeCount: number(12, 'the change count'),
    busy: row[13] === null ? undefined : oneOf(row[13], `the policy of inode ${ino}`, BUSY_POLICIES),
    dax: row[14] === null ? undefined : oneOf(row[14], `the policy of inode ${ino}`, DAX_MODES),
    target,
    rdev: number(16, 'the device number', WORD_MAX),
  }
}

const MODE_MAX = 0o7777
const WORD_MAX = 0xffff_ffff

/** Prepares a statement whose rows begin with {@link INODE_COLUMNS}. */
export function prepareInodes(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  return statement
}

export class InodeTable {
  readonly #marks: TransactionMarks
  readonly #hotRows: HotRows
  readonly #get: StatementSync
  readonly #insert: StatementSync
  readonly #hasXattrs: StatementSync
  readonly #deleteXattrs: StatementSync
  readonly #delete: StatementSync
  readonly #touch: StatementSync
  readonly #setLinks: StatementSync
  readonly #setAttributes: StatementSync
  readonly #setContent: StatementSync
  readonly #addBlocks: StatementSync
  readonly #lastName: StatementSync

  readonly #read = (ino: InodeNumber): Inode | undefined => {
    const row = this.#get.get(ino) as InodeRow | undefined
    return row === undefined ? undefined : inodeOf(row)
  }

  constructor(db: DatabaseSync, marks: TransactionMarks, hotRows: HotRows) {
    this.#marks = marks
    this.#hotRows = hotRows
    this.#get = prepareInodes(db, `SELECT ${INODE_COLUMNS} FROM inodes i WHERE ino = ?`)
    this.#insert = db.prepare(
      'INSERT INTO inodes (ino, kind, mode, uid, gid, nlink, size, blocks, atime_ns, mtime_ns, ctime_ns, birthtime_ns, ' +
        'change_count, busy, dax, target, rdev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    )
    // ON DELETE CASCADE costs four times as much as the look when there are none, as nearly always.
    this.#hasXattrs = db.prepare('SELECT 1 FROM xattrs WHERE ino = ? LIMIT 1')
    this.#deleteXattrs = db.prepare('DELETE FROM xattrs WHERE ino = ?')
    this.#delete = db.prepare('DELETE FROM inodes WHERE ino = ?')
    this.#touch = db.prepare('UPDATE inodes SET ctime_ns = ?, change_count = change_count + 1 WHERE ino = ?')
    this.#setLinks = db.prepare(
      'UPDATE inodes SET nlink = ?, ctime_ns = ?, change_count = ?, last_name = ? WHERE ino = ?',
    )
    this.#setAttributes = db.prepare(
      'UPDATE inodes SET mode = ?, uid = ?, gid = ?, atime_ns = ?, mtime_ns = ?, ctime_ns = ?, change_count = ?, ' +
        'busy = ?, dax = ? WHERE ino = ?',
    )
    this.#setContent = db.prepare(
      'UPDATE inodes SET size = ?, blocks = ?, mtime_ns = ?, ctime_ns = ?, change_count = ? WHERE ino = ?',
    )
    this.#addBlocks = db.prepare('UPDATE inodes SET blocks = ? WHERE ino = ?')
    this.#lastName = db.prepare('SELECT last_name FROM inodes WHERE ino = ?')
    this.#lastName.setReturnArrays(true)
  }

  get(ino: InodeNumber): Inode | undefined {
    return this.#read(ino)
  }

  /** The directory in which names are made and taken away; of its times and counts not all may be known (hot-rows.ts). */
  directory(ino: InodeNumber): Inode | undefined {
    return this.#hotRows.directory(ino, this.#read)
  }

  /** A number that no inode had before, for one that is counted by it. */
  takeNumber(kind: InodeKind): InodeNumber {
    return this.#hotRows.takeNumber(kind === 'file')
  }

  /** Adds one, whose number was taken for it. Nobody can know it yet, so nothing is marked. */
  write(inode: Inode): void {
    const { ino, kind, mode, uid, gid, nlink, size, blocks, atimeNs, mtimeNs, ctimeNs, birthtimeNs, changeCount } =
      inode
    this.#insert.run(
      ino,
      kind,
      mode,
      uid,
      gid,
      nlink,
      size,
      blocks,
      atimeNs,
      mtimeNs,
      ctimeNs,
      birthtimeNs,
      changeCount,
      inode.busy ?? null,
      inode.dax ?? null,
      inode.target ?? null,
      inode.rdev,
    )
  }

  /** Its names, extents and row of lost_and_found must be gone; its extended attributes go with it. */
  delete({ ino, kind }: Inode): void {
    this.#marks.begin(ino)
    if (this.#hasXattrs.get(ino) !== undefined) this.#deleteXattrs.run(ino)
    this.#delete.run(ino)
    if (kind === 'file') this.#hotRows.countOff()
  }

  /** An inode of which something changed that is in no column; false when there is none. */
  touch(ino: InodeNumber, nowNs: bigint): boolean {
    this.#marks.begin(ino)
    return this.#touch.run(nowNs, ino).changes === 1
  }

  /** A directory whose entries changed; `links` is by how many its subdirectories did. */
  touchDirectory(ino: InodeNumber, links: number, nowNs: bigint): void {
    this.#marks.begin(ino)
    this.#hotRows.touch(ino, links, nowNs)
  }

  /** Adds one name to the count; returns the inode after it. */
  gainName(inode: Inode, nowNs: bigint): Inode {
    return this.#withLinks(inode, inode.nlink + 1, null, nowNs)
  }

  /** Takes one name, `name`, off the count; returns the inode after it. */
  loseName(inode: Inode, name: string, nowNs: bigint): Inode {
    return this.#withLinks(inode, inode.nlink - 1, inode.nlink === 1 ? name : null, nowNs)
  }

  /** The last name of an orphan; undefined when it never had one, or still has. */
  lastNameOf(ino: InodeNumber): string | undefined {
    const row = this.#lastName.get(ino) as unknown as [string | null] | undefined
    return row?.[0] ?? undefined
  }

  /** Writes what `setattr` may change: mode, owner, times, policies and the change count. */
  setAttributes(inode: Inode): void {
    this.#marks.begin(inode.ino)
    const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs, changeCount, busy, dax, ino } = inode
    this.#setAttributes.run(mode, uid, gid, atimeNs, mtimeNs, ctimeNs, changeCount, busy ?? null, dax ?? null, ino)
  }

  /** Writes what a change of content changes: size, blocks, mtime, ctime and the change count. */
  setContent(inode: Inode): void {
    this.#marks.begin(inode.ino)
    this.#setContent.run(inode.size, inode.blocks, inode.mtimeNs, inode.ctimeNs, inode.changeCount, inode.ino)
  }

  setBlocks(inode: Inode): void {
    this.#marks.begin(inode.ino)
    this.#addBlocks.run(inode.blocks, inode.ino)
  }

  #withLinks(inode: Inode, nlink: number, lastName: string | null, nowNs: bigint): Inode {
    this.#marks.begin(inode.ino)
    const after = { ...inode, nlink, ctimeNs: nowNs, changeCount: inode.changeCount + 1 }
    this.#setLinks.run(nlink, nowNs, after.changeCount, lastName, inode.ino)
    return after
  }
}
