import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { stress } from './stress.ts'

/** A busy machine gets to little in a few seconds: then once more. */
const MOST_ROUNDS = 6

test('promises 1, 4, 6 and 11 hold while processes pin, truncate, punch, unlink and reuse, stop and are killed', async (t) => {
  let kills = 0
  let checks = 0
  for (let round = 0; kills === 0 || checks <= 100; round++) {
    assert.ok(round < MOST_ROUNDS, `${kills} kills and ${checks} checks prove nothing`)
    const result = await stress({ seconds: 6, seed: 20_260_728 + round, processes: 3, path: tmpdir() })
    assert.deepEqual(result.findings, [])
    kills += result.kills
    checks += result.counts['checks'] ?? 0
  }
  t.diagnostic(`${kills} kills, ${checks} checks`)
})
