/**
 * The inodes table, one statement for each thing that is done to it. Called inside of a transaction, by the operations
 * of this folder.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { InodeNumber } from '../units.ts'
import type { BusyPolicy, DaxMode, Inode, InodeKind } from './metadata.ts'

/** The columns of an inode in the order that {@link inodeOf} expects. */
export const INODE_COLUMNS =
  'i.ino, i.kind, i.mode, i.uid, i.gid, i.nlink, i.size, i.blocks, ' +
  'i.atime_ns, i.mtime_ns, i.ctime_ns, i.birthtime_ns, i.change_count, i.busy, i.dax'

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
  ...rest: (bigint | string | null)[],
]

export function inodeOf(row: InodeRow): Inode {
  return {
    ino: Number(row[0]) as InodeNumber,
    kind: row[1],
    mode: Number(row[2]),
    uid: Number(row[3]),
    gid: Number(row[4]),
    nlink: Number(row[5]),
    size: Number(row[6]),
    blocks: Number(row[7]),
    atimeNs: row[8],
    mtimeNs: row[9],
    ctimeNs: row[10],
    birthtimeNs: row[11],
    changeCount: Number(row[12]),
    busy: row[13] ?? undefined,
    dax: row[14] ?? undefined,
  }
}

/** Prepares a statement whose rows begin with {@link INODE_COLUMNS}. */
export function prepareInodes(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  return statement
}

/** An inode that is not there yet. */
export type NewInode = Omit<Inode, 'ino'>

export class InodeTable {
  readonly #get: StatementSync
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #touchDirectory: StatementSync
  readonly #loseName: StatementSync
  readonly #setAttributes: StatementSync
  readonly #setContent: StatementSync
  readonly #addBlocks: StatementSync

  constructor(db: DatabaseSync) {
    this.#get = prepareInodes(db, `SELECT ${INODE_COLUMNS} FROM inodes i WHERE ino = ?`)
    this.#insert = db.prepare(
      'INSERT INTO inodes (kind, mode, uid, gid, nlink, size, blocks, atime_ns, mtime_ns, ctime_ns, birthtime_ns, ' +
        'change_count, busy, dax) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#delete = db.prepare('DELETE FROM inodes WHERE ino = ?')
    this.#touchDirectory = db.prepare(
      'UPDATE inodes SET nlink = nlink + ?, mtime_ns = ?, ctime_ns = ?, change_count = change_count + 1 WHERE ino = ?',
    )
    this.#loseName = db.prepare(
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
  }

  get(ino: InodeNumber): Inode | undefined {
    const row = this.#get.get(ino) as InodeRow | undefined
    return row === undefined ? undefined : inodeOf(row)
  }

  insert(inode: NewInode): Inode {
    const { kind, mode, uid, gid, nlink, size, blocks, atimeNs, mtimeNs, ctimeNs, birthtimeNs, changeCount } = inode
    const { lastInsertRowid } = this.#insert.run(
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
    )
    return { ino: Number(lastInsertRowid) as InodeNumber, ...inode }
  }

  /** Its names, extents and row of lost_and_found must be gone. */
  delete(ino: InodeNumber): void {
    this.#delete.run(ino)
  }

  /** A directory whose entries changed; `links` is by how many its subdirectories did. */
  touchDirectory(ino: InodeNumber, links: number, nowNs: bigint): void {
    this.#touchDirectory.run(links, nowNs, nowNs, ino)
  }

  /** Takes one name, `name`, off a file's count; returns the inode after it. */
  loseName(inode: Inode, name: string, nowNs: bigint): Inode {
    const after = { ...inode, nlink: inode.nlink - 1, ctimeNs: nowNs, changeCount: inode.changeCount + 1 }
    this.#loseName.run(after.nlink, nowNs, after.changeCount, after.nlink === 0 ? name : null, inode.ino)
    return after
  }

  /** Writes what `setattr` may change: mode, owner, times, policies and the change count. */
  setAttributes(inode: Inode): void {
    const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs, changeCount, busy, dax, ino } = inode
    this.#setAttributes.run(mode, uid, gid, atimeNs, mtimeNs, ctimeNs, changeCount, busy ?? null, dax ?? null, ino)
  }

  /** Writes what a change of content changes: size, blocks, mtime, ctime and the change count. */
  setContent(inode: Inode): void {
    this.#setContent.run(inode.size, inode.blocks, inode.mtimeNs, inode.ctimeNs, inode.changeCount, inode.ino)
  }

  setBlocks(inode: Inode): void {
    this.#addBlocks.run(inode.blocks, inode.ino)
  }
}
