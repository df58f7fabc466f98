/**
 * Random requests to the same files behind `send` and behind a pool: the same status and the same headers, where both
 * follow the same rules. Left out: several ranges (send sends everything), HEAD with ranges (RFC 9110 knows none), If-Range
 * with a tag or a later date (send compares weakly), bodies of errors. `HOLDFAST_SEED` repeats a run.
 */
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import send from 'send'
import type { SendOptions } from 'send'
import { middleware } from '../../src/http/index.ts'
import { SEED } from '../support/seed.ts'
import { temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'
import type { Reply } from './front-ends.ts'
import { asking, listening } from './front-ends.ts'

const MODIFIED = new Date('2024-02-29T12:34:56Z')
const files: Record<string, string> = {
  '/index.html': '<p>root',
  '/fox.txt': 'The quick brown fox',
  '/empty.json': '',
  '/data': 'without an extension',
  '/page.html': '<p>page',
  '/sub/index.html': '<p>sub',
  '/sub/deep/a b.css': 'a { }',
  '/.hidden': 'hidden',
  '/.well/known.txt': 'known',
}

const path = fc.oneof(
  fc.constantFrom(
    ...Object.keys(files).map(encodeURI),
    '/',
    '/sub',
    '/sub/',
    '/sub/deep',
    '/sub/deep/',
    '/none',
    '/page',
  ),
  fc.constantFrom('/sub?x=1', '//sub', '/fox.txt/', '/%66ox.txt', '/fox.txt%20', '/%zz', '/a%00', '/..%2fx'),
)

const date = fc.constantFrom(
  MODIFIED.toUTCString(),
  new Date(MODIFIED.getTime() - 1000).toUTCString(),
  new Date(MODIFIED.getTime() + 1000).toUTCString(),
  'no date',
)
const tags = fc.constantFrom('TAG', '*', '"other"', 'W/"other", TAG', '"a", "b"', 'no tag', '')
const range = fc.oneof(
  fc.constantFrom(
    'bytes=0-',
    'bytes=0-4',
    'bytes=-5',
    'bytes=3-1000',
    'bytes=99-',
    'bytes=5-2',
    'bytes=x',
    'other=0-1',
    'bytes=-0',
    'bytes=0-0',
  ),
  fc.tuple(fc.nat(30), fc.nat(30)).map(([from, to]) => `bytes=${from}-${to}`),
)

const headers = fc.record(
  {
    'if-match': tags,
    'if-none-match': tags,
    'if-modified-since': date,
    'if-unmodified-since': date,
    'if-range': fc.constantFrom(MODIFIED.toUTCString(), new Date(MODIFIED.getTime() - 1000).toUTCString(), 'no date'),
    range,
    'cache-control': fc.constantFrom('no-cache', 'max-age=0'),
  },
  { requiredKeys: [] },
)

const options = fc.constantFrom<SendOptions & { maxAge?: number }>(
  {},
  { dotfiles: 'deny' },
  { dotfiles: 'allow', extensions: ['html'] },
  { index: ['page.html', 'index.html'], maxAge: 123_456, immutable: true },
  { acceptRanges: false, lastModified: false },
  { cacheControl: false },
)

const COMPARED = ['content-length', 'content-range', 'accept-ranges', 'cache-control', 'last-modified', 'content-type']

test('a pool answers as send does', async (t) => {
  const pool = await temporaryPool(t)
  const host = temporaryDirectory(t)
  for (const [name, content] of Object.entries(files)) {
    await pool.mkdir(dirname(name), { recursive: true })
    await pool.writeFile(name, content)
    await pool.utimes(name, MODIFIED, MODIFIED)
    mkdirSync(dirname(join(host, name)), { recursive: true })
    writeFileSync(join(host, name), content)
    utimesSync(join(host, name), MODIFIED, MODIFIED)
  }
  const sides = new Map<unknown, Record<'send' | 'pool', ReturnType<typeof asking>>>()
  const sidesFor = async (
    chosen: SendOptions & { maxAge?: number },
  ): Promise<Record<'send' | 'pool', ReturnType<typeof asking>>> => {
    const known = sides.get(chosen)
    if (known !== undefined) return known
    const bySend = await listening(t, (request, response) => {
      const { url = '/' } = request
      send(request, url.split('?')[0], { ...chosen, root: host }).pipe(response)
    })
    const byPool = await listening(t, middleware(pool, chosen as Parameters<typeof middleware>[1]))
    const made = { send: asking(bySend), pool: asking(byPool) }
    sides.set(chosen, made)
    return made
  }
  const method = fc.constantFrom('GET', 'GET', 'HEAD')
  const property = fc.asyncProperty(path, method, headers, options, async (url, verb, asked, chosen) => {
    if (verb === 'HEAD') delete (asked as Partial<typeof asked>).range
    const pair = await sidesFor(chosen)
    const replies: Record<string, Reply> = {}
    for (const side of ['send', 'pool'] as const) {
      const tag = (await pair[side](url)).headers.etag ?? '"none"'
      const filled = Object.entries(asked).map(([name, value]) => [name, value.replace('TAG', tag)])
      replies[side] = await pair[side](url, {
        method: verb,
        headers: Object.fromEntries(filled) as Record<string, string>,
      })
    }
    const told = Object.entries(replies).map(([side, { status, headers: got, body }]) => {
      if (status === 301) return [side, { status, location: got.location?.replace(/\?.*/, '') }]
      const kept = status < 400 || status === 416 ? COMPARED : []
      const shown = kept.filter((name) => status !== 416 || name === 'content-range').map((name) => [name, got[name]])
      return [
        side,
        { status, headers: Object.fromEntries(shown) as unknown, body: status < 400 ? body.toString() : '' },
      ]
    })
    const { send: theirs, pool: ours } = Object.fromEntries(told) as Record<string, unknown>
    assert.deepEqual(ours, theirs)
  })
  await fc.assert(property, {
    numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 400),
    seed: SEED,
  })
})
