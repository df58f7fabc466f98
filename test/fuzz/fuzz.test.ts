/**
 * Damaged pools are refused with a code, or served: no crash, no hang, no signal (promises 4 and 7). What fsck has repaired is
 * sound. A fixed seed; the long form is `npm run fuzz`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzz } from './campaign.ts'

const IMAGES = 60
const SEED = 1

test(`${IMAGES} damaged pools end in errors with a code or in service, and in repairs that leave nothing to find`, async (t) => {
  const { done, findings, outcomes } = await fuzz({ seed: SEED, images: IMAGES })
  assert.deepEqual(findings, [])
  assert.equal(done, IMAGES)
  for (const outcome of ['sound', 'repaired', 'not to be repaired']) assert.ok((outcomes[outcome] ?? 0) > 0, outcome)
  t.diagnostic(JSON.stringify(outcomes))
})

test('what a longer run has found stays mended: an attribute without a name', async () => {
  const { findings, outcomes } = await fuzz({ seed: 3_011_947, images: 1 })
  assert.deepEqual(findings, [])
  assert.equal(outcomes['repaired'], 1)
})

for (const planted of ['crash', 'hang', 'exit', 'mistake'] as const) {
  test(`what a damaged pool could do is found, with its seed: ${planted}`, async () => {
    const { done, findings } = await fuzz({ seed: SEED, images: 3, planted, hangMs: 3000 })
    assert.equal(done, 3, 'the rest is done all the same')
    assert.equal(findings.length, 1, findings.join('\n'))
    assert.match(findings[0], new RegExp(`^seed ${SEED + 1} `))
  })
}
