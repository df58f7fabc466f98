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
      const { inodes, dentries, xattrs, extents } = this.#statements
      const nodes = inodes.all() as unknown as unknown[][]
      const runs = extents.all() as unknown as [number, number, number, number][]
      const files = nodes
        .filter(([, kind]) => kind === 'file')
        .map((row) => {
          const ino = row[0] as number
          const own = runs.filter(([inode]) => inode === ino)
          return {
            ino,
            size: row[6] as number,
            extents: own.map(([, fileBlock, deviceBlock, count]) => ({ fileBlock, deviceBlock, count })),
          }
        })
      const rows = [...nodes, ...dentries.all(), ...xattrs.all(), ...runs]
      return { text: rows.map((row) => JSON.stringify(row)).join('\n'), files }
    } finally {
      this.#db.exec('COMMIT')
    }
  }
}
