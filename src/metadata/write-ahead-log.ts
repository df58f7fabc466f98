/**
 * The write-ahead log, meta.db-wal: when what it holds is durable, and when it moves into meta.db.
 *
 * It is the only file of the store that may be opened beside SQLite: it carries no locks. Only `SqliteConnection` calls.
 */
import { openSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { codeOf } from '../errors.ts'
import { tryLock } from '../platform/file-lock.ts'
import { PAGE_SIZE } from './schema.ts'

/** Bytes of one frame: a page and its header. */
const FRAME_SIZE = PAGE_SIZE + 24
/** A log with more frames than this that are not in meta.db asks for a checkpoint: 8 MiB. */
const WANTED_FRAMES = Math.ceil((8 << 20) / FRAME_SIZE)
/** A log with more frames than this, in meta.db or not, is made to start anew: 32 MiB. */
const HUGE_FRAMES = Math.ceil((32 << 20) / FRAME_SIZE)
/** SQLite cuts the log to this when it starts anew. */
export const LOG_SIZE_LIMIT = 16 << 20
/** Commits between two looks at the length of the log. Together they write far less than what makes a checkpoint due. */
const COMMITS_PER_LOOK = 64
/** SQLite tells the length of the log since 3.51; before, it would do a whole checkpoint instead. */
const [major = 0, minor = 0] = (process.versions['sqlite'] ?? '').split('.').map(Number)
const KNOWS_NOOP = major > 3 || (major === 3 && minor >= 51)
/** Without that: looks after which a log of the wanted size may have that many new frames. */
const LOOKS_PER_CHECKPOINT = 6

/** Syncs a directory, so that the names in it survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

export class WriteAheadLog {
  readonly #db: DatabaseSync
  readonly #path: string
  #length: StatementSync | undefined
  #handle: FileHandle | undefined
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #commits = 0
  #looks = 0
  #wantsCheckpoint = false

  constructor(db: DatabaseSync, databasePath: string) {
    this.#db = db
    this.#path = `${databasePath}-wal`
  }

  noteCommit(): void {
    this.#commits++
  }

  get wantsCheckpoint(): boolean {
    if (this.#commits >= COMMITS_PER_LOOK) this.#look()
    return this.#wantsCheckpoint
  }

  /**
   * Resolves when everything that was in the log at the call is durable. Calls that come while one sync runs share the
   * next one.
   */
  sync(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#syncNow().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    )
    return this.#next
  }

  /** Moves the log into meta.db as far as readers allow. Does not wait for anybody. */
  checkpoint(): void {
    const [, frames] = framesOf(this.#prepared('PASSIVE'))
    // Others who commit during a passive one keep the log from ever being done, and only a log that is done starts anew.
    // RESTART keeps writers out for that time; it does not wait for them either.
    if (frames > HUGE_FRAMES) framesOf(this.#prepared('RESTART'))
    this.#looks = 0
    this.#look()
  }

  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    await this.#handle?.close()
    this.#handle = undefined
  }

  #startNext(): Promise<void> {
    this.#next = undefined
    return this.sync()
  }

  #look(): void {
    this.#commits = 0
    if (!KNOWS_NOOP) {
      // The file does not shrink when the log starts anew: a checkpoint too many now and then.
      const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
      this.#wantsCheckpoint = size > WANTED_FRAMES * FRAME_SIZE && ++this.#looks > LOOKS_PER_CHECKPOINT
      return
    }
    this.#length ??= this.#prepared('NOOP')
    const [, frames, done] = framesOf(this.#length)
    this.#wantsCheckpoint = frames - done > WANTED_FRAMES
  }

  #prepared(mode: 'NOOP' | 'PASSIVE' | 'RESTART'): StatementSync {
    const statement = this.#db.prepare(`PRAGMA wal_checkpoint(${mode})`)
    statement.setReturnArrays(true)
    return statement
  }

  async #syncNow(): Promise<void> {
    // The last process to leave deletes the log and the next to come makes a new one.
    if (this.#handle !== undefined && (await this.#handle.stat()).nlink === 0) {
      await this.#handle.close()
      this.#handle = undefined
    }
    if (this.#handle === undefined) {
      try {
        this.#handle = await open(this.#path, 'r')
      } catch (error) {
        // No log: everything is in meta.db, which SQLite synced when it deleted the log.
        if (codeOf(error) === 'ENOENT') return
        throw error
      }
      await syncDirectory(dirname(this.#path))
    }
    await this.#handle.datasync()
  }
}

function framesOf(statement: StatementSync): [isBusy: number, frames: number, done: number] {
  return statement.get() as unknown as [number, number, number]
}

/** The first of the bytes by whose locks SQLite says that somebody uses meta.db. */
const SHARED_FIRST = 0x4000_0002

/**
 * Keeps SQLite from moving the log into meta.db when its last connection goes, at the latest with this process. After a
 * failed sync the page cache may have less of the log than SQLite thinks, and SQLite does not check what it moves; it does
 * when the next opening recovers. The descriptor is left open on purpose: closing it would end the lock, and SQLite's.
 */
export function keepFromMoving(path: string): void {
  try {
    tryLock(openSync(path, 'r'), SHARED_FIRST, 'shared')
  } catch {
    // It will be moved, then: in nearly every case the page cache has all of it.
  }
}
