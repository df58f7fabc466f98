/**
 * The schema that a store has against the one it must have. A trigger or view that somebody put in would run within our
 * transactions, and a table made anew may lack the constraints that the code relies on: a store is used only when its
 * schema is the text of schema.ts, word for word. SQLite's own statistics (`ANALYZE`) may be there.
 */
import { DatabaseSync } from 'node:sqlite'
import { SCHEMA } from './schema.ts'

/** For every connection: what stands in the schema calls nothing but plain functions, and damaged pages are looked for. */
export const DISTRUST = 'PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON'

/** A table, index, trigger or view. */
export interface SchemaDifference {
  readonly what: 'missing' | 'foreign' | 'changed'
  readonly type: string
  readonly name: string
}

interface SchemaRow {
  readonly type: string
  readonly name: string
  readonly sql: string | null
}

const ROWS = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY name"

let declared: ReadonlyMap<string, SchemaRow> | undefined

/** As SQLite itself writes it down; made once. */
function declaredRows(): ReadonlyMap<string, SchemaRow> {
  if (declared === undefined) {
    const db = new DatabaseSync(':memory:')
    db.exec(SCHEMA)
    declared = rowsOf(db)
    db.close()
  }
  return declared
}

const rowsOf = (db: DatabaseSync): ReadonlyMap<string, SchemaRow> =>
  new Map((db.prepare(ROWS).all() as unknown as SchemaRow[]).map((row) => [row.name, row]))

/** None: the schema is the right one. Price: 50 µs, the first time 1 ms. */
export function schemaDifferences(db: DatabaseSync): SchemaDifference[] {
  const wanted = declaredRows()
  const found = rowsOf(db)
  const differences: SchemaDifference[] = []
  for (const { type, name, sql } of wanted.values()) {
    const row = found.get(name)
    if (row === undefined) differences.push({ what: 'missing', type, name })
    else if (row.type !== type || row.sql !== sql) differences.push({ what: 'changed', type: row.type, name })
  }
  for (const { type, name } of found.values()) {
    if (!wanted.has(name)) differences.push({ what: 'foreign', type, name })
  }
  return differences
}

/** In words, for messages. */
export const inWords = ({ what, type, name }: SchemaDifference): string => `the ${type} ${name} is ${what}`
