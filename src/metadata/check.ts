/**
 * The check of the invariants of meta.db, for fsck. It reads, and goes through each table in the order of an index, so that
 * its memory does not grow with the pool; its time grows with the number of rows.
 *
 * It looks at everything a constraint of the schema cannot say, and trusts nothing that a constraint does say: the
 * constraints may have been off when somebody wrote. Codes of findings are API.
 */
import { isUtf8 } from 'node:buffer'
import type { DatabaseSync } from 'node:sqlite'
import { CONSTRAINT_STEPS } from './check-constraints.ts'
import { DIRECTORY_CHECKS } from './check-directories.ts'
import { INODE_CHECKS } from './check-inodes.ts'
import { SPACE_CHECKS, blockFindings } from './check-space.ts'
import { XATTR_NAMESPACES } from './metadata.ts'
import type { Finding } from './metadata.ts'
import { inWords, schemaDifferences } from './schema-differences.ts'
import { isBusy, isSqliteError, isUnrepresentable } from './sqlite-errors.ts'

/** A statement that finds nothing in a sound store; each row it finds has a `message`. */
export interface Check {
  readonly code: string
  readonly sql: string
}

/** A part of the check; all parts look at one state of the store, which is the caller's to see to. */
export interface CheckStep {
  /** What is looked at, for who waits. */
  readonly label: string
  run(db: DatabaseSync): Iterable<Finding>
}

/** No more findings than this: a store with more is not understood by reading on. */
const MAX_FINDINGS = 1000

const ofSql = ({ code, sql }: Check): CheckStep => ({
  label: code.replaceAll('-', ' '),
  *run(db) {
    for (const row of db.prepare(sql).iterate()) yield { code, message: String(row['message']) }
  },
})

/** Everything that is looked at, what the later parts rely on first. */
export const CHECK_STEPS: readonly CheckStep[] = [
  {
    label: 'schema',
    *run(db) {
      for (const difference of schemaDifferences(db)) yield { code: 'schema', message: inWords(difference) }
    },
  },
  {
    label: 'pages and indexes',
    *run(db) {
      for (const row of db.prepare('PRAGMA integrity_check').iterate()) {
        const message = String(row['integrity_check'])
        // Told by the constraints' own steps, with the row.
        if (message !== 'ok' && !message.startsWith('CHECK constraint failed'))
          yield { code: 'sqlite-integrity', message }
      }
    },
  },
  {
    label: 'references',
    *run(db) {
      for (const row of db.prepare('PRAGMA foreign_key_check').iterate()) {
        const { table, rowid, parent } = row
        const which = rowid === null ? 'a row' : `row ${String(rowid)}`
        yield {
          code: 'reference',
          message: `${which} of ${String(table)} refers to a row of ${String(parent)} that is not there`,
        }
      }
    },
  },
  ...CONSTRAINT_STEPS,
  { label: 'blocks', run: blockFindings },
  { label: 'names', run: nameFindings },
  ...[...SPACE_CHECKS, ...INODE_CHECKS, ...DIRECTORY_CHECKS].map(ofSql),
]

/** All findings; none: the store is sound. Synchronous, within the transaction that the caller has begun. */
export function findings(db: DatabaseSync): Finding[] {
  const found = new Findings()
  for (const step of CHECK_STEPS) if (!found.takeIn(step, db)) break
  return found.list
}

/** What has been found so far. */
export class Findings {
  readonly list: Finding[] = []

  /** Takes in what a step finds; false: looking on is of no use. */
  takeIn(step: CheckStep, db: DatabaseSync): boolean {
    try {
      for (const finding of step.run(db)) {
        if (this.list.push(finding) < MAX_FINDINGS) continue
        this.list.push({ code: 'too-many', message: `there are more than ${MAX_FINDINGS} findings` })
        return false
      }
      return true
    } catch (error) {
      if (!isUnrepresentable(error) && (!isSqliteError(error) || isBusy(error))) throw error
      this.list.push({ code: 'unreadable', message: `SQLite cannot read on: ${(error as Error).message}` })
      return false
    }
  }
}

/** Names whose bytes no constraint can look at: they are UTF-8, and have no NUL; those of attributes are of a namespace. */
function* nameFindings(db: DatabaseSync): Generator<Finding> {
  for (const [ino] of impossibleAttributes(db))
    yield { code: 'xattr-name', message: `an attribute of inode ${ino} has a name that none can have` }
  const names = db.prepare(
    // Plain ASCII, as nearly all are, needs no look; length() ends at a NUL.
    "SELECT parent, ino, CAST(name AS BLOB) FROM dentries WHERE name GLOB '*[^ -~]*' OR length(name) <> octet_length(name)",
  )
  names.setReturnArrays(true)
  for (const row of names.iterate() as Iterable<unknown>) {
    const [parent, ino, name] = row as [number, number, Uint8Array | null]
    if (name !== null && isUtf8(name) && !name.includes(0)) continue
    yield { code: 'name-bytes', message: `the name of inode ${ino} in directory ${parent} is no text` }
  }
}

/** Extended attributes that nobody could ask for by their names. Without any name: the constraints of the table say so. */
export function* impossibleAttributes(db: DatabaseSync): Generator<readonly [ino: number, name: Uint8Array]> {
  const names = db.prepare('SELECT ino, CAST(name AS BLOB) FROM xattrs')
  names.setReturnArrays(true)
  for (const row of names.iterate() as Iterable<unknown>) {
    // SQLite takes "IS NOT NULL" of such a column for true without a look.
    const [ino, name] = row as [number, Uint8Array | null]
    if (name === null) continue
    const text = Buffer.from(name).toString()
    const isPossible = XATTR_NAMESPACES.some((space) => text.startsWith(space) && text !== space)
    if (!isPossible || name.includes(0) || !isUtf8(name)) yield [ino, name]
  }
}
