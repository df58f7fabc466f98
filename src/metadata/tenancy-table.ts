/**
 * Blocks of the device and what they are used for: the tables `free`, `extents` and `busy` read side by side, in order of
 * the device. One statement, so that all three are seen in one state.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { FileBlock, InodeNumber } from '../units.ts'
import { makeRun } from './extent-arithmetic.ts'
import type { Tenancy } from './space-views.ts'

type Row = readonly [start: number, count: number, use: number, ino: number, fileBlock: number, isLost: number]

const FREE = 0
const BUSY = 1

/** Rows from the one that holds block ?1, or begins behind it. */
const from = (table: string, column: string): string =>
  `FROM ${table} WHERE ${column} >= coalesce((SELECT max(${column}) FROM ${table} WHERE ${column} <= ?1), ?1) AND ${column} < ?2`

export class TenancyTable {
  readonly #between: StatementSync

  constructor(db: DatabaseSync) {
    this.#between = db.prepare(
      `SELECT start, count, ${FREE}, 0, 0, 0 ${from('free', 'start')} ` +
        `UNION ALL SELECT start, count, ${BUSY}, 0, 0, 0 ${from('busy', 'start')} ` +
        'UNION ALL SELECT device_block, count, 2, inode, file_block, ' +
        `EXISTS (SELECT 1 FROM lost_and_found WHERE ino = inode) ${from('extents', 'device_block')} ` +
        'ORDER BY 1 LIMIT ?3',
    )
    this.#between.setReturnArrays(true)
  }

  /** As `Metadata.tenancies`. */
  between(start: number, end: number, limit: number): Tenancy[] {
    const found: Tenancy[] = []
    // Of each table one row may end before `start`.
    for (const row of this.#between.all(start, end, limit + 3) as unknown as Row[]) {
      const [first, count] = row
      const cut = Math.max(0, start - first)
      const length = Math.min(first + count, end) - first - cut
      if (length > 0 && found.length < limit) found.push(tenancyOf(row, cut, length))
    }
    return found
  }
}

function tenancyOf([start, , use, ino, fileBlock, isLost]: Row, cut: number, length: number): Tenancy {
  const run = makeRun(start + cut, length)
  if (use === FREE) return { ...run, use: 'free' }
  if (use === BUSY) return { ...run, use: 'busy' }
  return {
    ...run,
    use: 'file',
    ino: ino as InodeNumber,
    fileBlock: (fileBlock + cut) as FileBlock,
    isLost: isLost === 1,
  }
}
