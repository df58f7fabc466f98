/**
 * Reading a damaged table: every row that SQLite can still get at. From the lowest key up; where a page cannot be read, on
 * behind it, in steps that grow; then once from the highest key down, to what the steps went over. Only salvage.ts calls.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isSqliteError, isUnrepresentable } from './sqlite-errors.ts'

/** Values as SQLite has them; integers as bigints, since they may be anything. */
export type RawRow = readonly unknown[]

const LARGEST = (1n << 63n) - 1n

export interface RawTable {
  readonly table: string
  readonly columns: string
  /** The first column of the key: an integer. */
  readonly key: string
  /** Place of the key in `columns`. */
  readonly keyAt: number
  /** `INDEXED BY …`, to read from an index instead. */
  readonly through?: string
}

/** Rows may come twice. `onDamage` is told of each place that cannot be read. */
export function* readableRows(
  db: DatabaseSync,
  { table, columns, key, keyAt, through = 'NOT INDEXED' }: RawTable,
  onDamage: (message: string) => void,
): Generator<RawRow> {
  const prepare = (direction: string, comparison: string) => {
    const statement = db.prepare(
      `SELECT ${columns} FROM ${table} ${through} WHERE ${key} ${comparison} ? ORDER BY ${key} ${direction}`,
    )
    statement.setReturnArrays(true)
    statement.setReadBigInts(true)
    return statement
  }
  let from = 0n
  let step = 1n
  let isDamaged = false
  try {
    const ascending = prepare('ASC', '>=')
    while (from <= LARGEST) {
      let last: bigint | undefined
      try {
        for (const row of ascending.iterate(from) as Iterable<unknown>) {
          const values = row as RawRow
          if (typeof values[keyAt] === 'bigint') last = values[keyAt]
          yield values
          step = 1n
        }
        break
      } catch (error) {
        if (!isDamage(error)) throw error
        if (!isDamaged) onDamage(`${table}: ${(error as Error).message}`)
        isDamaged = true
        from = (last !== undefined && last >= from ? last : from) + step
        step *= 2n
      }
    }
    if (!isDamaged) return
    for (const row of prepare('DESC', '<=').iterate(LARGEST) as Iterable<unknown>) yield row as RawRow
  } catch (error) {
    if (!isDamage(error)) throw error
    if (!isDamaged) onDamage(`${table}: ${(error as Error).message}`)
  }
}

const isDamage = (error: unknown): boolean => isSqliteError(error) || isUnrepresentable(error)
