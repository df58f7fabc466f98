/** The race lab of a pool: one run at a time, the last few to be looked at. */
import { randomBytes } from 'node:crypto'
import { systemError } from '../../errors.ts'
import type { Pool } from '../../pool/pool.ts'
import { failureOf } from '../api/failure.ts'
import { LabRun } from './lab-run.ts'
import type { LabOrder } from './order.ts'
import { race } from './race.ts'

const KEPT_RUNS = 8

export class Lab {
  readonly #pool: Pool
  readonly #runs: LabRun[] = []

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** Starts a run; returns its id. EBUSY while another one is under way. */
  start(order: LabOrder): string {
    const last = this.#runs.at(-1)
    if (last !== undefined && !last.hasEnded)
      throw systemError('EBUSY', 'a run is under way; wait for its end', { syscall: 'lab', path: last.id })
    const run = new LabRun(randomBytes(4).toString('hex'))
    this.#runs.push(run)
    if (this.#runs.length > KEPT_RUNS) this.#runs.shift()
    void race(this.#pool, order, run)
      .catch((error: unknown) => run.tell({ kind: 'failure', error: failureOf(error) }))
      .finally(() => run.tell({ kind: 'end' }))
    return run.id
  }

  /** ENOENT. */
  find(id: string): LabRun {
    const run = this.#runs.find((each) => each.id === id)
    if (run === undefined) throw systemError('ENOENT', 'no such run, or one of long ago', { syscall: 'lab', path: id })
    return run
  }
}
