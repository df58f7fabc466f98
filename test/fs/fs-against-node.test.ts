/**
 * The same random operations by `createFs(pool)` and by node:fs on tmpfs: the same results, the same `code`, `syscall`, `path`
 * and `dest`. HOLDFAST_RUNS=1000 for a long run, of another seed each time; HOLDFAST_SEED=… to repeat one. The short run has
 * one seed: forms of node:fs differ among themselves in corners that a long run may still find.
 */
import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { createFs } from '../../src/fs/index.ts'
import { createPool } from '../../src/index.ts'
import { SEED } from '../support/seed.ts'
import { checkSound } from '../support/stamps.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import type { Operation } from './fs-operations.ts'
import { operations, PRELUDE, SLOTS, Subject, textOf } from './fs-operations.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 20)

test(`an fs of a pool does what node:fs does on tmpfs (seed ${SEED})`, async (t) => {
  const parent = temporaryDirectory(t)
  const home = process.cwd()
  t.after(() => process.chdir(home))
  let nth = 0
  const property = fc.asyncProperty(fc.array(operations, { maxLength: 100, size: 'max' }), async (chosen) => {
    const root = join(parent, `host-${nth}`)
    nodeFs.mkdirSync(root)
    process.chdir(root)
    const pool = await createPool(join(parent, `pool-${nth++}`), { sizeBytes: 16 << 20 })
    try {
      const host = new Subject(nodeFs, root)
      const ours = new Subject(createFs(pool), '')
      let isSame = true
      for (const operation of [...PRELUDE, ...chosen]) {
        isSame = await compared(host, ours, operation)
        if (!isSame) break
      }
      if (isSame) assert.deepEqual(await ours.tree(), await host.tree(), 'the tree')
      for (let slot = 0; slot < SLOTS; slot++) for (const subject of [host, ours]) await subject.closeSlot(slot)
      await checkSound(pool)
    } finally {
      await pool.close({ force: true })
      nodeFs.rmSync(root, { recursive: true })
    }
  })
  await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: process.env['HOLDFAST_SHRINK'] !== '1' })
})

/** False: it cannot go on, since both may have done something else on the way to an error. */
async function compared(host: Subject, ours: Subject, operation: Operation): Promise<boolean> {
  const expected = await host.perform(operation)
  const outcome = await ours.perform(operation)
  // What of a tree is looked at first is the host's affair, and so is what was copied before the error.
  if (operation.op === 'cp' && 'error' in expected && 'error' in outcome)
    return isDeepStrictEqual(outcome, expected) && isDeepStrictEqual(await ours.tree(), await host.tree())
  assert.deepEqual(outcome, expected, `${textOf(operation)}: ${JSON.stringify({ ours: outcome, host: expected })}`)
  return true
}
