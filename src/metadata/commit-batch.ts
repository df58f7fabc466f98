/**
 * A batch: changes of names and attributes in one transaction that stays open from one to the next, and is committed when
 * it is due. For the only participant of a pool, who is told so by `Alone` (layout/solitude.ts); with others there each change
 * is committed at once, as ever.
 *
 * Invariants
 *   1. It is open only between `alone.begin()` and `alone.end()`: nobody else reads or writes the store meanwhile.
 *   2. What is in it gives no block to anybody: what allocates, releases or makes durable commits it first, and so does whatever
 *      awaits (SqliteConnection). An extent that became busy in it is looked at after the next sync, which commits it.
 *   3. Each change of the tables has a savepoint: one that fails takes back itself and nothing else.
 *   4. What was carried out and can't be committed is lost, and then nothing is done any more (`onLost`): an inode number that
 *      is given once more would be another file's, with the first one's handles still open.
 *
 * It is due after LATE_MS or MOST_CHANGES, when somebody comes, and before its owner waits for anything (fuse/loop.ts). A death
 * takes back what is not committed, which is why nothing is put off for longer.
 *
 * For 4 not to be: no batch begins while the host has less space than its log could need many times over. A disk that fails is left.
 */
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { HotRows } from './hot-rows.ts'
import type { Alone, LateCommits } from './metadata.ts'
import type { YoungFiles } from './young-files.ts'

/** How long a change may be put off. */
const LATE_MS = 1
/** Of one batch: bounds its log, and how long a commit takes. */
const MOST_CHANGES = 64
/** What the host must have left for a batch to begin. One writes 2 MiB at most; what others write in LATE_MS is the rest. */
const LEAST_SPACE_BYTES = 64 << 20

export interface BatchParts {
  readonly db: DatabaseSync
  /** Of the database. */
  readonly path: string
  readonly alone: Alone
  readonly rows: HotRows
  readonly young: YoungFiles
  readonly onTransaction: (isActive: boolean) => void
  readonly onCommit: () => void
  /** What was carried out is lost, by this error. */
  readonly onLost: (error: unknown) => void
}

export class CommitBatch implements LateCommits {
  readonly #parts: BatchParts
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #save: StatementSync
  readonly #release: StatementSync
  readonly #rollBack: StatementSync
  #isOpen = false
  #beganMs = 0
  /** Those that were carried out. */
  #changes = 0

  constructor(parts: BatchParts) {
    const { db } = parts
    this.#parts = parts
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#save = db.prepare('SAVEPOINT change')
    this.#release = db.prepare('RELEASE change')
    this.#rollBack = db.prepare('ROLLBACK TO change')
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get isDue(): boolean {
    return this.#isOpen && (this.#changes >= MOST_CHANGES || performance.now() - this.#beganMs >= LATE_MS)
  }

  /** Whether a change may be carried out in it now: it is open then. Throws as BEGIN does. */
  mayTake(): boolean {
    if (this.#isOpen && this.#parts.alone.isStill && this.#changes < MOST_CHANGES) return true
    this.commit()
    return this.#open()
  }

  /** Carries out a change. When it throws, nothing of it remains. `putsOff`: as hot-rows.ts says. */
  run<T>(change: () => T, putsOff: boolean): T {
    const { rows } = this.#parts
    this.#write(putsOff)
    if (putsOff) rows.beginPuttingOff()
    try {
      this.#save.run()
      const result = change()
      this.#release.run()
      this.#changes++
      return result
    } catch (error) {
      if (putsOff) rows.takeBack()
      this.#takeBack(error)
      throw error
    } finally {
      rows.endPuttingOff()
    }
  }

  /** Carries out a change of young files, which writes no table. undefined: it did not change anything. */
  runYoung<T>(change: () => T | undefined): T | undefined {
    const { rows } = this.#parts
    rows.beginPuttingOff()
    let result: T | undefined
    try {
      result = change()
    } finally {
      if (result === undefined) rows.takeBack()
      else this.#changes++
      rows.endPuttingOff()
    }
    return result
  }

  /** Before anything else looks at the tables. Throws when the batch is lost by it. */
  writeRows(): void {
    if (this.#isOpen) this.#write(false)
  }

  #write(putsOff: boolean): void {
    try {
      this.#parts.young.write()
      if (!putsOff) this.#parts.rows.write()
    } catch (error) {
      this.#lose(error)
      throw error
    }
  }

  /** Commits what is open. That it can't be is told to `onLost`. */
  commit(): void {
    if (!this.#isOpen) return
    try {
      this.#parts.young.write()
      this.#parts.rows.write()
      this.#commit.run()
      this.#parts.onCommit()
    } catch (error) {
      this.#lose(error)
      return
    }
    this.#end()
  }

  #open(): boolean {
    const { alone, path, onTransaction } = this.#parts
    if (!alone.begin()) return false
    if (!hasSpace(path)) {
      alone.end()
      return false
    }
    onTransaction(true)
    this.#isOpen = true
    this.#changes = 0
    try {
      this.#begin.run()
    } catch (error) {
      this.#end()
      throw error
    }
    this.#beganMs = performance.now()
    return true
  }

  #takeBack(error: unknown): void {
    try {
      // SQLite has rolled back everything by itself after some errors (full, I/O).
      if (this.#parts.db.isTransaction) {
        this.#rollBack.run()
        this.#release.run()
        return
      }
    } catch {
      // Then all of it goes.
    }
    this.#lose(error)
  }

  #lose(error: unknown): void {
    const { db, onLost } = this.#parts
    try {
      if (db.isTransaction) db.exec('ROLLBACK')
    } finally {
      const isLoss = this.#changes > 0
      this.#end()
      if (isLoss) onLost(error)
    }
  }

  #end(): void {
    this.#isOpen = false
    this.#parts.young.forget()
    this.#parts.rows.forget()
    this.#parts.onTransaction(false)
    this.#parts.alone.end()
  }
}

/** Price: 2 µs. */
function hasSpace(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path))
  return bavail * bsize >= LEAST_SPACE_BYTES
}
