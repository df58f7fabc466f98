/**
 * Recorder: a pool that remembers, after every step of what is done to it, what a power cut or a kill at that moment could
 * leave. Steps are allocations, discards, flushes, commits, syncs of the log, checkpoints, and writes when told of.
 *
 * What is durable is taken from the calls that reach the host: fdatasync of the device and of meta.db-wal. What SQLite syncs
 * by itself, in a checkpoint and when the log starts anew, is taken from its documentation: the log before meta.db, meta.db
 * before it counts as moved, a new header before new frames.
 *
 * meta.db is read through a descriptor opened before anything of SQLite's and closed after it: closing one would drop the
 * process's locks.
 */
import assert from 'node:assert/strict'
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Device } from '../../src/device/device.ts'
import { DATA_START, LABEL_BYTES } from '../../src/device/label.ts'
import type { Pool } from '../../src/index.ts'
import { Solitude } from '../../src/layout/solitude.ts'
import type { LateCommits, Metadata } from '../../src/metadata/metadata.ts'
import type { Foundations } from '../../src/pool/foundations.ts'
import { FILES } from '../../src/pool/foundations.ts'
import { openPoolOn } from '../../src/pool/open-pool.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import type { Contents } from './file-contents.ts'
import { FileContents } from './file-contents.ts'
import type { LogState } from './log-versions.ts'
import { LogVersions } from './log-versions.ts'
import type { Versions } from './page-versions.ts'
import { PageVersions } from './page-versions.ts'
import type { Portrait } from './portrait.ts'
import { Painter } from './portrait.ts'
import { watchSyncs } from './watched-syncs.ts'

export interface Step {
  readonly index: number
  readonly what: string
  /** A transaction was committed just before: a process may have died with all but its commit done. */
  readonly isCommit: boolean
  /** In front of the blocks of the device. It never changes. */
  readonly label: Buffer
  readonly pages: readonly Versions[]
  /** The length of the device that is durable. */
  readonly durableBlocks: number
  /** Blocks that the host has space for. */
  readonly allocated: ReadonlySet<number>
  /** meta.db: what is durable first, what was moved into it since last. */
  readonly database: readonly Buffer[]
  readonly log: LogState
  readonly contents: Contents
  /** What the pool says of the boot that it was last made sound on. */
  readonly boot: string
}

/** Comes between the pool and what is recorded, to plant a defect. */
export interface Faults {
  readonly device?: (device: Device) => Device
  readonly metadata?: (metadata: Metadata) => Metadata
  /** Throws what a sync of the log fails with. */
  readonly logSync?: () => void
}

/** Of a pool that commits changes of names late, as a mount that is alone does: whether to commit them now, after a call of the store. */
export type CommitsNow = () => boolean

export class Recorder {
  readonly steps: Step[] = []
  /** After each transaction, from before the first one on. */
  readonly portraits: Portrait[] = []
  readonly path: string
  readonly #faults: Faults
  readonly #commitsNow: CommitsNow | undefined
  readonly #deviceFd: number
  readonly #label: Buffer
  readonly #databaseFd: number
  readonly #db: DatabaseSync
  readonly #painter: Painter
  readonly #log: LogVersions
  readonly #pages: PageVersions
  readonly #contents = new FileContents()
  readonly #allocated: Set<number>
  #database: readonly Buffer[]
  #scratch: Buffer | undefined
  #watching: Disposable | undefined
  #late: LateCommits | undefined

  /** Of a pool that nobody has open. What is there is durable. */
  constructor(path: string, faults: Faults = {}, commitsNow?: CommitsNow) {
    const files = poolDirectory(path)
    this.path = path
    this.#faults = faults
    this.#commitsNow = commitsNow
    this.#deviceFd = openSync(files.device, 'r')
    this.#label = contentOf(this.#deviceFd).subarray(0, LABEL_BYTES)
    this.#databaseFd = openSync(files.metadata, 'r')
    this.#database = [contentOf(this.#databaseFd)]
    this.#db = new DatabaseSync(files.metadata, { timeout: 0 })
    this.#painter = new Painter(this.#db)
    this.portraits.push(this.#painter.portrait())
    this.#log = new LogVersions(`${files.metadata}-wal`)
    // What was in the log before is the first portrait.
    while (this.portraits.length <= this.#log.commit) this.portraits.push(this.portraits[0])
    this.#pages = new PageVersions(contentOf(this.#deviceFd, DATA_START))
    this.#allocated = new Set(
      this.#pages.lists.flatMap(([page], block) => (page.every((byte) => byte === 0) ? [] : [block])),
    )
    this.#contents.look(this.portraits[0], this.#pages.lists)
  }

  get foundations(): Foundations {
    return {
      openDevice: (path, blockCount) =>
        (this.#faults.device ?? same)(this.#watched(FILES.openDevice(path, blockCount))),
      openMetadata: async (path, options) => {
        const onTransaction = (isActive: boolean): void => {
          options?.onTransaction?.(isActive)
          // A call that commits what was put off commits twice.
          if (!isActive) this.#lookForCommit('a transaction')
        }
        const store = await FILES.openMetadata(path, { ...options, onTransaction })
        return (this.#faults.metadata ?? same)(this.#watchedStore(store))
      },
    }
  }

  async open(): Promise<Pool> {
    this.#watching = await watchSyncs(`${this.path}/meta.db-wal`, () => this.#beginLogSync())
    const pool = await openPoolOn(this.foundations, this.path)
    const { metadata, table } = pool.fileSystem
    if (this.#commitsNow !== undefined) this.#late = metadata.commitLate!(new Solitude(table))
    return pool
  }

  /** A step that does not come by here by itself: bytes written to a block. */
  step(what: string): void {
    this.#look()
    this.#note(what, false)
  }

  /** Runs a sync of files, all or those given: what they held at the call must not be lost any more. */
  async synced(run: () => Promise<void>, inos?: readonly number[]): Promise<void> {
    this.#look()
    const marks = this.#contents.marks()
    const { commit } = this.#log
    await run()
    this.#look()
    this.#contents.synced(marks, inos)
    assert.ok(this.#log.state.durableCommit >= commit, 'a sync resolved before the log was synced')
    assert.ok(this.#late?.isOpen !== true, 'a sync resolved before what was put off was committed')
    this.#note('synced', false)
  }

  /** The pool is closed. */
  close(): void {
    this.#watching?.[Symbol.dispose]()
    this.#db.close()
    this.#database = [...this.#database, contentOf(this.#databaseFd)]
    this.#note('moved by the last close', false)
    this.#log.gone()
    this.#database = this.#database.slice(-1)
    this.#note('closed', false)
    closeSync(this.#deviceFd)
    closeSync(this.#databaseFd)
  }

  #look(): void {
    this.#pages.look((this.#scratch = contentOf(this.#deviceFd, DATA_START, this.#scratch)))
    const foreign = this.#contents.look(this.portraits[this.portraits.length - 1], this.#pages.lists)
    assert.deepEqual(foreign, [], 'a file shows what is not its own')
  }

  #note(what: string, isCommit: boolean): void {
    this.steps.push({
      index: this.steps.length,
      what,
      isCommit,
      label: this.#label,
      pages: this.#pages.lists,
      durableBlocks: this.#pages.durableBlocks,
      allocated: new Set(this.#allocated),
      database: this.#database,
      log: this.#log.state,
      contents: this.#contents.now,
      boot: bootOf(this.path),
    })
  }

  #called(operation: string): void {
    this.#lookForCommit(operation)
    if (this.#late?.isOpen === true && this.#commitsNow?.() === true) this.#late.commit()
  }

  #lookForCommit(operation: string): void {
    if (!this.#log.look()) return
    const portrait = this.#painter.portrait()
    while (this.portraits.length <= this.#log.commit) this.portraits.push(portrait)
    this.#look()
    this.#note(`${operation} committed`, true)
  }

  #beginLogSync(): () => void {
    this.#faults.logSync?.()
    this.#lookForCommit('somebody')
    const begun = { now: this.#log.state.now, commit: this.#log.commit }
    return () => {
      this.#log.synced(begun)
      this.step('the log is synced')
    }
  }

  #watched(device: Device): Device {
    const blocks = ({ start, count }: { start: number; count: number }): number[] =>
      Array.from({ length: count }, (_, i) => start + i)
    return {
      get blockCount() {
        return device.blockCount
      },
      map: (run) => device.map(run),
      prefetch: (run) => device.prefetch(run),
      allocate: (run) => {
        device.allocate(run)
        for (const block of blocks(run)) this.#allocated.add(block)
        this.step(`allocate ${run.start}+${run.count}`)
      },
      discard: (run) => {
        this.step('before a discard')
        device.discard(run)
        for (const block of blocks(run)) this.#allocated.delete(block)
        this.step(`discard ${run.start}+${run.count}`)
      },
      flush: async () => {
        this.step('a flush begins')
        const marks = this.#pages.marks()
        await device.flush()
        this.#look()
        this.#pages.flushed(marks)
        this.#note('flushed', false)
      },
      flushRun: (run) => {
        this.step('before a flush of a run')
        device.flushRun(run)
        this.#pages.flushed(this.#pages.marks(), blocks(run))
        this.#note(`flush ${run.start}+${run.count}`, false)
      },
      grow: (blockCount) => {
        device.grow(blockCount)
        this.step('the device has grown')
      },
      close: () => device.close(),
    }
  }

  #watchedStore(metadata: Metadata): Metadata {
    const watch = (operation: string, method: (...all: unknown[]) => unknown): ((...all: unknown[]) => unknown) => {
      return (...all) => {
        const result = method.apply(metadata, all)
        if (operation === 'layoutNow' || operation === 'close') return result
        this.#called(operation)
        if (!(result instanceof Promise)) return result
        return result.then((value: unknown) => {
          this.#called(operation)
          if (operation === 'checkpoint') this.#moved()
          return value
        })
      }
    }
    return new Proxy(metadata, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? watch(String(name), value as () => unknown) : value
      },
    })
  }

  /** A checkpoint is over. */
  #moved(): void {
    this.#database = [...this.#database, contentOf(this.#databaseFd)]
    this.step('a checkpoint in the middle')
    this.#log.moved()
    this.#database = this.#database.slice(-1)
    this.step('checkpoint')
  }
}

function bootOf(path: string): string {
  try {
    return readFileSync(join(path, 'pins', 'boot'), 'utf8')
  } catch {
    return ''
  }
}

const same = <T>(it: T): T => it

/** From byte `start` of the file on; in `scratch` when that is as long. */
function contentOf(fd: number, start = 0, scratch?: Buffer): Buffer {
  const size = fstatSync(fd).size - start
  const content = scratch?.length === size ? scratch : Buffer.allocUnsafeSlow(size)
  for (let at = 0; at < content.length;) at += readSync(fd, content, at, content.length - at, start + at)
  return content
}

/** Bytes of the host that the blocks of a device take. */
export const spaceOf = (path: string): number => statSync(path).blocks * 512 - DATA_START
