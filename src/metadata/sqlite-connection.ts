/**
 * One connection to meta.db: its settings, its transactions, who waits for whom, and what is durable.
 *
 * Invariants
 *   1. A transaction begins and ends within one synchronous call. Nothing is open across an await, so that the event
 *      loop of a process never holds the lock of the pool. But for the batch of who is alone (commit-batch.ts): nobody else
 *      wants the lock, and it is committed before anything here awaits, and before any other transaction.
 *   2. SQLite never waits (timeout 0): its busy handler would freeze the event loop. The waiting is here, bounded and
 *      abortable (promise 4).
 *   3. No descriptor of ours for meta.db or meta.db-shm is ever closed: that would drop SQLite's locks. The log,
 *      meta.db-wal, carries no locks; it is synced through a descriptor of its own.
 *   4. After a failed sync, ours or anybody's, nothing is done any more until the store is opened afresh: what the kernel
 *      dropped cannot be known.
 */
import assert from 'node:assert/strict'
import { accessSync, constants } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { changesAreLost, isOfSync, openForReading, syncHasFailed, systemError } from '../errors.ts'
import { CommitBatch } from './commit-batch.ts'
import { HEADER_FORBIDS, isBusy, isFailedSync, isFull, isReadOnly, translated } from './sqlite-errors.ts'
import type { Tables } from './tables.ts'
import { TransactionMarks } from './transaction-marks.ts'
import { keepFromMoving, WriteAheadLog } from './write-ahead-log.ts'
import type { SqliteMetadataOptions } from './sqlite-options.ts'
import type { Alone, LateCommits, Patience } from './metadata.ts'
import { turnIfDue } from '../platform/event-loop.ts'

const DEFAULT_BUSY_TIMEOUT_MS = 45_000

/** Sleeps of the first tries, in ms: at most 0.3 in all, since they stop the event loop. */
const SPINS_MS = [0.05, 0.1, 0.15]
const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 6

export class SqliteConnection {
  readonly path: string
  readonly marks: TransactionMarks
  readonly #options: SqliteMetadataOptions
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4))
  #db: DatabaseSync
  #log: WriteAheadLog
  #begin: StatementSync
  #beginRead: StatementSync
  #commit: StatementSync
  #isActive = false
  #waiting = 0
  #isClosed = false
  #failure: unknown
  #batch: CommitBatch | undefined
  /** Why changes of the batch are lost. */
  #loss: unknown

  constructor(db: DatabaseSync, path: string, options: SqliteMetadataOptions) {
    this.path = path
    this.marks = new TransactionMarks(options.marks)
    this.#options = options
    this.#db = db
    this.#log = new WriteAheadLog(db, path)
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#beginRead = db.prepare('BEGIN')
    this.#commit = db.prepare('COMMIT')
  }

  get db(): DatabaseSync {
    return this.#db
  }

  /** What it is called with and returns: as `Metadata.commitLate`. */
  commitLate(alone: Alone, { hotRows, youngFiles }: Pick<Tables, 'hotRows' | 'youngFiles'>): LateCommits {
    this.#batch = new CommitBatch({
      db: this.#db,
      path: this.path,
      alone,
      rows: hotRows,
      young: youngFiles,
      onTransaction: (isActive) => this.#options.onTransaction?.(isActive),
      onCommit: () => this.#log.noteCommit(),
      onLost: (error) => {
        this.#loss ??= this.#translated(error, 'commit')
      },
    })
    return this.#batch
  }

  get wantsCheckpoint(): boolean {
    // SQLite does not look at the log within a transaction.
    this.#batch?.commit()
    return this.#log.wantsCheckpoint
  }

  /** Goes on with `db`, another view of the same store for reading only, and closes the one before. */
  replace(db: DatabaseSync): void {
    const before = this.#db
    this.#db = db
    this.#log = new WriteAheadLog(db, this.path)
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#beginRead = db.prepare('BEGIN')
    this.#commit = db.prepare('COMMIT')
    before.close()
  }

  /** Runs `body` in a write transaction. It may run again; when it throws, nothing of it remains. */
  write<T>(syscall: string, body: () => T, patience?: Patience): Promise<T> {
    if (this.#options.readOnly === true) return Promise.reject(openForReading(syscall))
    const attempt = (): T => {
      this.#batch?.commit()
      this.#refuseAfterFailure(syscall)
      return this.#transaction(body)
    }
    return this.#retried(syscall, attempt, patience)
  }

  /**
   * The same for changes that may be committed late, together with others: `body` allocates nothing and releases nothing.
   * `putsOff`: it can do with what hot-rows.ts says.
   */
  writeLate<T>(syscall: string, body: () => T, patience?: Patience, putsOff = false): Promise<T> {
    const batch = this.#batch
    if (batch === undefined) return this.write(syscall, body, patience)
    const attempt = (): T =>
      this.#mayBatch(batch, syscall) ? this.#batched(batch, body, putsOff) : this.#transaction(body)
    return this.#retried(syscall, attempt, patience)
  }

  /**
   * Carries out a change of young files (young-files.ts) at once, in the batch. undefined: `change` says so, or there can be no
   * batch now, for want of the lock, or since somebody is there, or all is refused: `writeLate` waits, or tells why.
   */
  changeNow<T>(syscall: string, change: () => T | undefined): T | undefined {
    const batch = this.#batch
    if (batch === undefined || this.#isActive || this.#isClosed || this.#hasFailed || this.#loss !== undefined)
      return undefined
    try {
      // What was open may be lost by it.
      if (!batch.mayTake() || this.#loss !== undefined) return undefined
    } catch {
      return undefined
    }
    this.#isActive = true
    try {
      return batch.runYoung(change)
    } catch (error) {
      throw this.#translated(error, syscall)
    } finally {
      this.marks.end()
      this.#isActive = false
    }
  }

  /** Runs `body`, one statement that reads. */
  read<T>(syscall: string, body: () => T): Promise<T> {
    return this.#retried(syscall, () => {
      this.#batch?.writeRows()
      return body()
    })
  }

  /** Runs `body`, several statements that must see one state, in a read transaction. */
  readConsistently<T>(syscall: string, body: () => T): Promise<T> {
    return this.#retried(syscall, () => {
      this.#batch?.commit()
      return this.consistently(body)
    })
  }

  /** Runs `body`, which reads, at once. EAGAIN where `read` would wait: only while a crashed pool's log is recovered. */
  readNow<T>(syscall: string, body: () => T): T {
    this.#refuseAfterFailure(syscall)
    for (const ms of SPINS_MS) {
      try {
        this.#batch?.writeRows()
        return body()
      } catch (error) {
        if (!isBusy(error)) throw this.#translated(error, syscall)
        this.#spin(ms)
      }
    }
    throw systemError('EAGAIN', 'the metadata is being recovered by another process', { syscall, path: this.path })
  }

  /** `body` sees one state of the store: in the transaction that runs already, or in one of its own that only reads. */
  consistently<T>(body: () => T): T {
    if (this.#db.isTransaction) return body()
    this.#beginRead.run()
    try {
      return body()
    } finally {
      if (this.#db.isTransaction) this.#commit.run()
    }
  }

  /** Everything committed before the call is durable when it resolves. */
  async sync(): Promise<void> {
    this.#batch?.commit()
    this.#refuseAfterFailure('fsync')
    try {
      await this.#log.sync()
    } catch (error) {
      if (isOfSync(error)) this.#fail(error)
      throw translated(error, 'fsync', this.path)
    }
    // The kernel tells each descriptor of a loss once: it may have been told to somebody else meanwhile.
    this.#refuseAfterFailure('fsync')
  }

  /** Moves the log into meta.db as far as readers allow. */
  async checkpoint(): Promise<void> {
    if (this.#options.readOnly === true) throw openForReading('checkpoint')
    // Off the event loop first; what SQLite itself syncs before it copies the log is then little.
    await this.sync()
    this.#batch?.commit()
    try {
      this.#log.checkpoint()
    } catch (error) {
      if (!isBusy(error)) throw this.#translated(error, 'checkpoint')
    }
  }

  /** Ends the connection. Whoever waits for the lock gets EBADF, before this resolves. */
  async close(): Promise<void> {
    this.#batch?.commit()
    this.#isClosed = true
    while (this.#waiting > 0) await pause(1)
    await this.#log.close()
    if (!this.#db.isOpen) return
    if (this.#hasFailed && this.#options.readOnly !== true) keepFromMoving(this.path)
    this.#db.close()
  }

  #mayBatch(batch: CommitBatch, syscall: string): boolean {
    const mayBatch = batch.mayTake()
    // What was open may be lost.
    this.#refuseAfterFailure(syscall)
    return mayBatch
  }

  #batched<T>(batch: CommitBatch, body: () => T, putsOff: boolean): T {
    assert(!this.#isActive, 'a callback of the metadata started another transaction')
    this.#isActive = true
    try {
      return batch.run(body, putsOff)
    } finally {
      // Before the commit, of which only those could know who are not there.
      this.marks.end()
      this.#isActive = false
    }
  }

  #transaction<T>(body: () => T): T {
    assert(!this.#isActive, 'a callback of the metadata started another transaction')
    this.#isActive = true
    this.#options.onTransaction?.(true)
    try {
      this.#begin.run()
      try {
        const result = body()
        this.#commit.run()
        this.#log.noteCommit()
        return result
      } catch (error) {
        // SQLite has rolled back by itself after some errors (full, I/O).
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    } finally {
      this.marks.end()
      this.#isActive = false
      this.#options.onTransaction?.(false)
    }
  }

  /** Not an async function: where nothing waits, which is nearly always, one promise is all it costs. */
  #retried<T>(syscall: string, attempt: () => T, patience?: Patience): Promise<T> {
    // Before, not after: what was committed is to be told at once. Never in a callback, which must not begin another.
    const turn = this.#isActive ? undefined : turnIfDue()
    if (turn !== undefined) {
      this.#batch?.commit()
      return turn.then(() => this.#retried(syscall, attempt, patience))
    }
    try {
      this.#refuseAfterFailure(syscall)
      patience?.signal?.throwIfAborted()
      return Promise.resolve(attempt())
    } catch (error) {
      if (isBusy(error)) return this.#waited(syscall, attempt, patience)
      if (isFull(error)) return this.#afterNoSpace(syscall, attempt, error)
      return Promise.reject(this.#translated(error, syscall))
    }
  }

  async #waited<T>(syscall: string, attempt: () => T, patience?: Patience): Promise<T> {
    const timeoutMs = patience?.timeoutMs ?? this.#options.busyTimeoutMs ?? DEFAULT_BUSY_TIMEOUT_MS
    const signal = patience?.signal
    const start = performance.now()
    const stillLocked = (): Error => this.#timedOut(syscall, Math.round(performance.now() - start))
    const watch = this.#options.onWait?.(patience?.operation ?? {}, stillLocked)
    // One waiter of a process is enough to try hard; those behind it would only stop the event loop.
    const spins = this.#waiting === 0 ? SPINS_MS.length : 0
    this.#waiting++
    try {
      for (let tries = 0; ; tries++) {
        const leftMs = timeoutMs - (performance.now() - start)
        if (tries < spins) {
          this.#spin(SPINS_MS[tries])
        } else if (leftMs <= 0) {
          throw this.#timedOut(syscall, timeoutMs)
        } else {
          const growing = Math.min(FIRST_PAUSE_MS * 1.4 ** (tries - spins), LONGEST_PAUSE_MS)
          await this.#pause(Math.min(growing * (0.5 + Math.random()), leftMs), signal)
          this.#refuseAfterFailure(syscall)
        }
        try {
          return attempt()
        } catch (error) {
          if (isFull(error)) return await this.#afterNoSpace(syscall, attempt, error)
          if (!isBusy(error)) throw this.#translated(error, syscall)
        }
        watch?.look()
      }
    } finally {
      watch?.end()
      this.#waiting--
    }
  }

  async #afterNoSpace<T>(syscall: string, attempt: () => T, error: unknown): Promise<T> {
    if (this.#options.onNoSpace?.() !== true) throw this.#translated(error, syscall)
    try {
      return attempt()
    } catch (again) {
      throw this.#translated(again, syscall)
    }
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await pause(ms, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  }

  #spin(ms: number): void {
    Atomics.wait(this.#sleeper, 0, 0, ms)
  }

  #timedOut(syscall: string, timeoutMs: number): Error {
    const holders = this.#options.whoHoldsTransaction?.() ?? []
    const names = holders.map(({ slot, pid, threadId }) => `slot ${slot} (process ${pid}, thread ${threadId})`)
    const who = names.length === 0 ? 'a process that is not in the pin table' : names.join(', ')
    const explanation = `the metadata was locked for ${timeoutMs} ms by ${who}`
    return systemError('ETIMEDOUT', explanation, { syscall, path: this.path, holders })
  }

  #translated(error: unknown, syscall: string): unknown {
    if (isFailedSync(error)) this.#fail(error)
    if (isReadOnly(error) && canBeWritten(this.path)) {
      return systemError('EUCLEAN', `${HEADER_FORBIDS}; run fsck`, { syscall, path: this.path, cause: error })
    }
    return translated(error, syscall, this.path)
  }

  #refuseAfterFailure(syscall: string): void {
    if (this.#isClosed) throw systemError('EBADF', 'the pool was closed meanwhile', { syscall, path: this.path })
    if (this.#hasFailed) throw syncHasFailed(syscall, this.path, this.#failure)
    if (this.#loss !== undefined) throw changesAreLost(syscall, this.path, this.#loss)
  }

  get #hasFailed(): boolean {
    return this.#failure !== undefined || this.#options.syncGuard?.hasSyncFailed() === true
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#options.syncGuard?.onSyncFailed()
  }
}

function canBeWritten(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
