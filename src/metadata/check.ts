/**
 * The check of the invariants of meta.db, for fsck. It reads, synchronously and inside of one read transaction, and
 * goes through each table in the order of an index, so that its memory does not grow with the pool.
 *
 * It looks at everything a constraint of the schema cannot say, and trusts nothing that a constraint does say: the
 * constraints may have been off when somebody wrote. Codes of findings are API.
 */
import type { DatabaseSync } from 'node:sqlite'
import { DIRECTORY_CHECKS } from './check-directories.ts'
import { INODE_CHECKS } from './check-inodes.ts'
import { SPACE_CHECKS, blockFindings } from './check-space.ts'
import type { Finding } from './metadata.ts'
import { isBusy, isSqliteError } from './sqlite-errors.ts'

/** A statement that finds nothing in a sound store; each row it finds has a `message`. */
export interface Check {
  readonly code: string
  readonly sql: string
}

/** No more findings than this: a store with more is not understood by reading on. */
const MAX_FINDINGS = 1000

/** All findings; none: the store is sound. */
export function findings(db: DatabaseSync): Finding[] {
  const found: Finding[] = []
  try {
    for (const finding of allFindings(db)) {
      if (found.push(finding) < MAX_FINDINGS) continue
      found.push({ code: 'too-many', message: `there are more than ${MAX_FINDINGS} findings` })
      break
    }
  } catch (error) {
    if (!isSqliteError(error) || isBusy(error)) throw error
    found.push({ code: 'unreadable', message: `SQLite cannot read on: ${error.message}` })
  }
  return found
}

function* allFindings(db: DatabaseSync): Generator<Finding> {
  for (const row of db.prepare('PRAGMA integrity_check').iterate()) {
    const message = String(row['integrity_check'])
    if (message !== 'ok') yield { code: 'sqlite-integrity', message }
  }
  for (const row of db.prepare('PRAGMA foreign_key_check').iterate()) {
    const { table, rowid, parent } = row
    const which = rowid === null ? 'a row' : `row ${String(rowid)}`
    yield {
      code: 'reference',
      message: `${which} of ${String(table)} refers to a row of ${String(parent)} that is not there`,
    }
  }
  yield* blockFindings(db)
  for (const { code, sql } of [...SPACE_CHECKS, ...INODE_CHECKS, ...DIRECTORY_CHECKS]) {
    for (const row of db.prepare(sql).iterate()) yield { code, message: String(row['message']) }
  }
}
