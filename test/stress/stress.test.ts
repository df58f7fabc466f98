import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { stress } from './stress.ts'

test('promises 1, 4, 6 and 11 hold while processes pin, truncate, punch, unlink and reuse, stop and are killed', async (t) => {
  const { findings, kills, counts } = await stress({ seconds: 6, seed: 20_260_728, processes: 3, path: tmpdir() })
  t.diagnostic(`${kills} kills, ${counts['checks']} checks`)
  assert.deepEqual(findings, [])
  assert.ok(kills > 0 && (counts['checks'] ?? 0) > 100)
})
