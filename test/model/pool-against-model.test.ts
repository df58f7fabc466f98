/**
 * Random operations by two processes of one pool against a model in plain memory: the same results and the same codes,
 * whoever asks; the same tree through both, at any time and after it was opened afresh; nothing leaks. HOLDFAST_RUNS=1000
 * for a long run, HOLDFAST_SEED=… to repeat one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createPool, openPool } from '../../src/index.ts'
import { fileModeMask } from '../../src/platform/process-identity.ts'
import type { Participant } from '../support/participant.ts'
import { startProcess } from '../support/participant.ts'
import { SEED } from '../support/seed.ts'
import { checkSound } from '../support/stamps.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import type { Subject } from './arbitraries.ts'
import { operationsOfNode, operationsOfPool, PRELUDES } from './arbitraries.ts'
import { Model } from './model.ts'
import { MOST_READ } from './model-state.ts'
import type { Portrait } from './on-pool.ts'
import { OnPool } from './on-pool.ts'
import type { Who } from './operations.ts'
import { sameTree } from './portraits.ts'
import type { Command, Stage } from './steps.ts'
import { aside, judged, step } from './steps.ts'
import type { Performer } from './two-sides.ts'
import { TwoSides } from './two-sides.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 12)
const ON_POOL = new URL('on-pool.ts', import.meta.url).href
const SIZE_BYTES = 16 << 20

/** A participant, here or in another process. */
interface Side extends Performer {
  tree(): Promise<Portrait[]>
  reopen(): Promise<void>
  leave(): Promise<void>
}

/** The same in another process. */
async function farSide(process: Participant, path: string): Promise<Side> {
  await process.run(
    async (here, url, directory) => {
      const { OnPool: Far } = await here.load<typeof import('./on-pool.ts')>(url)
      here.kept['side'] = new Far(await here.openPool(directory))
    },
    ON_POOL,
    path,
  )
  return {
    perform: (operation) => process.run((here, what) => (here.kept['side'] as OnPool).perform(what), operation),
    tree: () => process.run((here) => (here.kept['side'] as OnPool).tree()),
    reopen: () => process.run((here) => (here.kept['side'] as OnPool).reopen()),
    leave: () => process.run((here) => (here.kept['side'] as OnPool).pool.close({ force: true })),
  }
}

interface TwoProcesses extends Stage {
  readonly systems: readonly [TwoSides<Side>]
}

async function compare(model: Model, real: TwoProcesses): Promise<void> {
  const {
    systems: [pool],
  } = real
  // What is open may have no name.
  for (const [slot, { mayRead, node }] of model.handles) {
    await step({ op: 'fstat', slot }).run(model, real)
    const length = node.file.size + 1
    if (mayRead && length <= MOST_READ) await step({ op: 'fread', slot, offset: 0, length, at: 0 }).run(model, real)
  }
  for (const who of [0, 1] as const) {
    const portraits = await pool.side(who).tree()
    judged(`the tree in process ${who}`, () => sameTree(portraits, model, pool.witnessed))
  }
  assert.equal((await pool.near.pool.stats()).files, model.files, 'files')
  await checkSound(pool.near.pool)
}

const commandsOf = (subject: Subject): fc.Arbitrary<Command<TwoProcesses>>[] => [
  ...[...operationsOfNode(subject), ...operationsOfPool(subject)].map((operations) =>
    operations.map((operation) => step<TwoProcesses>(operation)),
  ),
  ...Array.from({ length: 6 }, () => fc.constant(aside<TwoProcesses>('compare', compare))),
  fc.constantFrom<Who>(0, 1).map((who) =>
    aside<TwoProcesses>(`process ${who} opens the pool afresh`, async (model, { systems: [pool] }) => {
      model.leave(who)
      await pool.side(who).reopen()
    }),
  ),
]

/** Everything can be removed, and then nothing is left. */
async function nothingLeaks({ systems: [{ near }] }: TwoProcesses): Promise<void> {
  const { pool } = near
  const remove = async (path: string): Promise<void> => {
    for (const name of await pool.readdir(path === '' ? '/' : path)) {
      if (path === '' && name === 'lost+found') continue
      const child = `${path}/${name}`
      if (!(await pool.lstat(child)).isDirectory()) await pool.unlink(child)
      else {
        await remove(child)
        await pool.rmdir(child)
      }
    }
  }
  await remove('')
  await pool.lostAndFound.reclaim()
  const { usedBytes, busyBytes, sequesteredBytes, files, pins } = await pool.stats()
  assert.deepEqual([usedBytes, busyBytes, sequesteredBytes, files, pins], [0, 0, 0, 0, 0], 'nothing leaks')
  await checkSound(pool)
}

for (const subject of ['names', 'paths', 'bytes'] as const) {
  test(`two processes do what a model in memory does, about ${subject} (seed ${SEED})`, async (t) => {
    const parent = temporaryDirectory(t)
    const other = await startProcess(t)
    let nth = 0
    const property = fc.asyncProperty(
      fc.commands(commandsOf(subject), { maxCommands: 120, size: 'max' }),
      async (chosen) => {
        const directory = `${parent}/${nth++}`
        const near = new OnPool(await createPool(directory, { sizeBytes: SIZE_BYTES }))
        const far = await farSide(other, directory)
        const real: TwoProcesses = { systems: [new TwoSides<Side>(near, far)] }
        const model = new Model(fileModeMask())
        try {
          for (const operation of PRELUDES[subject]) await step(operation).run(model, real)
          await fc.asyncModelRun(() => ({ model, real }), chosen)
          await compare(model, real)
          for (const who of [0, 1] as const) model.leave(who)
          await far.leave()
          await near.pool.close()
          near.pool = await openPool(directory)
          const portraits = await near.tree()
          judged('the tree, opened afresh', () => sameTree(portraits, model, real.systems[0].witnessed))
          await nothingLeaks(real)
        } finally {
          await far.leave()
          await near.pool.close({ force: true })
        }
      },
    )
    await fc.assert(property, {
      numRuns: RUNS,
      seed: SEED,
      endOnFailure: process.env['HOLDFAST_SHRINK'] !== '1',
    })
  })
}
