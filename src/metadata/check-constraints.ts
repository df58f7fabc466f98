/**
 * The CHECK constraints of the schema, asked of every row. SQLite's integrity check does that too, but not through a connection
 * that only reads: there it does not even parse them. The expressions are cut out of the schema's text, so that they stand in
 * one place. Only check.ts calls.
 */
import type { CheckStep } from './check.ts'
import { SCHEMA } from './schema.ts'

const plain = SCHEMA.replaceAll(/--[^\n]*/g, '')

export const CONSTRAINT_STEPS: readonly CheckStep[] = [...plain.matchAll(/CREATE TABLE (\w+) \((.*?)\n\)/gs)].map(
  ([, table, body]) => {
    const checks = checksIn(body)
    const key = /\w+/.exec(body)?.[0] ?? 'rowid'
    const broken = checks.map((check) => `NOT (${check})`).join(' OR ')
    const which = checks.map((check) => `WHEN NOT (${check}) THEN '${check.replaceAll("'", "''")}'`).join(' ')
    return {
      label: `constraints of ${table}`,
      *run(db) {
        const rows = db.prepare(
          `SELECT '${table} ' || coalesce(${key}, 'without a key') || ' must have: ' || CASE ${which} END AS message FROM ${table} WHERE ${broken}`,
        )
        for (const row of rows.iterate()) yield { code: 'constraint', message: String(row['message']) }
      },
    }
  },
)

/** What stands between `CHECK (` and the parenthesis that closes it. */
function checksIn(body: string): string[] {
  return [...body.matchAll(/CHECK \(/g)].map(({ index }) => {
    const start = index + 'CHECK ('.length
    let depth = 1
    let end = start
    for (; depth > 0; end++) {
      if (body[end] === '(') depth++
      if (body[end] === ')') depth--
    }
    return body.slice(start, end - 1).replaceAll(/\s+/g, ' ')
  })
}
