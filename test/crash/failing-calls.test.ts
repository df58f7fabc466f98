/**
 * A failing disk: whatever call fails, and whichever n-th one it is, the caller is told or it succeeds, and the pool opened
 * again is sound, whole, and has lost neither space nor what was synced.
 *
 * HOLDFAST_RUNS=1: every n for each kind of failure. Default: every second n fails once, and every fourth the other ways.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { codeOf } from '../../src/errors.ts'
import { Random } from '../stress/random.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { examine } from './examine.ts'
import type { Failure } from './failing.ts'
import { FailingCalls } from './failing.ts'
import { wholeImageOf } from './images.ts'
import { Scene } from './scene.ts'
import { someOfEverything } from './workloads.ts'

const EXPECTED = ['EIO', 'ENOSPC']
const ALL = process.env['HOLDFAST_RUNS'] !== undefined

function expected(error: unknown): void {
  // Of the workload's own `await using`.
  if (error instanceof SuppressedError) return expected(error.suppressed)
  if (!EXPECTED.includes(codeOf(error) ?? '')) throw error
}

/** Runs the workload up to the failure, and a little on; the pool that is left is examined. Returns the calls counted. */
async function survive(directory: string, failure: Failure): Promise<FailingCalls> {
  const calls = new FailingCalls(failure)
  // Creating and examining the pool is not what fails; opening it is.
  const scene = await Scene.of(directory, new Random(1), calls.faults).catch((error: unknown) => {
    expected(error)
    return undefined
  })
  if (scene === undefined) return calls
  await someOfEverything(scene).catch(expected)
  await scene.write('/after', 0, 9000).catch(expected)
  await scene.syncAll().catch(expected)
  await scene.pool.close({ force: true }).catch(expected)
  scene.release()
  scene.recorder.close()
  const { steps, portraits } = scene.recorder
  const image = wholeImageOf(steps.at(-1)!)
  const findings = await examine(join(directory, 'pool'), { image, portrait: portraits.at(-1)! })
  assert.deepEqual(findings, [], `${JSON.stringify(failure)}: ${calls.failed} failed`)
  return calls
}

const WAYS: Readonly<Record<string, Partial<Failure>>> = {
  'fails once': {},
  'and all that follow fail': { isLasting: true },
  'fails after it was committed': { isAfterCommit: true },
}

describe('promises 5 and 7: the n-th call', () => {
  for (const [way, how] of Object.entries(WAYS)) {
    test(way, async (t: TestContext) => {
      const { count } = await survive(temporaryDirectory(t), { nth: 0 })
      const step = ALL ? 1 : way === 'fails once' ? 2 : 4
      let failed = 0
      for (let nth = 1; nth <= count; nth += step) {
        const calls = await survive(join(temporaryDirectory(t)), { nth, ...how })
        if (calls.failed !== undefined) failed++
      }
      assert.ok(failed > (count / step) * 0.9, `${failed} of ${count}: calls fail where they are counted`)
      t.diagnostic(`${count} calls, ${failed} failures`)
    })
  }
})
