/**
 * Random operations on one pool, by a program that uses its mount and by a process that has it open with the library, against
 * a model in plain memory: the same results and the same codes, whoever asks. So each sees at once what the other does
 * (names, attributes, content, who has what open), with nothing cached in the kernel. HOLDFAST_RUNS=1000 for a long run,
 * HOLDFAST_SEED=… to repeat one. What a mount does otherwise than a pool: see pool-against-host.test.ts.
 */
import { test } from 'node:test'
import fc from 'fast-check'
import { fileModeMask } from '../../src/platform/process-identity.ts'
import { mountedPool, whyNoMount } from '../support/mounted-pool.ts'
import { startProcess } from '../support/participant.ts'
import { SEED } from '../support/seed.ts'
import { checkSound } from '../support/stamps.ts'
import type { Subject } from './arbitraries.ts'
import { operationsOfNode, PRELUDES } from './arbitraries.ts'
import { enterHost, isPossibleOnHost } from './far-host.ts'
import { Model } from './model.ts'
import { OnPool } from './on-pool.ts'
import type { Operation } from './operations.ts'
import { sameTree } from './portraits.ts'
import type { Command, Stage } from './steps.ts'
import { judged, step } from './steps.ts'
import { TwoSides } from './two-sides.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 10)

const commandsOf = (subject: Subject): fc.Arbitrary<Command<Stage>>[] =>
  operationsOfNode(subject).map((operations) =>
    operations.map((operation) => step<Stage>(operation, (model) => isPossible(operation, model))),
  )

/**
 * Copies of node:fs fill holes, so the process makes all of them.
 * An append goes to the end of the file, whoever has moved it. Where the kernel then takes the descriptor's position to
 * be it reckons from the size that it knew before: nobody is asked for that.
 */
const isPossible = (operation: Operation, model: Model): boolean =>
  isPossibleOnHost(operation, model) &&
  !(operation.op === 'copyFile' && operation.by === 1) &&
  !(operation.op === 'fread' && operation.at === null && model.handles.get(operation.slot)?.appends === true)

for (const subject of ['names', 'paths', 'bytes'] as const) {
  const skip = whyNoMount()
  test(`a mount and a process do what a model does, about ${subject} (seed ${SEED})`, { skip }, async (t) => {
    const { pool, dir } = await mountedPool(t)
    const far = await enterHost(await startProcess(t), dir)
    if (far === undefined) return t.skip('only root can have a root directory of its own')
    const property = fc.asyncProperty(
      fc.commands(commandsOf(subject), { maxCommands: 120, size: 'max' }),
      async (chosen) => {
        const sides = new TwoSides(new OnPool(pool), far)
        const real: Stage = { systems: [sides] }
        const model = new Model(fileModeMask())
        try {
          // node:fs has no extended attributes.
          for (const operation of PRELUDES[subject])
            await step(operation.op === 'setXattr' ? { ...operation, by: 0 } : operation).run(model, real)
          await fc.asyncModelRun(() => ({ model, real }), chosen)
          const portraits = await sides.near.tree()
          judged('the tree', () => sameTree(portraits, model, sides.witnessed))
          await checkSound(pool)
        } finally {
          await sides.closeAll()
          await far.clear()
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
