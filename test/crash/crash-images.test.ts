/**
 * Promises 5, 6 and 7 under power failure and sudden death: every pool that a crash could leave, at every step of a
 * workload, opens and is what the contract allows (docs/internals/durability.md).
 *
 * The same with changes of names that are committed late, as a mount that is alone does (docs/decisions/0014).
 *
 * HOLDFAST_RUNS: so many random workloads (default 2), with eight times the images of each step when there are more than
 * that. HOLDFAST_SEED: the first one's seed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { campaign } from './campaign.ts'
import { randomWorkload, WORKLOADS } from './workloads.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 2)
const SEED = Number(process.env['HOLDFAST_SEED'] ?? 20_261_128)
const MOST = RUNS > 4 ? 24 : 3
const OPERATIONS = 25
const RECOVERIES_EVERY = 40

/** Of those that change names and attributes. */
const LATE = [
  'replace by rename',
  'unlink, also while open',
  'directories and links',
  'empty files that come and go',
  'close and open again',
]

const named = [
  ...Object.keys(WORKLOADS).map((name) => ({ name, isLate: false })),
  ...(RUNS > 4 ? Object.keys(WORKLOADS) : LATE).map((name) => ({ name, isLate: true })),
]

describe('promises 5, 6 and 7: whatever a crash leaves is old, new or between', () => {
  for (const { name, isLate } of named) {
    test(isLate ? `${name}, committed late` : name, async (t) => {
      const directory = temporaryDirectory(t)
      const { findings, ...counts } = await campaign(WORKLOADS[name], {
        directory,
        isLate,
        seed: SEED,
        most: MOST,
        recoveriesEvery: RECOVERIES_EVERY,
      })
      assert.deepEqual(findings, [])
      t.diagnostic(JSON.stringify(counts))
    })
  }

  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    const isLate = seed % 2 === 1
    test(`random operations, seed ${seed}${isLate ? ', committed late' : ''}`, async (t) => {
      const directory = temporaryDirectory(t)
      const options = { directory, seed, isLate, most: MOST, recoveriesEvery: RECOVERIES_EVERY }
      const { findings, ...counts } = await campaign(randomWorkload(OPERATIONS), options)
      const again = `HOLDFAST_SEED=${seed} HOLDFAST_RUNS=1 node_modules/.bin/node --test test/crash/crash-images.test.ts`
      assert.deepEqual(findings, [], `again with: ${again}`)
      t.diagnostic(JSON.stringify(counts))
    })
  }
})
