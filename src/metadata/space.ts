/**
 * Space: the free and the busy table, and the counts. Called inside of a transaction.
 *
 * Invariants
 *   1. Rows of `free` neither overlap nor touch: what comes back is merged with its neighbours.
 *   2. Whoever moves blocks from one table to another tells `count` in the same transaction.
 *   3. Ordinary allocation leaves the reserve alone; the caller has checked that there is enough.
 *   4. What is taken from `free`, or comes back, is in no other table at that moment, or EUCLEAN (block-places.ts).
 *
 * Each step is a look into an index: the time does not grow with the pool.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { systemError } from '../errors.ts'
import type { Run } from '../units.ts'
import { BlockPlaces, possibleRun } from './block-places.ts'
import { counted, theRow } from './damage.ts'
import { joinedRuns, makeRun } from './extent-arithmetic.ts'
import type { BusyExtent, BusyPage, Space } from './metadata.ts'
import { reserveOf } from './reserve.ts'

const BUSY_PAGE = 4096

/** By how much the counts of blocks change; that of files is the inode table's. */
export type SpaceChange = Partial<Record<'free' | 'mapped' | 'busy' | 'sequestered', number>>

export class SpaceTable {
  readonly #places: BlockPlaces
  readonly #count: StatementSync
  readonly #grow: StatementSync
  readonly #space: StatementSync
  readonly #freeAt: StatementSync
  readonly #freeBefore: StatementSync
  readonly #smallestWith: StatementSync
  readonly #largest: StatementSync
  readonly #shrink: StatementSync
  readonly #setCount: StatementSync
  readonly #insertFree: StatementSync
  readonly #deleteFree: StatementSync
  readonly #freeRuns: StatementSync
  readonly #insertBusy: StatementSync
  readonly #busyById: StatementSync
  readonly #busyRows: StatementSync
  readonly #deleteBusy: StatementSync
  readonly #takeBusyBlock: StatementSync

  constructor(db: DatabaseSync) {
    const prepare = (sql: string) => {
      const statement = db.prepare(sql)
      statement.setReturnArrays(true)
      return statement
    }
    this.#places = new BlockPlaces(db)
    this.#count = prepare(
      'UPDATE space SET free = free + ?, mapped = mapped + ?, busy = busy + ?, sequestered = sequestered + ?',
    )
    this.#grow = prepare(
      'UPDATE space SET block_count = block_count + ?1, free = free + ?1, reserve = max(reserve, ?2)',
    )
    this.#space = prepare('SELECT block_count, free, mapped, busy, sequestered, files, reserve FROM space')
    this.#freeAt = prepare('SELECT start, count FROM free WHERE start = ?')
    this.#freeBefore = prepare('SELECT start, count FROM free WHERE start < ? ORDER BY start DESC LIMIT 1')
    this.#smallestWith = prepare('SELECT start, count FROM free WHERE count >= ? ORDER BY count, start LIMIT 1')
    this.#largest = prepare('SELECT start, count FROM free ORDER BY count DESC, start LIMIT 1')
    this.#shrink = prepare('UPDATE free SET start = start + ?1, count = count - ?1 WHERE start = ?2')
    this.#setCount = prepare('UPDATE free SET count = ? WHERE start = ?')
    this.#insertFree = prepare('INSERT INTO free (start, count) VALUES (?, ?)')
    this.#deleteFree = prepare('DELETE FROM free WHERE start = ?')
    this.#freeRuns = prepare('SELECT start, count FROM free ORDER BY start')
    this.#insertBusy = prepare('INSERT INTO busy (start, count) VALUES (?, ?)')
    this.#busyById = prepare('SELECT start, count FROM busy WHERE id = ?')
    this.#busyRows = prepare('SELECT start, count, id FROM busy WHERE id > ? ORDER BY id LIMIT ?')
    this.#deleteBusy = prepare('DELETE FROM busy WHERE id = ?')
    this.#takeBusyBlock = prepare('DELETE FROM busy WHERE start = ? AND count = 1')
  }

  /** Adds to the counts; the CHECKs of the table refuse a miscount. */
  count({ free = 0, mapped = 0, busy = 0, sequestered = 0 }: SpaceChange): void {
    this.#count.run(free, mapped, busy, sequestered)
  }

  space(): Space {
    const row = theRow(this.#space.get() as unknown as number[] | undefined, 'space')
    for (const value of row) counted(value, 'a count of the table space')
    const [blockCount, free, mapped, busy, sequestered, files, reserve] = row as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    return { blockCount, free, mapped, busy, sequestered, files, reserve }
  }

  /** Adopts `blockCount` blocks, when those are more than there are; the new ones are free, and the reserve grows along. */
  grow(blockCount: number): void {
    const present = this.space().blockCount
    const added = blockCount - present
    if (added <= 0) return
    this.give([makeRun(present, added)])
    this.#grow.run(added, reserveOf(blockCount))
  }

  /**
   * Takes up to `count` free blocks as one run: at `goal` when that is free; else from the smallest run that holds
   * `wish`, else `count`; else the whole of the largest. The caller knows that enough is free in all.
   */
  take(count: number, goal: number | undefined, wish: number): Run {
    const run =
      (goal === undefined ? undefined : this.#one(this.#freeAt, goal)) ??
      (wish > count ? this.#one(this.#smallestWith, wish) : undefined) ??
      this.#one(this.#smallestWith, count) ??
      this.#largestRun()
    const taken = makeRun(run.start, Math.min(run.count, count))
    if (taken.count === run.count) this.#deleteFree.run(run.start)
    else this.#shrink.run(taken.count, run.start)
    this.#places.refuseElsewhere(taken, 'is free')
    return taken
  }

  /** Takes up to `count` blocks at exactly `start`; undefined when that is not the start of a free run. */
  takeAt(start: number, count: number): Run | undefined {
    return this.#one(this.#freeAt, start) === undefined ? undefined : this.take(count, start, count)
  }

  /** Takes `count` blocks, the smallest free runs first: what is handed out singly need not be contiguous. */
  takeScattered(count: number): Run[] {
    const runs: Run[] = []
    for (let left = count; left > 0;) {
      const run = this.take(Math.min(left, this.#one(this.#smallestWith, 1)?.count ?? left), undefined, 0)
      runs.push(run)
      left -= run.count
    }
    return runs
  }

  /** Makes runs free, merged with their neighbours. */
  give(runs: readonly Run[]): void {
    for (const run of joinedRuns(runs)) {
      const { start, count } = run
      this.#places.refuseElsewhere(run, 'is to be free')
      const before = this.#one(this.#freeBefore, start)
      const after = this.#one(this.#freeAt, start + count)
      const total = count + (after?.count ?? 0)
      if (after !== undefined) this.#deleteFree.run(after.start)
      if (before !== undefined && before.start + before.count === start) {
        this.#setCount.run(before.count + total, before.start)
      } else {
        this.#insertFree.run(start, total)
      }
    }
  }

  freeRuns(): Run[] {
    const rows = this.#freeRuns.all() as unknown as [number, number][]
    return rows.map(([start, count]) => possibleRun(start, count))
  }

  addBusy(run: Run): BusyExtent {
    const { lastInsertRowid } = this.#insertBusy.run(run.start, run.count)
    return { id: Number(lastInsertRowid), ...run }
  }

  busyExtents({ after = 0, limit = BUSY_PAGE }: BusyPage): BusyExtent[] {
    const rows = this.#busyRows.all(after, limit) as unknown as [number, number, number][]
    return rows.map(([start, count, id]) => Object.assign(possibleRun(start, count), { id }))
  }

  /** The same; EUCLEAN when one of them shares a block with anything else. */
  busyExtentsToFree({ after = 0, limit = BUSY_PAGE }: BusyPage): BusyExtent[] {
    return this.#places.busyExtents(after, limit)
  }

  /** Takes a busy extent out of the table; undefined when it is gone. */
  takeBusy(id: number): Run | undefined {
    const run = this.#one(this.#busyById, id)
    if (run !== undefined) this.#deleteBusy.run(id)
    return run
  }

  /** Takes the busy extent that is this one block; false when there is none. */
  takeBusyBlock(block: number): boolean {
    return this.#takeBusyBlock.run(block).changes === 1
  }

  #largestRun(): Run {
    const run = this.#one(this.#largest)
    if (run === undefined)
      throw systemError('EUCLEAN', 'free space is less than counted; run fsck', { syscall: 'allocate' })
    return run
  }

  #one(statement: StatementSync, ...parameters: number[]): Run | undefined {
    const row = statement.get(...parameters) as unknown as [number, number] | undefined
    return row === undefined ? undefined : possibleRun(row[0], row[1])
  }
}
