/**
 * The store for who may only read the pool directory. Two ways to look, by whether there is a log:
 *
 *   live      somebody has the pool open, or crashed: SQLite reads log and shared memory, and sees each commit;
 *   at rest   there is no log, and who may not write can make none: SQLite takes meta.db for immutable, without locks.
 *
 * A look at rest does not see that somebody comes and writes: the caller knows it from the pin table, and asks for
 * another look. A live look stays good: the log is not removed while it lasts.
 */
import { existsSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { systemError } from '../errors.ts'
import type { PoolProperties } from './metadata.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { isWithoutLog, translated } from './sqlite-errors.ts'
import { SqliteStore } from './sqlite-store.ts'

/** A log may go away between the look for it and its opening, and comes and goes with its index in two steps. */
const TRIES = 20
const PAUSE_MS = 5

/** A look at the store, and which of the two. */
export interface Look {
  readonly db: DatabaseSync
  readonly isAtRest: boolean
}

export class SqliteReader extends SqliteStore {
  readonly #path: string
  #isAtRest: boolean
  #reopening: Promise<void> | undefined

  /** The format of what is looked at is checked. */
  constructor(connection: SqliteConnection, properties: PoolProperties, isAtRest: boolean) {
    super(connection, properties)
    this.#path = connection.path
    this.#isAtRest = isAtRest
  }

  /** True: what others commit after this was opened, or reopened, is not seen; reopen when somebody attached. */
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

  async #lookAfresh(): Promise<void> {
    const { db, isAtRest } = await lookAt(this.#path)
    this.look(db)
    this.#isAtRest = isAtRest
  }
}

/** Opens the database for reading and reads its first page. */
export async function lookAt(path: string): Promise<Look> {
  await access(path, constants.R_OK)
  for (let tries = 1; ; tries++) {
    const isAtRest = !existsSync(`${path}-wal`)
    const url = new URL(`${pathToFileURL(path).href}?${isAtRest ? 'immutable=1' : 'mode=ro'}`)
    let db: DatabaseSync | undefined
    try {
      db = new DatabaseSync(url, { timeout: 0, readOnly: true })
      db.prepare('PRAGMA schema_version').get()
      db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384')
      return { db, isAtRest }
    } catch (error) {
      if (db?.isOpen === true) db.close()
      if (!isWithoutLog(error)) throw translated(error, 'open', path)
      if (tries === TRIES) {
        const explanation = 'the metadata has a log that cannot be read; let somebody who may write open the pool once'
        throw systemError('EACCES', explanation, { syscall: 'open', path, cause: error })
      }
      await pause(PAUSE_MS)
    }
  }
}
