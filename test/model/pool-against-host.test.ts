/**
 * The same random operations on a pool, by way of node:fs on tmpfs, and in the model: the same results, the same codes.
 * So a pool does what Linux does, and the model that two processes are compared with (pool-against-model.test.ts) is right.
 * Then once more with a mounted pool in the place of tmpfs: so a mount does what Linux does, and what a pool does.
 * HOLDFAST_RUNS=1000 for a long run, HOLDFAST_SEED=… to repeat one.
 *
 * What a pool does otherwise on purpose (in the code: "Not as Linux"), so that it is not asked or is turned into the pool's:
 *   - a directory cannot be opened for reading (EISDIR): there is nothing to be done with one; nor a fifo or device (ENXIO)
 *   - permission bits that are given are taken as they are, without the umask: a mount gets them less the umask already
 *   - O_TRUNC without the right to write changes nothing: POSIX leaves it open
 *   - ftruncate of what is open for reading is EBADF, as every other change; Linux has EINVAL, POSIX either
 *   - sizes end at 2^53 - 1, what a number holds (EFBIG); those of Linux at 2^63 - 1
 *   - reading leaves atime, as with noatime
 * and otherwise than node:fs, not the kernel:
 *   - seconds below 0 are before 1970; node:fs takes them for now
 *   - copyFile leaves the owner of a file that is there; libuv as root gives it the other's
 *   - lone surrogates are EILSEQ; node:fs writes U+FFFD for them
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { createPool } from '../../src/index.ts'
import { fileModeMask } from '../../src/platform/process-identity.ts'
import { mountedPool, whyNoMount } from '../support/mounted-pool.ts'
import { startProcess } from '../support/participant.ts'
import { SEED } from '../support/seed.ts'
import { checkSound } from '../support/stamps.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import type { Subject } from './arbitraries.ts'
import { operationsOfNode, PRELUDES } from './arbitraries.ts'
import { Witnessed } from './expectations.ts'
import { Model } from './model.ts'
import { enterHost, isPossibleOnHost } from './far-host.ts'
import { OnPool } from './on-pool.ts'
import { sameTree } from './portraits.ts'
import type { Command, Stage, System } from './steps.ts'
import { judged, step } from './steps.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 12)
const commandsOf = (subject: Subject): fc.Arbitrary<Command<Stage>>[] =>
  operationsOfNode(subject).map((operations) =>
    operations.map((operation) => step<Stage>(operation, (model) => isPossibleOnHost(operation, model))),
  )

const PLACES: Readonly<Record<string, (t: TestContext) => Promise<string> | string>> = {
  tmpfs: (t) => temporaryDirectory(t),
  'a mount': async (t) => {
    const { dir } = await mountedPool(t)
    // A directory without a lost+found, which it will be given.
    await mkdir(join(dir, 'root'))
    return join(dir, 'root')
  },
}

for (const [place, subject] of Object.keys(PLACES).flatMap((each) =>
  (['names', 'paths', 'bytes'] as const).map((about) => [each, about] as const),
)) {
  const skip = place === 'a mount' ? whyNoMount() : false
  test(`a pool does what the kernel does on ${place}, about ${subject} (seed ${SEED})`, { skip }, async (t) => {
    const parent = temporaryDirectory(t)
    const directory = await PLACES[place](t)
    const process = await startProcess(t)
    const far = await enterHost(process, directory)
    if (far === undefined) return t.skip('only root can have a root directory of its own')
    let nth = 0
    const property = fc.asyncProperty(
      fc.commands(commandsOf(subject), { maxCommands: 120, size: 'max' }),
      async (chosen) => {
        await far.clear()
        const host: System = {
          name: 'the host',
          witnessed: new Witnessed(),
          perform: (operation) => far.perform(operation),
        }
        const near = new OnPool(await createPool(`${parent}/${nth++}`, { sizeBytes: 16 << 20 }))
        const pool: System = {
          name: 'the pool',
          witnessed: new Witnessed(),
          perform: (operation) => near.perform(operation),
        }
        const model = new Model(fileModeMask())
        try {
          const real: Stage = { systems: [host, pool] }
          for (const operation of PRELUDES[subject])
            // node:fs has no extended attributes.
            if (operation.op !== 'setXattr') await step(operation).run(model, real)
          await fc.asyncModelRun(() => ({ model, real }), chosen)
          const portraits = await near.tree()
          judged('the tree', () => sameTree(portraits, model, pool.witnessed))
          await checkSound(near.pool)
        } finally {
          await near.pool.close({ force: true })
        }
      },
    )
    await fc.assert(property, {
      numRuns: RUNS,
      seed: SEED,
      endOnFailure: globalThis.process.env['HOLDFAST_SHRINK'] !== '1',
    })
  })
}
