/**
 * Portraits: what the metadata says, as values to compare: names, attributes, extended attributes and extents of all that
 * has a name. /lost+found, orphans, busy and free blocks are not in it: a recovery changes them.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LOST_AND_FOUND_INODE } from '../../src/metadata/metadata.ts'

export interface PortraitExtent {
  readonly fileBlock: number
  readonly deviceBlock: number
  readonly count: number
}

export interface PortraitFile {
  readonly ino: number
  readonly size: number
  readonly extents: readonly PortraitExtent[]
}

export interface Portrait {
  /** Everything, for comparison. */
  readonly text: string
  readonly files: readonly PortraitFile[]
  /** Files without a name that somebody has open: a power cut may give them their name back, with what was written since. */
  readonly orphans: readonly PortraitFile[]
}

/** The directory's own times change with what a recovery clears in it. */
const NAMED = `nlink > 0 AND ino <> ${LOST_AND_FOUND_INODE} AND ino NOT IN (SELECT ino FROM lost_and_found)`

const QUERIES = {
  inodes: `SELECT ino, kind, mode, uid, gid, nlink, size, CAST(mtime_ns AS TEXT), CAST(ctime_ns AS TEXT), busy, dax, target, rdev
           FROM inodes WHERE ${NAMED} ORDER BY ino`,
  dentries: `SELECT parent, name, ino, kind FROM dentries WHERE parent <> ${LOST_AND_FOUND_INODE} ORDER BY parent, name`,
  xattrs: 'SELECT ino, name, hex(value) FROM xattrs ORDER BY ino, name',
  extents: `SELECT inode, file_block, device_block, count FROM extents
            WHERE inode IN (SELECT ino FROM inodes WHERE ${NAMED}) ORDER BY inode, file_block`,
  orphans: `SELECT ino, size FROM inodes WHERE kind = 'file' AND nlink = 0 AND ino NOT IN (SELECT ino FROM lost_and_found)`,
  orphanExtents: `SELECT inode, file_block, device_block, count FROM extents
                  WHERE inode IN (SELECT ino FROM inodes WHERE nlink = 0) ORDER BY inode, file_block`,
}

type Run = readonly [inode: number, fileBlock: number, deviceBlock: number, count: number]

const withRuns = (ino: number, size: number, runs: readonly Run[]): PortraitFile => {
  const own = runs.filter(([inode]) => inode === ino)
  const extents = own.map(([, fileBlock, deviceBlock, count]) => ({ fileBlock, deviceBlock, count }))
  return { ino, size, extents }
}

export class Painter {
  readonly #db: DatabaseSync
  readonly #statements: Record<keyof typeof QUERIES, StatementSync>

  constructor(db: DatabaseSync) {
    this.#db = db
    const prepared = Object.entries(QUERIES).map(([name, sql]) => {
      const statement = db.prepare(sql)
      statement.setReturnArrays(true)
      return [name, statement] as const
    })
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof QUERIES, StatementSync>
  }

  portrait(): Portrait {
    this.#db.exec('BEGIN')
    try {
      const { inodes, dentries, xattrs, extents, orphans, orphanExtents } = this.#statements
      const nodes = inodes.all() as unknown as unknown[][]
      const runs = extents.all() as unknown as Run[]
      const files = nodes
        .filter(([, kind]) => kind === 'file')
        .map((row) => withRuns(row[0] as number, row[6] as number, runs))
      const nameless = orphans.all() as unknown as [ino: number, size: number][]
      const theirs = orphanExtents.all() as unknown as Run[]
      const rows = [...nodes, ...dentries.all(), ...xattrs.all(), ...runs]
      return {
        text: rows.map((row) => JSON.stringify(row)).join('\n'),
        files,
        orphans: nameless.map(([ino, size]) => withRuns(ino, size, theirs)),
      }
    } finally {
      this.#db.exec('COMMIT')
    }
  }
}
