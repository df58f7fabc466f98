/**
 * Promises 1, 4, 5 and 6 while processes are killed at random moments.
 *
 * HOLDFAST_RUNS: kills (default 12), e.g. 1000. HOLDFAST_SEED repeats which is killed after how long, not what it was at.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { killAtRandom } from './kills.ts'

const KILLS = Number(process.env['HOLDFAST_RUNS'] ?? 12)
const SEED = Number(process.env['HOLDFAST_SEED'] ?? 20_261_128)
const PROCESSES = 3

test('one of three processes is killed, again and again: the others go on, nothing promised is lost, no space is', async (t) => {
  const options = { directory: temporaryDirectory(t), seed: SEED, kills: KILLS, processes: PROCESSES }
  const { findings, promises } = await killAtRandom(options)
  assert.deepEqual(findings, [])
  assert.ok(promises > KILLS, 'there was something to lose')
  t.diagnostic(`${KILLS} kills, ${promises} syncs promised`)
})
