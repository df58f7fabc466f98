/** What was pinned in a turn is shared in it, and no longer than it is the file. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { answerRead, answerRecent } from '../../src/http/files/answer-read.ts'
import { settingsOf } from '../../src/http/files/options.ts'
import { RecentFiles } from '../../src/http/files/recent-files.ts'
import type { Pool } from '../../src/index.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const settings = settingsOf()
const question = (url: string): Parameters<typeof answerRead>[2] => ({ method: 'GET', url, header: () => undefined })

async function sent(pool: Pool, recent: RecentFiles, url: string): Promise<void> {
  const answer = await answerRead(pool, settings, question(url), recent)
  answer!.source!.release()
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

test('a file that was sent in this turn is answered at once, from the same pin', async (t) => {
  const { pool, recent } = await kept(t)
  // The names are known from now on, and the turn may have ended.
  await nextTurn()
  await sent(pool, recent, '/b')
  assert.equal((await pool.pins()).length, 1)
  const answer = answerRecent(settings, question('/b'), recent)
  assert.equal(answer?.headers.get('content-length'), '12')
  assert.equal((await pool.pins()).length, 1)
  assert.equal(Buffer.concat(answer.source!.views(0, 12)).toString(), 'content of b')
  await nextTurn()
  assert.equal(recent.find('/b'), undefined)
  assert.equal((await pool.pins()).length, 1, 'the answer holds it by itself')
  answer.source!.release()
  assert.deepEqual(await pool.pins(), [])
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
      for (let tries = 1; ; tries++) {
        const { pool, other, recent } = await kept(t)
        await nextTurn()
        await sent(pool, recent, '/d/a')
        const isThere = recent.find('/d/a') !== undefined
        const turn = { isOver: false }
        setImmediate(() => {
          turn.isOver = true
        })
        await change(who === 'this one' ? pool : other)
        if (isThere && !turn.isOver) {
          assert.equal(recent.find('/d/a'), undefined)
          return
        }
        assert.ok(tries < 50, 'the turn ended each time')
      }
    })
  }
}
