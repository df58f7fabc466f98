/**
 * Log versions: what of meta.db-wal a power cut now could leave. SQLite appends frames, each a page of meta.db, the last of a
 * transaction marked as its commit; recovery takes whole transactions up to the first frame whose checksum does not fit.
 * So whatever the kernel wrote back, and in whatever order, what counts is the first byte that is not the newest.
 *
 * When the log is all in meta.db SQLite starts it anew: it writes and syncs a new header, and overwrites the old frames,
 * which no longer fit it.
 */
import assert from 'node:assert/strict'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { codeOf } from '../../src/errors.ts'
import { PAGE_SIZE } from '../../src/metadata/schema.ts'

const HEADER = 32
const FRAME = PAGE_SIZE + 24
const ROOM = 8 << 20
const ROOM_AT_FIRST = 1 << 18
/** What is read now. */
const scratch = Buffer.allocUnsafeSlow(ROOM)

/** One state of the log. Bytes up to `end` are of now; what a cut there would leave behind it is in `durable`. */
export interface LogState {
  /** Up to the end of the last transaction. */
  readonly now: Buffer
  /** As of the last sync. */
  readonly durable: Buffer
  /** Byte behind each transaction that is in the log, and which it is, counted from the start of the recording. */
  readonly commits: readonly { readonly end: number; readonly commit: number }[]
  /** Transactions that are in meta.db for certain. */
  readonly movedCommit: number
  /** No power cut takes these back. */
  readonly durableCommit: number
}

export class LogVersions {
  readonly #path: string
  #buffer = Buffer.alloc(ROOM_AT_FIRST)
  #end = 0
  #salts = ''
  #durable: Buffer = Buffer.alloc(0)
  #commits: LogState['commits'] = []
  #commit = 0
  #movedCommit = 0
  #durableCommit = 0

  /** What is in the log at `path`, if there is one, is durable. */
  constructor(path: string) {
    this.#path = path
    this.look()
    this.#durable = this.#buffer.subarray(0, this.#end)
    this.#durableCommit = this.#commit
  }

  get state(): LogState {
    return {
      now: this.#buffer.subarray(0, this.#end),
      durable: this.#durable,
      commits: this.#commits,
      movedCommit: this.#movedCommit,
      durableCommit: this.#durableCommit,
    }
  }

  /** How many transactions there have been. */
  get commit(): number {
    return this.#commit
  }

  /** Reads what is new. True: a transaction was committed. Never within one. */
  look(): boolean {
    const file = this.#read()
    if (file === undefined || file.length < HEADER) return false
    const salts = file.toString('latin1', 16, 24)
    if (salts !== this.#salts) this.#startAnew(salts)
    const before = this.#commit
    const commits = [...this.#commits]
    for (let at = Math.max(this.#end, HEADER); at + FRAME <= file.length; at += FRAME) {
      if (file.toString('latin1', at + 8, at + 16) !== salts) break
      if (file.readUInt32BE(at + 4) === 0) continue
      commits.push({ end: at + FRAME, commit: ++this.#commit })
      this.#end = at + FRAME
    }
    if (this.#commit === before) return false
    if (this.#end > this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], 2 * this.#end)
    file.copy(this.#buffer, 0, 0, this.#end)
    this.#commits = commits
    return true
  }

  /** A sync of the log that began when `end` bytes and `commit` transactions were there is over. */
  synced({ now, commit }: { readonly now: Buffer; readonly commit: number }): void {
    this.#durable = now
    this.#durableCommit = Math.max(this.#durableCommit, commit)
  }

  /** Everything has been moved to meta.db, and that was synced. */
  moved(): void {
    this.#durable = this.#buffer.subarray(0, this.#end)
    this.#movedCommit = this.#durableCommit = this.#commit
  }

  /** The last connection has gone, and the log with it. */
  gone(): void {
    this.moved()
    this.#startAnew('')
    this.#durable = Buffer.alloc(0)
  }

  #startAnew(salts: string): void {
    if (this.#salts !== '') {
      assert.equal(this.#movedCommit, this.#commit, 'a log starts anew only when all of it is in meta.db')
      this.#durable = this.#buffer.subarray(0, this.#end)
    }
    this.#salts = salts
    this.#buffer = Buffer.alloc(ROOM_AT_FIRST)
    this.#end = 0
    this.#commits = []
  }

  #read(): Buffer | undefined {
    let fd: number
    try {
      fd = openSync(this.#path, 'r')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
    try {
      const { size } = fstatSync(fd)
      assert.ok(size <= ROOM, 'the workload is too long for one log')
      readSync(fd, scratch, 0, size, 0)
      return scratch.subarray(0, size)
    } finally {
      closeSync(fd)
    }
  }
}
