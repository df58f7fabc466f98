/**
 * Promises 5, 6 and 7 under power failure and sudden death: every pool that a crash could leave, at every step of a
 * workload, opens and is what the contract allows (docs/internals/durability.md).
 *
 * HOLDFAST_RUNS: so many random workloads (default 4), with four times the images of each step when there are more than
 * that. HOLDFAST_SEED: the first one's seed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { campaign } from './campaign.ts'
import { randomWorkload, WORKLOADS } from './workloads.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 4)
const SEED = Number(process.env['HOLDFAST_SEED'] ?? 20_261_128)
const MOST = RUNS > 4 ? 24 : 6
const OPERATIONS = 25
const RECOVERIES_EVERY = 40

describe('promises 5, 6 and 7: whatever a crash leaves is old, new or between', () => {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    test(name, async (t) => {
      const directory = temporaryDirectory(t)
      const { findings, ...counts } = await campaign(workload, {
        directory,
        seed: SEED,
        most: MOST,
        recoveriesEvery: RECOVERIES_EVERY,
      })
      assert.deepEqual(findings, [])
      t.diagnostic(JSON.stringify(counts))
    })
  }

  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    test(`random operations, seed ${seed}`, async (t) => {
      const directory = temporaryDirectory(t)
      const options = { directory, seed, most: MOST, recoveriesEvery: RECOVERIES_EVERY }
      const { findings, ...counts } = await campaign(randomWorkload(OPERATIONS), options)
      const again = `HOLDFAST_SEED=${seed} HOLDFAST_RUNS=1 node_modules/.bin/node --test test/crash/crash-images.test.ts`
      assert.deepEqual(findings, [], `again with: ${again}`)
      t.diagnostic(JSON.stringify(counts))
    })
  }
})
