/**
 * The store for who may only read the pool directory. Two ways to look, by whether there is a log:
 *
 *   live      somebody has the pool open, or crashed: SQLite reads log and shared memory, and sees each commit;
 *   at rest   there is no log, and who may not write can make none: SQLite takes meta.db for immutable, without locks.
 *
 * A look at rest does not see that somebody comes and writes. `openings` tells it: each read looks at that number before,
 * so that it sees what was committed before the call, and after, since meta.db may have been written meanwhile; when it has
 * gone up, the store is looked at afresh. A live look stays good: the log is not removed while it lasts.
 */
import { existsSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Holder } from '../errors.ts'
import { systemError } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { Layout, PoolProperties } from './metadata.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { DISTRUST } from './schema-differences.ts'
import { isBusy, isWithoutLog, translated } from './sqlite-errors.ts'
import { SqliteStore } from './sqlite-store.ts'

/** A log may go away between the look for it and its opening, and comes and goes with its index in two steps. */
const TRIES = 20
/** Who leaves last keeps everybody out while it moves the log. */
const BUSY_TRIES = 9000
const PAUSE_MS = 5

/** A look at the store, and which of the two. */
export interface Look {
  readonly db: DatabaseSync
  readonly isAtRest: boolean
  /** What `openings` said before it. */
  readonly openings: number
}

/** How often somebody has opened the store to write: goes up after the log was made, and before the first change. */
export type Openings = () => number

/** Who has changed the store and not committed that yet: somebody who believes to be alone, since nobody knows of who only reads. */
export type Uncommitted = () => Holder[]

/** How long such changes are waited for. They take about a millisecond, unless their process is stopped. */
const COMMIT_TIMEOUT_MS = 45_000
const COMMIT_PAUSE_MS = 1

export class SqliteReader extends SqliteStore {
  readonly #path: string
  readonly #openings: Openings
  readonly #uncommitted: Uncommitted
  #isAtRest: boolean
  #seenOpenings: number
  #reopening: Promise<void> | undefined
  #isClosed = false

  /** The format of what is looked at is checked. */
  constructor(
    connection: SqliteConnection,
    properties: PoolProperties,
    look: Look,
    { openings, uncommitted }: { readonly openings: Openings; readonly uncommitted: Uncommitted },
  ) {
    super(connection, properties)
    this.#path = connection.path
    this.#openings = openings
    this.#uncommitted = uncommitted
    this.#isAtRest = look.isAtRest
    this.#seenOpenings = look.openings
  }

  /** True: what others commit after this was opened, or reopened, is not seen until it is reopened. */
  get isAtRest(): boolean {
    return this.#isAtRest
  }

  /** Looks afresh; nothing to do when the look is live. Costs about as much as opening. */
  reopen(): Promise<void> {
    if (!this.#isAtRest) return Promise.resolve()
    this.#reopening ??= this.#lookAfresh().finally(() => {
      this.#reopening = undefined
    })
    return this.#reopening
  }

  override layoutNow(ino: InodeNumber): Layout | undefined {
    const mustWait = this.#isOver() || this.#uncommitted().length > 0
    const layout = mustWait ? undefined : super.layoutNow(ino)
    if (!mustWait && !this.#isOver()) return layout
    throw systemError('EAGAIN', 'the metadata have to be looked at afresh', { syscall: 'layout', path: this.#path })
  }

  override close(): Promise<void> {
    this.#isClosed = true
    return super.close()
  }

  protected override read<T>(syscall: string, body: () => T): Promise<T> {
    return this.#whenCommitted(syscall, () =>
      this.#isAtRest ? this.#upToDate(() => super.read(syscall, body)) : super.read(syscall, body),
    )
  }

  protected override readConsistently<T>(syscall: string, body: () => T): Promise<T> {
    return this.#whenCommitted(syscall, () =>
      this.#isAtRest
        ? this.#upToDate(() => super.readConsistently(syscall, body))
        : super.readConsistently(syscall, body),
    )
  }

  /** What had been carried out before the call is to be seen, and what is read may be kept under marks that were loaded before (solitude.ts). */
  #whenCommitted<T>(syscall: string, read: () => Promise<T>): Promise<T> {
    return this.#uncommitted().length === 0 ? read() : this.#afterCommit(syscall, read)
  }

  async #afterCommit<T>(syscall: string, read: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + COMMIT_TIMEOUT_MS
    for (;;) {
      const holders = this.#uncommitted()
      if (holders.length === 0) return read()
      if (performance.now() >= deadline) {
        const what = 'the last changes of the metadata are not committed by who made them; is that process stopped?'
        throw systemError('ETIMEDOUT', what, { syscall, path: this.#path, holders })
      }
      await pause(COMMIT_PAUSE_MS)
    }
  }

  /** Whether somebody has opened the store to write since this look at rest. */
  #isOver(): boolean {
    return this.#isAtRest && this.#openings() !== this.#seenOpenings
  }

  async #upToDate<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#isOver()) await this.reopen()
      try {
        const value = await read()
        if (!this.#isOver()) return value
      } catch (error) {
        // Of a file that is being written pages may not fit together.
        if (!this.#isOver()) throw error
      }
    }
  }

  async #lookAfresh(): Promise<void> {
    const { db, isAtRest, openings } = await lookAt(this.#path, this.#openings)
    this.#isAtRest = isAtRest
    this.#seenOpenings = openings
    if (this.#isClosed) db.close()
    else this.look(db)
  }
}

/** Opens the database for reading and reads its first page. */
export async function lookAt(path: string, countOpenings: Openings): Promise<Look> {
  await access(path, constants.R_OK)
  for (let tries = 1; ; tries++) {
    const openings = countOpenings()
    const isAtRest = !existsSync(`${path}-wal`)
    const url = new URL(`${pathToFileURL(path).href}?${isAtRest ? 'immutable=1' : 'mode=ro'}`)
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(url, { timeout: 0, readOnly: true, defensive: true })
      db.exec(DISTRUST)
      db.prepare('PRAGMA schema_version').get()
      db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384')
      return { db, isAtRest, openings }
    } catch (error) {
      if (db?.isOpen === true) db.close()
      const isWaitedFor = isBusy(error) && tries < BUSY_TRIES
      if (!isWithoutLog(error) && !isWaitedFor) throw translated(error, 'open', path)
      if (isWithoutLog(error) && tries >= TRIES) {
        const explanation = 'the metadata has a log that cannot be read; let somebody who may write open the pool once'
        throw systemError('EACCES', explanation, { syscall: 'open', path, cause: error })
      }
      await pause(PAUSE_MS)
    }
  }
}
