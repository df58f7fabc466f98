/**
 * The store of a pool that nobody has open, for fsck: a connection that looks at everything and can mend it.
 *
 * Invariants
 *   1. The caller keeps everybody else out (the opening lock of the pool), so that one transaction may live across awaits:
 *      all steps of a check see one state, and questions can be asked before anything is written.
 *   2. A repair is committed only when the check finds nothing in it: nothing is made worse.
 *   3. It is all or nothing: one transaction in place; or a new store beside the old one, renamed over it when it is whole
 *      and durable. A crash leaves the one or the other, and what is half made is removed by the next run.
 */
import { existsSync, linkSync, renameSync, rmSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import type { Run } from '../units.ts'
import { CHECK_STEPS, Findings } from './check.ts'
import { ExtentTable } from './extents.ts'
import type { Finding } from './metadata.ts'
import { Repair, repair } from './repair.ts'
import type { BlockCopy } from './repair.ts'
import { salvage } from './salvage.ts'
import type { DeviceFacts } from './salvage.ts'
import { DISTRUST } from './schema-differences.ts'
import { SpaceTable } from './space.ts'
import { HEADER_FORBIDS, isSqliteError, isUnrepresentable, translated } from './sqlite-errors.ts'
import { checkFiles, checkFormat, createStore, UUID } from './sqlite-metadata.ts'
import { lookAt } from './sqlite-reader.ts'
import { syncDirectory } from './write-ahead-log.ts'

/** How a check goes on. Called between its steps; may wait, and may throw to end it. */
export type OnStep = (label: string, step: number, steps: number) => void | Promise<void>

/** A repair that is ready: what it does, and the copies that must be on the device before it is committed. */
export interface Plan {
  readonly actions: readonly string[]
  readonly copies: readonly BlockCopy[]
}

/** Whether a plan is to be carried out; `copies` are made when it resolves to true. */
export type Approve = (plan: Plan) => Promise<boolean>

/** What one finds that cannot be mended where it is. */
const DAMAGED: readonly string[] = ['schema', 'sqlite-integrity', 'constraint', 'unreadable', 'properties']

export const isDamaged = (findings: readonly Finding[]): boolean => findings.some(({ code }) => DAMAGED.includes(code))

class Declined extends Error {}

export class OfflineStore {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #header: readonly Finding[]

  /** EUCLEAN, EPROTONOSUPPORT, EACCES. `isForRepair` false: nothing is written, not even a log is recovered. */
  static async open(path: string, isForRepair: boolean): Promise<OfflineStore> {
    await checkFiles(path, !isForRepair)
    const header = await headerFindings(path)
    let db: DatabaseSync | undefined
    try {
      if (isForRepair) {
        const url = new URL(`${pathToFileURL(path).href}?mode=rw`)
        db = new DatabaseSync(url, { timeout: 0, enableForeignKeyConstraints: false })
        db.exec(`${DISTRUST}; PRAGMA synchronous = FULL`)
      } else {
        db = (await lookAt(path, () => 0)).db
      }
      db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536')
      db.exec(isForRepair ? 'BEGIN IMMEDIATE' : 'BEGIN')
      checkFormat(db, path)
      return new OfflineStore(path, db, header)
    } catch (error) {
      if (db?.isOpen === true) db.close()
      throw translated(error, 'open', path)
    }
  }

  private constructor(path: string, db: DatabaseSync, header: readonly Finding[]) {
    this.#path = path
    this.#db = db
    this.#header = header
  }

  /** The pool's uuid and block count as the store says; undefined: it says nothing of use. A count that others contradict is 1. */
  properties(): DeviceFacts | undefined {
    try {
      const counted = 'iif(free + mapped + space.busy = block_count, block_count, 1) AS block_count'
      const row = this.#db.prepare(`SELECT uuid, ${counted} FROM pool, space`).get()
      const [uuid, blockCount] = [row?.['uuid'], row?.['block_count']]
      const isPossible = typeof uuid === 'string' && UUID.test(uuid) && Number.isSafeInteger(blockCount)
      return isPossible ? { uuid, blockCount: Number(blockCount) } : undefined
    } catch (error) {
      if (!isSqliteError(error) && !isUnrepresentable(error)) throw error
      return undefined
    }
  }

  async check(onStep: OnStep): Promise<Finding[]> {
    return [...this.#header, ...(await checked(this.#db, onStep))]
  }

  /** What is free, and what is mapped. The store is sound. */
  runs(): { free: Run[]; mapped: Run[] } {
    return { free: new SpaceTable(this.#db).freeRuns(), mapped: new ExtentTable(this.#db).mappedRuns() }
  }

  /** Repairs in place; returns what the check finds then: anything, and nothing was changed. undefined: not approved. */
  async repair({ blockCount }: DeviceFacts, approve: Approve, onStep: OnStep): Promise<Finding[] | undefined> {
    this.#db.exec('SAVEPOINT repair')
    try {
      const work = new Repair(this.#db, blockCount)
      repair(work)
      const left = await checked(this.#db, onStep)
      const isApproved = left.length === 0 && (await approve({ actions: work.told, copies: work.copies }))
      this.#db.exec(isApproved ? 'COMMIT' : 'ROLLBACK TO repair')
      return left.length === 0 && !isApproved ? undefined : left
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK TO repair')
      if (!isSqliteError(error) && !isUnrepresentable(error)) throw error
      return [{ code: 'unreadable', message: `SQLite cannot write on: ${(error as Error).message}` }]
    }
  }

  /**
   * Writes the store anew from what can be read of it, and repairs that. As `repair`; when it is done this connection is
   * closed, and the damaged store is kept as `keptAs`.
   */
  async rebuild(
    newPath: string,
    keptAs: string,
    facts: DeviceFacts,
    approve: Approve,
    onStep: OnStep,
  ): Promise<Finding[] | undefined> {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${newPath}${suffix}`, { force: true })
    let left: Finding[] = []
    try {
      await createStore(newPath, async (db) => {
        const lost = salvage(this.#db, db, facts)
        const work = new Repair(db, facts.blockCount)
        for (const what of lost) work.note(`what could not be read is left out: ${what}`)
        work.note('the metadata are written anew from what could be read')
        repair(work)
        left = await checked(db, onStep)
        if (left.length > 0 || !(await approve({ actions: work.told, copies: work.copies }))) throw new Declined()
      })
    } catch (error) {
      if (error instanceof Declined) return left.length === 0 ? undefined : left
      throw error
    }
    await this.#giveWayTo(newPath, keptAs)
    return left
  }

  close(): void {
    if (!this.#db.isOpen) return
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    this.#db.close()
  }

  /** A log with a database's name is that database's, whichever it is: the old log goes before the new store comes. */
  async #giveWayTo(newPath: string, keptAs: string): Promise<void> {
    this.#db.exec('ROLLBACK')
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      if (!isSqliteError(error)) throw error
    }
    this.#db.close()
    linkSync(this.#path, keptAs)
    if (existsSync(`${this.#path}-wal`)) renameSync(`${this.#path}-wal`, `${keptAs}-wal`)
    rmSync(`${this.#path}-shm`, { force: true })
    renameSync(newPath, this.#path)
    await syncDirectory(dirname(resolve(this.#path)))
  }
}

async function checked(db: DatabaseSync, onStep: OnStep): Promise<Finding[]> {
  const found = new Findings()
  for (const [step, check] of CHECK_STEPS.entries()) {
    await onStep(check.label, step, CHECK_STEPS.length)
    if (!found.takeIn(check, db)) break
  }
  return found.list
}

const WRITE_VERSION_AT = 18
/** The log. */
const MOST_WRITE_VERSION = 2

/** Read before SQLite has the file open: closing a descriptor would drop its locks. A log has a header of its own. */
async function headerFindings(path: string): Promise<Finding[]> {
  if ((await stat(`${path}-wal`).catch(() => undefined))?.size) return []
  await using file = await open(path, 'r')
  const { buffer } = await file.read(Buffer.alloc(WRITE_VERSION_AT + 1), { position: 0 })
  return buffer[WRITE_VERSION_AT] > MOST_WRITE_VERSION ? [{ code: 'unreadable', message: HEADER_FORBIDS }] : []
}
