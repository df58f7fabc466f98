/** Space over time, as the server keeps it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiRoutes } from '../../src/http/api/index.ts'
import type { SpaceColumns, SpaceSample } from '../../src/http/api/space-history.ts'
import { SpaceHistory } from '../../src/http/api/space-history.ts'
import { until } from '../support/pinned-content.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const DAY_S = 86_400

test('the last hour is kept closely, what is older ever less so, and peaks stay', () => {
  const history = new SpaceHistory()
  const startMs = 1_000_000_000_000 - (1_000_000_000_000 % 1_800_000)
  const seconds = 40 * DAY_S
  for (let at = 0; at < seconds; at += 5) {
    const isPeak = at === seconds - 5 * DAY_S + 15
    const sample: SpaceSample = {
      atMs: startMs + at * 1000,
      usedBytes: at,
      pinnedBytes: isPeak ? 77 : 0,
      busyBytes: 0,
      sequesteredBytes: 1,
    }
    history.add(sample)
  }
  const { atMs, usedBytes, pinnedBytes, sequesteredBytes } = history.columns()
  const age = atMs.map((ms) => seconds - (ms - startMs) / 1000)
  assert.ok(
    age.every((each, nth) => nth === 0 || each < age[nth - 1]),
    'in order, each once',
  )
  assert.equal(age.filter((each) => each <= 3600).length, 720)
  assert.ok(Math.abs(age.filter((each) => each <= DAY_S && each > 3600).length - 1380) <= 1)
  assert.ok(age[0] > 29 * DAY_S && age[0] <= 30 * DAY_S)
  assert.ok(atMs.length < 3700)
  assert.equal(usedBytes.at(-1), seconds - 5)
  assert.deepEqual(
    pinnedBytes.filter((bytes) => bytes > 0),
    [77],
  )
  assert.ok(sequesteredBytes.every((bytes) => bytes === 1))
})

test('the API has what was before somebody looked', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', Buffer.alloc(8 * BLOCK))
  await using file = await pool.open('/a', 'r+')
  using pin = await file.pin({ offset: 0, length: 2 * BLOCK, mode: 'read' })
  await file.truncate(BLOCK)
  const app = apiRoutes(pool, { mayChange: () => false })
  let seen: SpaceColumns | undefined
  await until('there is a sample', async () => {
    seen = (await (await app.request('/history')).json()) as SpaceColumns
    return seen.atMs.length > 0
  })
  assert.ok(pin.isHeld)
  assert.deepEqual([seen?.usedBytes, seen?.pinnedBytes, seen?.sequesteredBytes], [[BLOCK], [2 * BLOCK], [BLOCK]])
  assert.ok(Math.abs(Date.now() - seen!.atMs[0]) < 60_000)
})
