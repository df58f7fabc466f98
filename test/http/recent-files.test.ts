/** What was found once is found again at once; what was pinned in a turn is shared in it, and no longer than it is the file. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Question } from '../../src/http/files/answer.ts'
import { answerRead, answerRecent } from '../../src/http/files/answer-read.ts'
import { settingsOf } from '../../src/http/files/options.ts'
import { RecentFiles } from '../../src/http/files/recent-files.ts'
import type { Pool } from '../../src/index.ts'
import { until } from '../support/pinned-content.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const settings = settingsOf()
const question = (url: string): Question => ({ method: 'GET', url, header: () => undefined })
const asking = (url: string, name: string, value: string): Question => ({
  method: 'GET',
  url,
  header: (other) => (other === name ? value : undefined),
})

/** What keeps others from pinning at once; returns what lets go. */
const holds: Record<string, (pool: Pool) => Promise<() => Promise<void>>> = {
  'writes through a pin': async (pool) => {
    const file = await pool.open('/b', 'r+')
    const pin = await file.pin({ offset: 0, length: 5, mode: 'write' })
    return async () => {
      pin.release()
      await file.close()
    }
  },
  'waits with a change': async (pool) => {
    const file = await pool.open('/b', 'r+')
    const pin = await file.pin({ offset: 0, length: 5, mode: 'read' })
    const truncated = file.truncate(0, { busy: 'wait' })
    await nextTurn()
    return async () => {
      pin.release()
      await truncated
      await file.close()
    }
  },
}

async function sent(pool: Pool, recent: RecentFiles, url: string): Promise<void> {
  const answer = await answerRead(pool, settings, question(url), recent)
  answer!.source?.release()
}

async function kept(t: TestContext): Promise<{ pool: Pool; other: Pool; recent: RecentFiles }> {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await pool.mkdir('/d')
  await pool.writeFile('/d/a', 'content of a')
  await pool.writeFile('/b', 'content of b')
  const recent = new RecentFiles(pool)
  for (const url of ['/d/a', '/b']) await sent(pool, recent, url)
  return { pool, other, recent }
}

/** As if the file was sent, plainly, for the target as it came. */
function mayBeShortened(recent: RecentFiles, target: string): void {
  const file = recent.find(target)!
  const text = 'HTTP/1.1 200 OK\r\n\r\n'
  const head = { text, status: 200, second: Math.floor(Date.now() / 1000), keepAliveTimeout: 5000, maxRequests: 0 }
  file.fields = { headers: new Map(), list: [], head }
  file.isAskedFor = true
}

test('what a shortcut asks for again and again is pinned once for all of a millisecond, and then let go', async (t) => {
  const { pool, recent } = await kept(t)
  mayBeShortened(recent, '/b')
  const { own } = pool.fileSystem.table
  assert.equal(Buffer.concat(recent.whole('/b', 5000)!.source.views(0, 12)).toString(), 'content of b')
  await nextTurn()
  assert.equal(own.live, 0, 'once is not again')
  // On a busy machine a turn may take longer than a millisecond, and the head is good for a second.
  await until('it is kept for another turn', async () => {
    mayBeShortened(recent, '/b')
    for (let asked = 0; asked < 2; asked++) {
      recent.whole('/b', 5000)
      await nextTurn()
    }
    return own.live === 1
  })
  await until('it is let go', () => own.live === 0)
})

test('a pool can be closed while nothing is pinned but for who asks next', async (t) => {
  const { pool, recent } = await kept(t)
  mayBeShortened(recent, '/b')
  recent.whole('/b', 5000)
  const source = recent.whole('/b', 5000)!.source.share()
  await assert.rejects(pool.close(), { code: 'EBUSY' })
  source.release()
  recent.whole('/b', 5000)
  assert.equal(pool.fileSystem.table.own.live, 1)
  await pool.close()
  assert.equal(recent.whole('/b', 5000), undefined)
})

test('a file that was found before is answered at once, all of a turn from one pin', async (t) => {
  const { pool, recent } = await kept(t)
  await nextTurn()
  assert.deepEqual(await pool.pins(), [])
  const { own } = pool.fileSystem.table
  const answers = [1, 2, 3].map(() => answerRecent(settings, question('/b'), recent)!)
  assert.equal(own.live, 1)
  for (const { headers, source } of answers) {
    assert.equal(headers.get('content-length'), '12')
    assert.equal(Buffer.concat(source!.views(0, 12)).toString(), 'content of b')
  }
  await nextTurn()
  for (const { source } of answers) {
    assert.equal((await pool.pins()).length, 1, 'the answers hold it by themselves')
    source!.release()
  }
  assert.deepEqual(await pool.pins(), [])
})

test('HEAD and 304 pin nothing, a part of the file not all of it', async (t) => {
  const { pool, recent } = await kept(t)
  await nextTurn()
  const etag = answerRecent(settings, { ...question('/b'), method: 'HEAD' }, recent)!.headers.get('etag')!
  const known = answerRecent(settings, asking('/b', 'if-none-match', etag), recent)
  assert.equal(known?.status, 304)
  assert.equal(answerRecent(settings, asking('/b', 'range', 'bytes=3-5'), recent), undefined)
  assert.deepEqual(await pool.pins(), [])
  const whole = answerRecent(settings, question('/b'), recent)!
  const part = answerRecent(settings, asking('/b', 'range', 'bytes=3-5'), recent)!
  assert.equal(part.status, 206)
  assert.equal(Buffer.concat(part.source!.views(3, 3)).toString(), 'ten')
  for (const { source } of [whole, part]) source!.release()
})

test('who writes in place while the pin of a turn stands gets other blocks; then that pin is used no more', async (t) => {
  const { pool, other, recent } = await kept(t)
  const before = answerRecent(settings, question('/b'), recent)!
  await other.writeFile('/b', 'CONTENT OF B', { flags: 'r+' })
  assert.equal(Buffer.concat(before.source!.views(0, 12)).toString(), 'content of b')
  const now =
    answerRecent(settings, question('/b'), recent) ?? (await answerRead(pool, settings, question('/b'), recent))!
  assert.equal(Buffer.concat(now.source!.views(0, 12)).toString(), 'CONTENT OF B')
  for (const { source } of [before, now]) source!.release()
})

for (const [what, hold] of Object.entries(holds)) {
  test(`nothing is answered at once while somebody ${what}`, async (t) => {
    const { pool, other, recent } = await kept(t)
    const letGo = await hold(other)
    await nextTurn()
    assert.equal(answerRecent(settings, question('/b'), recent), undefined)
    await letGo()
    await sent(pool, recent, '/b')
    const answer = answerRecent(settings, question('/b'), recent)
    assert.equal(answer?.status, 200)
    answer.source?.release()
  })
}

test('what this process has written to in place is looked at again, so that its time is stored', async (t) => {
  const { pool, recent } = await kept(t)
  await using file = await pool.open('/b', 'r+')
  await file.write('CONTENT', 0, 7, 0)
  assert.equal(recent.find('/b'), undefined)
  await file.stat()
  assert.equal(recent.find('/b')?.stat.size, 12)
})

test('with too many targets all are dropped, and a very long one is not kept', async (t) => {
  const { pool, recent } = await kept(t)
  assert.notEqual(recent.find('/b'), undefined)
  for (let nth = 0; nth < 1024; nth++) recent.keep(`/b?${nth}`, '/b')
  assert.equal(recent.find('/b?0'), undefined)
  assert.notEqual(recent.find('/b?1023'), undefined)
  const long = `/b?${'x'.repeat(1024)}`
  await sent(pool, recent, long)
  assert.equal(recent.find(long), undefined)
})

const changes: Record<string, (pool: Pool) => Promise<unknown>> = {
  overwrites: (pool) => pool.writeFile('/d/a', 'CONTENT', { flags: 'r+' }),
  appends: (pool) => pool.writeFile('/d/a', 'more', { flags: 'a' }),
  truncates: (pool) => pool.truncate('/d/a', 3),
  punches: (pool) => pool.punchHole('/d/a', 0, 5),
  replaces: (pool) => pool.rename('/b', '/d/a'),
  unlinks: (pool) => pool.unlink('/d/a'),
  'moves the directory of': (pool) => pool.rename('/d', '/elsewhere'),
}

for (const who of ['another participant', 'this one'] as const) {
  for (const [what, change] of Object.entries(changes)) {
    test(`it is no longer used when ${who} ${what} it`, async (t) => {
      const { pool, other, recent } = await kept(t)
      const before = recent.find('/d/a')
      assert.notEqual(before, undefined)
      await change(who === 'this one' ? pool : other)
      const after = recent.find('/d/a')
      assert.ok(after === undefined || after.stat.changeCount > before!.stat.changeCount)
      if (after === undefined) return
      const answer = answerRecent(settings, question('/d/a'), recent)
      const body = Buffer.concat(answer?.source?.views(0, after.stat.size) ?? [])
      assert.deepEqual(body, await pool.readFile('/d/a'))
      answer?.source?.release()
    })
  }
}
