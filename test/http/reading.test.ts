/** GET and HEAD, behind every front end. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Pool } from '../../src/index.ts'
import { temporaryPool } from '../support/temporary-pool.ts'
import type { Reply } from './front-ends.ts'
import { frontEnds } from './front-ends.ts'

/** What was sent over a socket in a turn of the event loop is kept for others until its end. */
async function nothingStaysPinned(pool: Pool): Promise<void> {
  await setImmediate()
  assert.deepEqual(await pool.pins(), [])
}

const TEXT = 'The quick brown fox jumps over the lazy dog'
const BIG = Buffer.alloc(3 << 20)
for (let at = 0; at < BIG.length; at++) BIG[at] = (at * 31 + (at >> 12)) & 0xff

for (const [name, start] of Object.entries(frontEnds)) {
  describe(`files behind ${name}`, () => {
    test('a file is sent whole, with type, length and validators, and nothing stays pinned', async (t) => {
      const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
      await pool.writeFile('/fox.html', TEXT)
      await pool.writeFile('/big', BIG)
      await pool.writeFile('/empty.txt', '')
      const ask = await start(t, pool)
      const { status, headers, body } = await ask('/fox.html?x=1')
      assert.equal(status, 200)
      assert.equal(body.toString(), TEXT)
      assert.equal(headers['content-type'], 'text/html; charset=utf-8')
      assert.equal(headers['content-length'], String(TEXT.length))
      assert.equal(headers['accept-ranges'], 'bytes')
      assert.equal(headers['cache-control'], 'public, max-age=0')
      assert.match(headers.etag!, /^W\/"[^"]+"$/)
      const { mtimeNs } = await pool.stat('/fox.html')
      assert.equal(Date.parse(headers['last-modified']!), Number(mtimeNs / 1_000_000_000n) * 1000)
      assert.deepEqual((await ask('/big')).body, BIG)
      assert.equal((await ask('/big')).headers['content-type'], 'application/octet-stream')
      const empty = await ask('/empty.txt')
      assert.deepEqual([empty.status, empty.headers['content-length'], empty.body.length], [200, '0', 0])
      await nothingStaysPinned(pool)
    })

    test('HEAD has the headers of GET and no body', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/fox.txt', TEXT)
      const ask = await start(t, pool)
      const [get, head] = [await ask('/fox.txt'), await ask('/fox.txt', { method: 'HEAD' })]
      assert.equal(head.status, 200)
      assert.equal(head.body.length, 0)
      for (const { headers } of [get, head]) delete headers.date
      assert.deepEqual(head.headers, get.headers)
      const refused = await ask('/none', { method: 'HEAD' })
      assert.deepEqual([refused.status, refused.body.length], [404, 0])
      assert.equal((await ask('/%zz', { method: 'HEAD' })).status, 400)
      assert.equal((await ask('/fox.txt')).body.toString(), TEXT, 'the connection is as it should be')
      await nothingStaysPinned(pool)
    })

    test('ranges: one, the end, several, none that is there, none that makes sense', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/fox.txt', TEXT)
      const ask = await start(t, pool)
      const of = (range: string): Promise<Reply> => ask('/fox.txt', { headers: { range } })
      const one = await of('bytes=4-8')
      assert.deepEqual([one.status, one.body.toString()], [206, 'quick'])
      assert.equal(one.headers['content-range'], `bytes 4-8/${TEXT.length}`)
      assert.equal((await of('bytes=-3')).body.toString(), 'dog')
      assert.equal((await of('bytes=40-1000')).body.toString(), 'dog')
      for (const more of ['bytes=-1000', `bytes=-${'9'.repeat(30)}`, 'bytes= -1000', 'bytes=4-8, -1000']) {
        const all = await of(more)
        const range = `bytes 0-${TEXT.length - 1}/${TEXT.length}`
        assert.deepEqual([all.status, all.headers['content-range'], all.body.toString()], [206, range, TEXT], more)
      }
      assert.equal((await of('bytes=0-3,4-8')).body.toString(), 'The quick', 'adjacent ones are one')
      const several = await of('bytes=0-2,-3')
      const boundary = /^multipart\/byteranges; boundary=(?<word>\w+)$/.exec(several.headers['content-type']!)
        ?.groups?.['word']
      assert.equal(several.status, 206)
      assert.equal(several.headers['content-length'], String(several.body.length))
      const part = (range: string, text: string): string =>
        `--${boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes ${range}/${TEXT.length}\r\n\r\n${text}\r\n`
      assert.equal(several.body.toString(), `${part('0-2', 'The')}${part('40-42', 'dog')}--${boundary}--\r\n`)
      const beyond = await of(`bytes=${TEXT.length}-`)
      assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${TEXT.length}`])
      for (const range of ['bytes=a-b', 'bytes=', 'bytes=5', 'lines=1-2', '0-5', `bytes=${'0-1,9-9,'.repeat(99)}0-1`]) {
        const whole = await of(range)
        assert.deepEqual([range, whole.status, whole.body.toString()], [range, 200, TEXT])
      }
      await nothingStaysPinned(pool)
    })

    test('what is not there is left to others, what must not be asked is refused', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/.secret', TEXT)
      await pool.writeFile('/a b.txt', TEXT)
      await pool.writeFile('/%20', TEXT)
      const ask = await start(t, pool)
      const statuses: Record<string, number> = {
        '/a%20b.txt': 200,
        '/%2520': 200,
        '/none': 404,
        '/a%20b.txt/': 404,
        '/a%20b.txt/x': 404,
        '/.secret': 404,
        '/lost+found': 404,
        '/%zz': 400,
        '/a%00b': 400,
        '/%2e%2e%2fetc': 403,
        '/x/..%2f..%2fy': 403,
        [`/${'n'.repeat(300)}`]: 404,
      }
      for (const [path, status] of Object.entries(statuses))
        assert.deepEqual([path, (await ask(path)).status], [path, status])
    })
  })
}

test('without a server all is over with the answer: the pool can be closed at once', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/fox.txt', TEXT)
  const ask = await frontEnds['hono without a server'](t, pool)
  assert.equal((await ask('/fox.txt')).status, 200)
  await pool.close()
})
