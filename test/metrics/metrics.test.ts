/** Each metric moves when what it counts happens, and the text is what a scraper takes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { metrics } from '../../src/metrics/index.ts'
import type { PoolMetrics } from '../../src/metrics/index.ts'
import { startProcess } from '../support/participant.ts'
import { samplesOf, valueOf } from '../support/exposition.ts'
import { atEnd, BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

async function measured(t: TestContext): Promise<{ pool: Pool; counted: PoolMetrics }> {
  const pool = await temporaryPool(t)
  const counted = metrics(pool)
  atEnd(t, () => counted[Symbol.dispose]())
  return { pool, counted }
}

async function untilItWaits(pool: Pool): Promise<void> {
  while (!(await pool.why('/a')).changes.some(({ state }) => state === 'waiting')) await sleep(5)
}

test('the text is valid, and has no sample without a type and a help', async (t) => {
  const { pool, counted } = await measured(t)
  await pool.writeFile('/a', 'hello')
  const samples = samplesOf(await counted.text())
  assert.ok(samples.length > 40)
  assert.match(counted.contentType, /^text\/plain; version=0\.0\.4/)
})

test('gauges say how the pool is, whoever did it', async (t) => {
  const { pool, counted } = await measured(t)
  const before = await counted.text()
  assert.equal(valueOf(before, 'holdfast_size_bytes'), 4 << 20)
  assert.equal(valueOf(before, 'holdfast_pins'), 0)
  assert.equal(valueOf(before, 'holdfast_oldest_pin_age_seconds'), 0)
  const other = await openedAgain(t, pool)
  await other.writeFile('/a', Buffer.alloc(3 * BLOCK, 1))
  const file = await other.open('/a', 'r+')
  const pin = await file.pin({ offset: 0, length: 2 * BLOCK, mode: 'read' })
  const lease = await file.lease({ type: 'layout', onRecall: () => undefined })
  await sleep(30)
  const held = await counted.text()
  assert.equal(valueOf(held, 'holdfast_pins'), 1)
  assert.equal(valueOf(held, 'holdfast_pinned_bytes'), 2 * BLOCK)
  assert.ok(valueOf(held, 'holdfast_oldest_pin_age_seconds') >= 0.02)
  assert.equal(valueOf(held, 'holdfast_leases'), 1)
  assert.equal(valueOf(held, 'holdfast_files'), valueOf(before, 'holdfast_files') + 1)
  assert.equal(valueOf(held, 'holdfast_participants'), 2)
  assert.equal(valueOf(held, 'holdfast_used_bytes') - valueOf(before, 'holdfast_used_bytes'), 3 * BLOCK)
  assert.ok(valueOf(held, 'holdfast_device_allocated_bytes') >= 3 * BLOCK)
  assert.ok(valueOf(held, 'holdfast_host_available_bytes') > 0)
  await lease.release()
  await file.truncate(0, { busy: 'sequester' })
  const cut = await counted.text()
  assert.equal(valueOf(cut, 'holdfast_sequestered_bytes'), 2 * BLOCK)
  assert.equal(valueOf(cut, 'holdfast_sequestered_held_bytes'), 2 * BLOCK)
  const space = ['used', 'free', 'busy', 'sequestered'].map((name) => valueOf(cut, `holdfast_${name}_bytes`))
  assert.equal(
    space.reduce((sum, bytes) => sum + bytes),
    4 << 20,
  )
  pin.release()
  assert.equal(valueOf(await counted.text(), 'holdfast_sequestered_held_bytes'), 0)
})

test('layout changes are counted by what became of them, and so are the waits', async (t) => {
  const { pool, counted } = await measured(t)
  await pool.writeFile('/a', Buffer.alloc(4 * BLOCK, 1))
  await using file = await pool.open('/a', 'r+')
  const pin = await file.pin({ offset: 0, length: 4 * BLOCK, mode: 'read' })
  await assert.rejects(file.truncate(0, { busy: 'fail' }), { code: 'EBUSY' })
  await assert.rejects(file.truncate(0, { busy: 'wait', timeoutMs: 100 }), { code: 'ETIMEDOUT' })
  const controller = new AbortController()
  const aborted = file.truncate(0, { busy: 'wait', signal: controller.signal })
  await untilItWaits(pool)
  controller.abort()
  await assert.rejects(aborted, { name: 'AbortError' })
  await file.punchHole(0, BLOCK, { busy: 'sequester' })
  const waiting = file.truncate(BLOCK, { busy: 'wait' })
  await untilItWaits(pool)
  pin.release()
  await waiting
  await pool.unlink('/a')
  const text = await counted.text()
  const breaks = (change: string, outcome: string): number =>
    valueOf(text, 'holdfast_breaks_total', { change, outcome })
  assert.equal(breaks('truncate', 'busy'), 1)
  assert.equal(breaks('truncate', 'timeout'), 1)
  assert.equal(breaks('truncate', 'aborted'), 1)
  assert.equal(breaks('truncate', 'done'), 1)
  assert.equal(breaks('punch', 'sequestered'), 1)
  assert.equal(breaks('unlink', 'done'), 1)
  assert.equal(valueOf(text, 'holdfast_break_seconds_count', { change: 'truncate' }), 4)
  assert.equal(valueOf(text, 'holdfast_wait_seconds_count', { outcome: 'timeout' }), 1)
  assert.equal(valueOf(text, 'holdfast_wait_seconds_count', { outcome: 'aborted' }), 1)
  assert.ok(valueOf(text, 'holdfast_wait_seconds_count', { outcome: 'done' }) >= 1)
  assert.ok(valueOf(text, 'holdfast_wait_seconds_sum', { outcome: 'timeout' }) >= 0.01)
  assert.ok(valueOf(text, 'holdfast_transaction_seconds_count') >= 3)
})

test('what an alarm may ask for is there from the beginning, with 0', async (t) => {
  const { counted } = await measured(t)
  const text = await counted.text()
  const guide = readFileSync(join(import.meta.dirname, '../../docs/guide/operating.md'), 'utf8')
  const alarms = [...guide.matchAll(/increase\((holdfast_\w+)(?:\{(\w+)="(\w+)"\})?\[/g)]
  assert.ok(alarms.length >= 4)
  for (const [alarm, name, label, value] of alarms) {
    const samples = samplesOf(text).filter((each) => each.name === name && (!label || each.labels[label] === value))
    assert.ok(samples.length > 0, alarm)
    for (const sample of samples) assert.equal(sample.value, 0, alarm)
  }
  assert.equal(valueOf(text, 'holdfast_response_limits_total', { limit: 'space', outcome: 'aborted' }), 0)
})

test('recalls and revokes are counted by who asks', async (t) => {
  const { pool, counted } = await measured(t)
  const other = await openedAgain(t, pool)
  await pool.writeFile('/a', Buffer.alloc(4 * BLOCK, 1))
  await using theirs = await other.open('/a', 'r')
  await theirs.lease({ type: 'layout', breakTimeMs: 30, onRecall: () => undefined })
  await pool.truncate('/a', 0)
  const text = await counted.text()
  assert.equal(valueOf(text, 'holdfast_recalls_total'), 1)
  assert.equal(valueOf(text, 'holdfast_revokes_total'), 1)
})

test('who died and was cleared away is counted', async (t) => {
  const { pool, counted } = await measured(t)
  const other = await startProcess(t, pool)
  await other.kill()
  await pool.reap()
  assert.equal(valueOf(await counted.text(), 'holdfast_reaped_owners_total'), 1)
})

test('holds are counted when they last, and operations are timed', async (t) => {
  const { pool, counted } = await measured(t)
  await using file = await pool.open('/a', 'w+')
  await file.write(Buffer.alloc(BLOCK))
  await file.read(Buffer.alloc(BLOCK), { position: 0 })
  await assert.rejects(file.read(Buffer.alloc(1), { position: -1 }))
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  // Until the pin table is tidied, every 0.2 s, a pin is young.
  await sleep(500)
  pin.release()
  await file.sync()
  const text = await counted.text()
  const operations = (operation: string, outcome: string): number =>
    valueOf(text, 'holdfast_operation_seconds_count', { operation, outcome })
  assert.deepEqual([operations('write', 'done'), operations('read', 'done'), operations('read', 'failed')], [1, 1, 1])
  assert.deepEqual([operations('pin', 'done'), operations('sync', 'done')], [1, 1])
  assert.equal(valueOf(text, 'holdfast_pin_hold_seconds_count'), 1)
  assert.ok(valueOf(text, 'holdfast_pin_hold_seconds_sum') >= 0.4)
})

test('an operation that waits too long is counted as stuck', async (t) => {
  const pool = await temporaryPool(t)
  await using impatient = await openPool(pool.path, { stuckAfterMs: 20 })
  using counted = metrics(impatient)
  await impatient.writeFile('/a', Buffer.alloc(BLOCK, 1))
  await using file = await pool.open('/a', 'r')
  using _pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  await assert.rejects(impatient.truncate('/a', 0, { busy: 'wait', timeoutMs: 400 }), { code: 'ETIMEDOUT' })
  assert.equal(valueOf(await counted.text(), 'holdfast_stuck_waits_total'), 1)
})

test('the guide lists every metric and every channel, and no other', async (t) => {
  const guide = readFileSync(join(import.meta.dirname, '../../docs/guide/operating.md'), 'utf8')
  const rows = guide.split('\n').filter((line) => /^\| `(?:tracing:)?holdfast[_:]/.test(line))
  const first = rows.map((row) => row.split('|')[1]).join(' ')
  const listed = new Set([...first.matchAll(/`(holdfast_[a-z_]+)`/g)].map(([, name]) => name))
  const { registry } = (await measured(t)).counted
  const ofServer = [
    'holdfast_http_requests_total',
    'holdfast_http_response_bytes_total',
    'holdfast_http_response_seconds',
    'holdfast_http_responses_under_way',
  ]
  const names = [...(await registry.getMetricsAsJSON()).map(({ name }) => name), ...ofServer]
  assert.deepEqual([...listed].toSorted(), names.toSorted())
  const source = readFileSync(join(import.meta.dirname, '../../src/diagnostics.ts'), 'utf8')
  const channels = [...source.matchAll(/hannel(?:<.*>)?\('(holdfast:[a-z-]+)'\)/g)].map(([, name]) => name)
  assert.equal(channels.length, 9)
  for (const channel of channels) assert.ok(first.includes(channel), channel)
})

test('nothing of another pool is counted, and nothing after the end', async (t) => {
  const { pool, counted } = await measured(t)
  const other = await openedAgain(t, pool)
  await other.writeFile('/a', 'a')
  await other.unlink('/a')
  assert.deepEqual(
    samplesOf(await counted.text()).filter(({ name, value }) => name === 'holdfast_breaks_total' && value > 0),
    [],
  )
  await pool.writeFile('/b', 'b')
  await pool.unlink('/b')
  assert.equal(valueOf(await counted.text(), 'holdfast_breaks_total', { change: 'unlink', outcome: 'done' }), 1)
  counted[Symbol.dispose]()
  await pool.writeFile('/c', 'c')
  await pool.unlink('/c')
  assert.equal(valueOf(await counted.text(), 'holdfast_breaks_total', { change: 'unlink', outcome: 'done' }), 1)
})
