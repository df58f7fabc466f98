/** The tables of one database and the operations on them, put together. Each method of theirs is called inside of a transaction. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { ExtentTable } from './extents.ts'
import { HotRows } from './hot-rows.ts'
import { InodeTable } from './inodes.ts'
import { LayoutChanges } from './layout-change.ts'
import { LostAndFound } from './lost-and-found.ts'
import { NameChanges } from './name-changes.ts'
import { NameLosses } from './name-loss.ts'
import { NameTable } from './names.ts'
import { Renames } from './rename.ts'
import { SpaceTable } from './space.ts'
import { TenancyTable } from './tenancy-table.ts'
import type { TransactionMarks } from './transaction-marks.ts'
import { XattrTable } from './xattrs.ts'
import { YoungFiles } from './young-files.ts'

export class Tables {
  readonly hotRows: HotRows
  readonly inodes: InodeTable
  readonly names: NameTable
  readonly xattrs: XattrTable
  readonly extents: ExtentTable
  readonly space: SpaceTable
  readonly lostAndFound: LostAndFound
  readonly layoutChanges: LayoutChanges
  readonly nameChanges: NameChanges
  readonly renames: Renames
  readonly youngFiles: YoungFiles
  readonly tenancies: TenancyTable
  readonly orphans: StatementSync

  constructor(db: DatabaseSync, marks: TransactionMarks) {
    this.hotRows = new HotRows(db)
    this.inodes = new InodeTable(db, marks, this.hotRows)
    this.space = new SpaceTable(db)
    this.extents = new ExtentTable(db)
    this.names = new NameTable(db, this.inodes, marks)
    this.xattrs = new XattrTable(db, this.inodes)
    this.lostAndFound = new LostAndFound(db, this.inodes, this.names, this.extents)
    this.layoutChanges = new LayoutChanges(this.inodes, this.extents, this.space, this.lostAndFound, marks)
    const losses = new NameLosses(this.inodes, this.extents, this.layoutChanges, marks)
    this.nameChanges = new NameChanges(this.inodes, this.names, this.xattrs, this.lostAndFound, losses, marks)
    this.renames = new Renames(this.inodes, this.names, this.lostAndFound, losses, marks)
    this.youngFiles = new YoungFiles(db, this, marks)
    this.tenancies = new TenancyTable(db)
    this.orphans = db.prepare('SELECT ino FROM inodes WHERE nlink = 0 ORDER BY ino')
  }
}
