/** PUT and conditional requests while other processes change or pin the same files. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { middleware } from '../../src/http/index.ts'
import { hashOf, MIB, until } from '../support/pinned-content.ts'
import type { Here } from '../support/participant-main.ts'
import { startProcess } from '../support/participant.ts'
import { temporaryPool } from '../support/temporary-pool.ts'
import { asking, listening } from './front-ends.ts'

const write = { maxBytes: 8 * MIB }

describe('a tag is over when another process changes the file', () => {
  const changes: Readonly<Record<string, (here: Here) => Promise<void>>> = {
    'writes in place, and closes': async (here) => {
      const file = await here.pool.open('/a', 'r+')
      await file.write('other', { position: 0 })
      await file.close()
    },
    appends: async (here) => {
      await here.pool.writeFile('/a', 'more', { flags: 'a' })
    },
    truncates: async (here) => {
      await here.pool.truncate('/a', 2)
    },
    'replaces it': async (here) => {
      await here.pool.writeFile('/new', 'first')
      await here.pool.rename('/new', '/a')
    },
    'changes it through a pin': async (here) => {
      const file = await here.pool.open('/a', 'r+')
      const pin = await file.pin({ offset: 0, length: 5, mode: 'write' })
      pin.buffer[0] = 65
      pin.release()
      await file.close()
    },
  }
  for (const [name, change] of Object.entries(changes)) {
    test(`that ${name}`, async (t) => {
      const pool = await temporaryPool(t)
      const ask = asking(await listening(t, middleware(pool, { write, etag: 'strong' })))
      const made = await ask('/a', { method: 'PUT', body: 'first' })
      const etag = made.headers.etag!
      assert.equal((await ask('/a', { headers: { 'if-none-match': etag } })).status, 304)
      const other = await startProcess(t, pool)
      await other.run(change)
      const now = await pool.readFile('/a', 'utf8')
      const late = { method: 'PUT', body: 'late', headers: { 'if-match': etag } }
      assert.equal((await ask('/a', late)).status, 412)
      assert.equal((await ask('/a', { method: 'DELETE', headers: { 'if-match': etag } })).status, 412)
      assert.equal(await pool.readFile('/a', 'utf8'), now)
      const again = await ask('/a', { headers: { 'if-none-match': etag } })
      assert.deepEqual([again.status, again.body.toString()], [200, now])
      assert.notEqual(again.headers.etag, etag)
      const fresh = await ask('/a', { ...late, headers: { 'if-match': again.headers.etag! } })
      assert.equal(fresh.status, 204)
      await other.kill()
    })
  }
})

describe('promises 1 and 4: PUT over a file whose blocks another process has pinned', () => {
  for (const busy of ['sequester', 'fail', 'wait'] as const) {
    test(`under ${busy}`, async (t) => {
      const pool = await temporaryPool(t)
      const before = randomBytes(MIB)
      await pool.writeFile('/a', before)
      await pool.configure('/a', { busy })
      const ask = asking(await listening(t, middleware(pool, { write })))
      const other = await startProcess(t, pool)
      await other.run(async (here) => {
        const file = await here.pool.open('/a', 'r+')
        here.kept.pin = await file.pin({ offset: 0, length: 1 << 20, mode: 'read' })
        await file.close()
      })
      const body = randomBytes(MIB)
      const put = ask('/a', { method: 'PUT', body })
      if (busy === 'fail') {
        assert.equal((await put).status, 423)
        assert.equal(hashOf(await pool.readFile('/a')), hashOf(before))
        assert.deepEqual(await pool.readdir('/'), ['a', 'lost+found'])
      }
      if (busy === 'wait') {
        await until('it waits', async () => (await pool.why('/a')).changes.some(({ state }) => state === 'waiting'))
        await sleep(50)
        assert.equal(hashOf(await pool.readFile('/a')), hashOf(before))
      }
      if (busy === 'sequester') assert.equal((await put).status, 204)
      await other.run((here) => here.kept.pin.release())
      const { status } = busy === 'fail' ? await ask('/a', { method: 'PUT', body }) : await put
      assert.equal(status, 204)
      assert.equal(hashOf(await pool.readFile('/a')), hashOf(body))
      assert.equal((await pool.stat('/a')).busy, busy)
      await other.kill()
      assert.deepEqual(await pool.check(), [])
    })
  }
})
