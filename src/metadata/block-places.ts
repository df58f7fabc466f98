/**
 * Each block in one place, looked at where a block changes its place: between two tables it is in none. A store that was
 * tampered with may say otherwise, and then a block that a file has would be discarded as a busy one, or given to another
 * file as a free one. So: EUCLEAN before anything is written. Called inside of a transaction.
 *
 * A place that overlaps `[start, end)` is, of the rows that begin before `end`, the last one: the rows of a table do not
 * overlap. Of a store in which they do, a row that lies within a longer one hides it from this look; fsck sees every row.
 *
 * Price: one statement of three looks into indexes, 5 µs, whatever the pool's size.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { MAX_DEVICE_BLOCKS } from '../units.ts'
import type { Run } from '../units.ts'
import { damaged } from './damage.ts'
import { makeRun } from './extent-arithmetic.ts'
import type { BusyExtent } from './metadata.ts'

/** Where the last row that begins before `before` ends; NULL: there is none. */
const lastEnd = (table: string, column: string, before: string): string =>
  `(SELECT ${column} + count FROM ${table} WHERE ${column} < ${before} ORDER BY ${column} DESC LIMIT 1)`

const PLACES = ['a file has it', 'it is in another busy extent', 'it is free'] as const

export class BlockPlaces {
  readonly #ends: StatementSync
  readonly #busy: StatementSync

  constructor(db: DatabaseSync) {
    this.#ends = db.prepare(
      `SELECT ${lastEnd('extents', 'device_block', '?1')}, ${lastEnd('busy', 'start', '?1')}, ${lastEnd('free', 'start', '?1')}`,
    )
    this.#ends.setReturnArrays(true)
    const end = 'b.start + b.count'
    this.#busy = db.prepare(
      `SELECT b.start, b.count, b.id, ${lastEnd('extents', 'device_block', end)} > b.start, ` +
        `${lastEnd('busy', 'start', 'b.start')} > b.start OR (SELECT max(start) FROM busy WHERE start < ${end}) > b.start, ` +
        `${lastEnd('free', 'start', end)} > b.start FROM busy b WHERE b.id > ? ORDER BY b.id LIMIT ?`,
    )
    this.#busy.setReturnArrays(true)
  }

  /** EUCLEAN when one of the blocks is in any table. `what` is being done with them, as in "block 7 is freed". */
  refuseElsewhere({ start, count }: Run, what: string): void {
    const ends = this.#ends.get(start + count) as unknown as (number | null)[]
    for (const [at, end] of ends.entries())
      if (end !== null && end > start) throw contradiction(start, what, PLACES[at])
  }

  /** Busy extents with ids above `after`, oldest first; EUCLEAN when one of them shares a block with anything else. */
  busyExtents(after: number, limit: number): BusyExtent[] {
    const rows = this.#busy.all(after, limit) as unknown as number[][]
    return rows.map(([start, count, id, ...isElsewhere]) => {
      const at = isElsewhere.indexOf(1)
      if (at >= 0) throw contradiction(start, 'is busy', PLACES[at])
      return Object.assign(possibleRun(start, count), { id })
    })
  }
}

/** EUCLEAN unless a device can have such blocks. */
export function possibleRun(start: number, count: number): Run {
  const isPossible = Number.isSafeInteger(start) && Number.isSafeInteger(count) && start >= 0 && count > 0
  if (!isPossible || start + count > MAX_DEVICE_BLOCKS) throw damaged(`there is a run of ${count} blocks at ${start}`)
  return makeRun(start, count)
}

const contradiction = (start: number, what: string, place: string): Error =>
  damaged(`block ${start}, or one behind it, ${what}, and ${place}`)
