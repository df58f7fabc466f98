/** What a participant of a test runs: see participant.ts, which starts it. */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { parentPort } from 'node:worker_threads'
import { breakLayout } from '../../src/layout/break-layout.ts'
import { withCopyClaim } from '../../src/files/data.ts'
import type { File, Pin, Pool } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import * as data from './stamps.ts'

/** What functions given to `Participant.run` get. */
export interface Here {
  /** The pool it is attached to. */
  readonly pool: Pool
  /** Files, pins and what else has to live longer than one function. */
  readonly kept: Record<string, unknown> & { file: File; pin: Pin }
  readonly createPool: typeof createPool
  readonly openPool: typeof openPool
  readonly data: typeof data
  /** Imports a module of the test's, by its URL. */
  load<T>(url: string): Promise<T>
  readonly inside: { readonly breakLayout: typeof breakLayout; readonly withCopyClaim: typeof withCopyClaim }
  attach(path: string): Promise<void>
  /** Tells the test, and blocks this thread for good. */
  hang(): never
}

interface Order {
  readonly id: number
  readonly source: string
  readonly args: readonly unknown[]
}

/** `id` below 0: it hangs. */
export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly message: string }
}

const HUNG_FD = 4
let pool: Pool | undefined

const here: Here = {
  get pool() {
    if (pool === undefined) throw new Error('this participant is not attached')
    return pool
  },
  kept: {} as Here['kept'],
  createPool,
  openPool,
  data,
  load: <T>(url: string) => import(url) as Promise<T>,
  inside: { breakLayout, withCopyClaim },
  async attach(path) {
    await pool?.close({ force: true })
    pool = await openPool(path)
  },
  hang() {
    if (parentPort === null) writeSync(HUNG_FD, '!')
    else parentPort.postMessage({ id: -1 })
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  },
}

const send = (answer: Answer): void => {
  if (parentPort === null) process.send?.(answer)
  else parentPort.postMessage(answer)
}

async function obey({ id, source, args }: Order): Promise<void> {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the test's own function, sent as text
    const action = new Function(`return (${source})`)() as (...all: unknown[]) => unknown
    send({ id, value: await action(here, ...args) })
  } catch (error) {
    const { message, ...rest } = error as Error
    const { name, code } = error as { name: string; code?: unknown }
    send({ id, error: JSON.parse(JSON.stringify({ ...rest, name, code, message })) as { message: string } })
  }
}

// Whoever is killed does not write it at its end.
flushCompileCache()
;(parentPort ?? process).on('message', (order: Order) => void obey(order))
