/** The race lab: every kind of I/O against every change under every policy, by hash (promises 1, 3, 4, 11). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { apiRoutes } from '../../src/http/api/index.ts'
import type { LabEvent } from '../../src/http/lab/lab-events.ts'
import type { LabOrder } from '../../src/http/lab/order.ts'
import type { Pool } from '../../src/index.ts'
import { temporaryPool } from '../support/temporary-pool.ts'
import { eventsOf } from './events-of.ts'

async function played(pool: Pool, order: Omit<LabOrder, 'dax'> & Partial<LabOrder>): Promise<LabEvent[]> {
  const app = apiRoutes(pool, { mayChange: () => true })
  const started = await app.request('/lab', { method: 'POST', body: JSON.stringify(order) })
  assert.equal(started.status, 202)
  const { id } = (await started.json()) as { id: string }
  const events: LabEvent[] = []
  for await (const { data } of eventsOf(await app.request(`/lab/${id}/events`)))
    events.push(JSON.parse(data) as LabEvent)
  return events
}

describe('promises 1 and 4: the lab finds all right, and leaves the pool as it was', { concurrency: 3 }, () => {
  for (const io of ['slow-client', 'direct-read'] as const) {
    for (const change of ['truncate', 'punch', 'unlink'] as const) {
      for (const busy of ['fail', 'wait', 'sequester'] as const) {
        test(`${io}, ${change}, ${busy}`, async (t) => {
          const pool = await temporaryPool(t, { sizeBytes: 8 << 20, on: io === 'direct-read' ? 'disk' : 'tmpfs' })
          const before = await pool.stats()
          const events = await played(pool, { io, change, busy })
          const verdict = events.find((event) => event.kind === 'verdict')
          assert.ok(verdict !== undefined && verdict.isRight, JSON.stringify(events.slice(-3), null, 1))
          assert.equal(events.at(-1)?.kind, 'end')
          const views = events.flatMap((event) => (event.kind === 'step' ? [event.view] : []))
          assert.ok(views.some(({ pins }) => pins === 16))
          assert.ok(
            views.every(
              ({ blocks }) => !blocks.some((run) => run.isPinned && (run.state === 'free' || run.state === 'other')),
            ),
          )
          const changes = views.map((view) => view.change)
          const isSeen = { fail: 'refused', wait: 'waits', sequester: 'done' } as const
          assert.ok(changes.includes(isSeen[busy]), changes.join(', '))
          assert.equal(
            views.some(({ lostBytes }) => lostBytes > 0),
            busy === 'sequester',
          )
          assert.deepEqual(await pool.readdir('/'), ['lost+found'])
          assert.deepEqual(await pool.lostAndFound.list(), [])
          await pool.reap()
          const after = await pool.stats()
          assert.deepEqual([after.usedBytes, after.pins, after.busyBytes], [before.usedBytes, 0, 0])
        })
      }
    }
  }
})

describe('with bounce buffers the change is done at once, whatever the policy', { concurrency: 3 }, () => {
  for (const io of ['slow-client', 'direct-read'] as const) {
    for (const change of ['truncate', 'punch', 'unlink'] as const) {
      test(`${io}, ${change}`, async (t) => {
        const pool = await temporaryPool(t, { sizeBytes: 8 << 20 })
        const events = await played(pool, { io, change, busy: 'wait', dax: 'never' })
        const verdict = events.find((event) => event.kind === 'verdict')
        assert.ok(verdict !== undefined && verdict.isRight, JSON.stringify(events.slice(-3), null, 1))
        assert.ok(verdict.checks.some(({ text }) => text.includes('copies hold no blocks')))
        const views = events.flatMap((event) => (event.kind === 'step' ? [event.view] : []))
        assert.ok(
          views.every(
            ({ pins, lostBytes, blocks }) => pins === 0 && lostBytes === 0 && !blocks.some((run) => run.isPinned),
          ),
        )
        assert.ok(!views.some((view) => view.change === 'waits' || view.change === 'refused'))
        assert.deepEqual(await pool.readdir('/'), ['lost+found'])
      })
    }
  }
})

test('one run at a time; one that is not there is ENOENT; no space is told', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 1 << 20 })
  const app = apiRoutes(pool, { mayChange: () => true })
  const start = () =>
    app.request('/lab', { method: 'POST', body: JSON.stringify({ io: 'slow-client', change: 'unlink', busy: 'fail' }) })
  const first = await start()
  assert.equal((await start()).status, 409)
  assert.equal((await app.request('/lab/none/events')).status, 404)
  const { id } = (await first.json()) as { id: string }
  const kinds: string[] = []
  for await (const { event, data } of eventsOf(await app.request(`/lab/${id}/events`))) {
    kinds.push(event)
    if (event === 'failure') assert.match(data, /ENOSPC/)
  }
  assert.deepEqual(kinds, ['failure', 'end'])
  assert.deepEqual(await pool.readdir('/'), ['lost+found'])
})
