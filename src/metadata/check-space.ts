/** The checks of blocks: each in one place, the counts right. Only check.ts calls. */
import type { DatabaseSync } from 'node:sqlite'
import type { Check } from './check.ts'
import type { Finding } from './metadata.ts'

/** Every row that says where blocks are, ascending: SQLite merges the three indexes, nothing is sorted. */
const PLACES = `
SELECT start, count, 'free' AS place FROM free
UNION ALL SELECT device_block, count, 'inode ' || inode || ' at file block ' || file_block FROM extents
UNION ALL SELECT start, count, 'busy extent ' || id FROM busy
ORDER BY 1`

/** Goes once through the device: no block twice, none missing, none outside, free runs merged. */
export function* blockFindings(db: DatabaseSync): Generator<Finding> {
  const blockCount = Number(db.prepare('SELECT block_count FROM space').get()?.['block_count'] ?? 0)
  let end = 0
  let last = ''
  for (const row of db.prepare(PLACES).iterate()) {
    const { start, count, place } = row as unknown as { start: number; count: number; place: string }
    if (start < end) {
      yield { code: 'block-twice', message: `block ${start} is in ${last} and in ${place}` }
    } else if (start > end) {
      yield { code: 'block-lost', message: `blocks ${end} to ${start - 1} are nowhere` }
    } else if (place === 'free' && last === 'free') {
      yield { code: 'free-not-merged', message: `the free runs that touch at block ${start} are two rows` }
    }
    if (start + count > blockCount) {
      yield {
        code: 'block-outside',
        message: `blocks up to ${start + count - 1} are in ${place}; the device has ${blockCount}`,
      }
    }
    if (start + count > end) {
      end = start + count
      last = place
    }
  }
  if (end < blockCount) yield { code: 'block-lost', message: `blocks ${end} to ${blockCount - 1} are nowhere` }
}

const EXTENT_PAIRS = `
FROM (SELECT inode, file_block, count, device_block,
             lead(file_block) OVER file AS next, lead(device_block) OVER file AS next_device
      FROM extents WINDOW file AS (PARTITION BY inode ORDER BY file_block))`

/** A counter of the table space against what is counted. */
const counter = (name: string, sum: string): Check => ({
  code: `counter-${name}`,
  sql: `SELECT 'space.${name} is ' || ${name} || ' and should be ' || n AS message
        FROM space, (SELECT (${sum}) AS n) WHERE ${name} IS NOT n`,
})

export const SPACE_CHECKS: readonly Check[] = [
  {
    code: 'extent-overlap',
    sql: `SELECT 'inode ' || inode || ' has two extents at file block ' || next AS message
          ${EXTENT_PAIRS} WHERE next < file_block + count`,
  },
  {
    code: 'extent-not-merged',
    sql: `SELECT 'inode ' || inode || ' has two extents that touch at file block ' || next AS message
          ${EXTENT_PAIRS} WHERE next = file_block + count AND next_device = device_block + count`,
  },
  {
    code: 'inode-blocks',
    sql: `SELECT 'inode ' || ino || ' says ' || blocks || ' blocks and has ' || n AS message
          FROM (SELECT ino, blocks, (SELECT coalesce(sum(count), 0) FROM extents WHERE inode = ino) AS n FROM inodes)
          WHERE blocks <> n`,
  },
  counter('free', 'SELECT coalesce(sum(count), 0) FROM free'),
  counter('mapped', 'SELECT coalesce(sum(count), 0) FROM extents'),
  counter('busy', 'SELECT coalesce(sum(count), 0) FROM busy'),
  counter('sequestered', 'SELECT coalesce(sum(e.count), 0) FROM lost_and_found l JOIN extents e ON e.inode = l.ino'),
  counter('files', "SELECT count(*) FROM inodes WHERE kind = 'file'"),
]
