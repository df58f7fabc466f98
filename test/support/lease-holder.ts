/** Holders of layout leases for tests: a participant that takes one, and answers its recalls as it was told to. */
import type { TestContext } from 'node:test'
import type { File, Lease, Pin, Pool, Recall } from '../../src/index.ts'
import type { Here } from './participant-main.ts'
import type { Participant } from './participant.ts'

/** Somebody who does what a test asks of him: a participant elsewhere, or {@link hereWith}. */
export type Doer = Pick<Participant, 'run'>

/** The test itself, with a pool, as if it were one of its participants. */
export function hereWith(pool: Pool): Doer {
  const here = { pool, kept: {} } as unknown as Here
  return { run: async (action, ...args) => action(here, ...args) }
}

export interface Holding {
  readonly path: string
  readonly offset?: number
  readonly length?: number
  readonly exclusive?: boolean
  readonly breakTimeMs?: number
  /** What a recall is answered with; 'nothing' leaves it to the break time. */
  readonly answer: 'release' | 'downgrade' | 'nothing' | 'throw' | 'reject' | 'close the pool'
  /** By which the holder is spoken of afterwards. Default 'lease'. */
  readonly name?: string
}

/** What a holder keeps, under the name of its holding. */
export interface Held {
  readonly file: File
  readonly lease: Lease
  readonly recalls: Recall[]
  readonly pins: Pin[]
}

/** What a recall told, and the state of its lease then. */
export interface Told extends Recall {
  readonly state: string
}

/** Takes a lease over there. */
export function holdLease(who: Doer, holding: Holding): Promise<void> {
  return who.run(take, holding)
}

async function take(here: Here, { path, answer, name = 'lease', ...options }: Holding): Promise<void> {
  const file = await here.pool.open(path, 'r+')
  const recalls: Recall[] = []
  const lease = await file.lease({
    type: 'layout',
    ...options,
    onRecall: (recall, asked) => {
      recalls.push({ ...recall, state: asked.state } as Recall)
      if (answer === 'release') return asked.release()
      if (answer === 'downgrade') return asked.downgrade()
      if (answer === 'close the pool') return here.pool.close()
      if (answer === 'throw') throw new Error('the holder cannot answer')
      if (answer === 'reject') return Promise.reject(new Error('the holder cannot answer'))
      return undefined
    },
  })
  here.kept[name] = { file, lease, recalls, pins: [] } satisfies Held
}

/** Pins for long under a lease that is held over there. Resolves with the error's code when it is refused. */
export function pinForLong(
  who: Doer,
  range: { offset: number; length: number; mode?: 'read' | 'write' },
  name = 'lease',
): Promise<string> {
  return who.run(
    async (here, { mode = 'read', ...bytes }, key) => {
      const held = here.kept[key] as Held
      try {
        held.pins.push(await held.file.pin({ ...bytes, mode, longTerm: true }))
        return 'granted'
      } catch (error) {
        return (error as { code: string }).code
      }
    },
    range,
    name,
  )
}

/** Recalls that a holder was told of so far. */
export function recallsOf(who: Doer, name = 'lease'): Promise<Told[]> {
  return who.run((here, key) => (here.kept[key] as Held).recalls as Told[], name)
}

/** The lease's state, lengths of the first views of its pins, as the holder sees them. */
export function stateAt(who: Doer, name = 'lease'): Promise<{ state: string; views: number[] }> {
  return who.run((here, key) => {
    const { lease, pins } = here.kept[key] as Held
    return { state: lease.state, views: pins.map((pin) => pin.buffers.reduce((sum, view) => sum + view.length, 0)) }
  }, name)
}

/** Gives the lease and the pins under it back. */
export function letGo(who: Doer, name = 'lease'): Promise<void> {
  return who.run(async (here, key) => {
    const { lease, pins, file } = here.kept[key] as Held
    for (const pin of pins.splice(0)) pin.release()
    await lease.release()
    await file.close()
  }, name)
}

/** Time passes for changes of this process, until the end of the test or `t.mock.restoreAll()`. */
export function letTimePass(t: TestContext, pool: Pool, ms: number): void {
  const { clock } = pool.fileSystem.table
  const steadyMs = clock.steadyMs.bind(clock)
  t.mock.method(clock, 'nowMs', () => Date.now() + ms)
  t.mock.method(clock, 'steadyMs', () => steadyMs() + ms)
}

/** Longer than the break time of leases, 30 s, and shorter than the timeout of a change, 45 s. */
export const BREAK_TIME_AND_MORE_MS = 31_000
