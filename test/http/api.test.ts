/** The JSON API, each route against the pool. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { BlockMap, Use } from '../../src/http/api/block-map.ts'
import type { FileListing, FileView } from '../../src/http/api/files-view.ts'
import { apiRoutes } from '../../src/http/api/index.ts'
import type { Pool } from '../../src/index.ts'
import { SEED } from '../support/seed.ts'
import { atEnd, BLOCK, temporaryPool } from '../support/temporary-pool.ts'

type Get = <T>(path: string) => Promise<T>

const apiOf = (pool: Pool, mayChange = true) => apiRoutes(pool, { mayChange: () => mayChange })

const getting =
  (pool: Pool): Get =>
  async <T>(path: string) => {
    const response = await apiOf(pool).request(path)
    assert.equal(response.status, 200, `${path}: ${response.status}`)
    return (await response.json()) as T
  }

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** A pool with every kind of block in it. */
async function variedPool(t: TestContext): Promise<Pool> {
  const pool = await temporaryPool(t)
  for (const [name, blocks] of [
    ['/a', 10],
    ['/b', 20],
    ['/c', 5],
  ] as const)
    await pool.writeFile(name, Buffer.alloc(blocks * BLOCK, name))
  const a = await pool.open('/a', 'r+')
  const b = await pool.open('/b', 'r+')
  const held = await b.pin({ offset: 4 * BLOCK, length: 4 * BLOCK, mode: 'read' })
  await b.punchHole(4 * BLOCK, 2 * BLOCK)
  const stable = await a.pin({ offset: BLOCK, length: 2 * BLOCK + 100, mode: 'read', stable: true })
  atEnd(t, () => {
    held.release()
    stable.release()
  })
  return pool
}

test('the pool in numbers is what the pool says', async (t) => {
  const pool = await variedPool(t)
  const shown = await getting(pool)<Record<string, unknown>>('/pool')
  assert.deepEqual(shown['stats'], await pool.stats())
  const { name, blocks, blockSize, sizeBytes, writable, policies } = shown
  assert.deepEqual([name, blocks, blockSize, sizeBytes, writable], ['pool', 1024, BLOCK, 4 << 20, true])
  assert.deepEqual(policies, { busy: 'sequester', dax: 'always', leaseBreakTimeMs: 30_000 })
})

test('promise 11: the map counts every block once, and what is pinned beside it', async (t) => {
  const pool = await variedPool(t)
  const { counts, extents, pins } = await getting(pool)<BlockMap>('/map?cells=7')
  const total = Object.fromEntries(Object.entries(counts).map(([use, cells]) => [use, sum(cells)])) as Record<
    Use,
    number
  >
  const stats = await pool.stats()
  assert.equal(total.free + total.file + total.sequestered + total.busy, 1024)
  assert.equal(total.free * BLOCK, stats.freeBytes)
  assert.equal(total.file * BLOCK, stats.usedBytes)
  assert.equal(total.sequestered * BLOCK, stats.sequesteredBytes)
  assert.equal(total.sequestered, 2)
  assert.deepEqual([total.pinned, total.stable], [4 + 3, 3])
  const ofB = extents?.filter(({ path }) => path === '/b') ?? []
  assert.equal(sum(ofB.map(({ length }) => length)), 18)
  assert.equal(sum(extents!.map(({ length }) => length)), 1024)
  const stable = pins!.find(({ isStable }) => isStable)!
  assert.deepEqual([stable.length, stable.pid, stable.mode], [3, process.pid, 'read'])
  const lost = extents!.find(({ state }) => state === 'sequestered')!
  assert.ok(pins!.some(({ block, length }) => block <= lost.block && block + length >= lost.block + lost.length))
})

test('every zoom level agrees with the one below it', async (t) => {
  const pool = await variedPool(t)
  const get = getting(pool)
  const single = await get<BlockMap>('/map?cells=1024')
  assert.equal(single.cellBlocks, 1)
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1023),
      fc.integer({ min: 1, max: 1024 }),
      fc.integer({ min: 1, max: 40 }),
      async (a, b, cells) => {
        const from = Math.min(a, b - 1)
        const to = Math.max(a + 1, b)
        const { counts, cellBlocks } = await get<BlockMap>(`/map?from=${from}&to=${to}&cells=${cells}`)
        for (const [use, cellCounts] of Object.entries(counts)) {
          assert.ok(cellCounts.length <= cells)
          const expected = cellCounts.map((_, cell) =>
            sum(
              single.counts[use as Use].slice(from + cell * cellBlocks, Math.min(to, from + (cell + 1) * cellBlocks)),
            ),
          )
          assert.deepEqual(cellCounts, expected, use)
        }
      },
    ),
    { seed: SEED, numRuns: 60 },
  )
})

test('a TiB is mapped as fast as a MiB', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 2 ** 40, on: 'disk' })
  await pool.writeFile('/a', Buffer.alloc(BLOCK))
  const map = await getting(pool)<BlockMap>('/map?cells=4096')
  assert.deepEqual([map.cellBlocks, map.counts.free.length, sum(map.counts.free)], [2 ** 16, 4096, 2 ** 28 - 1])
})

test('files and their extents are listed in portions', async (t) => {
  const pool = await variedPool(t)
  const get = getting(pool)
  const listed = await get<FileListing>('/files?path=/&limit=2')
  assert.deepEqual(
    listed.entries.map(({ name, sizeBytes }) => [name, sizeBytes]),
    [
      ['a', 10 * BLOCK],
      ['b', 20 * BLOCK],
    ],
  )
  const rest = await get<FileListing>(`/files?after=${listed.next}`)
  assert.deepEqual([rest.entries.map(({ name }) => name), rest.next], [['c', 'lost+found'], undefined])
  const file = await get<FileView>('/file?path=/b')
  assert.equal(sum(file.extents.map(({ length }) => length)), 18)
  assert.deepEqual(
    [file.pins.length, file.policy.busy, file.stat.busy, file.lostAndFound.length],
    [1, 'sequester', null, 1],
  )
})

test('the extents of a file of thousands come in portions, each once, from any byte on', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 32 << 20 })
  const app = apiRoutes(pool, { mayChange: () => false })
  await using file = await pool.open('/many', 'w')
  const block = Buffer.alloc(BLOCK)
  for (let nth = 0; nth < 2100; nth++) await file.write(block, { position: 2 * nth * BLOCK })
  const portion = async (query: string): Promise<FileView> =>
    (await (await app.request(`/file?path=/many${query}`)).json()) as FileView
  const offsets: number[] = []
  const sizes: number[] = []
  for (let from: number | undefined = 0; from !== undefined;) {
    const { extents, extentCount, nextExtent } = await portion(`&from=${from}`)
    assert.equal(extentCount, 2100)
    offsets.push(...extents.map(({ offset }) => offset))
    sizes.push(extents.length)
    from = nextExtent
  }
  assert.deepEqual(sizes, [1000, 1000, 100])
  assert.deepEqual(
    offsets,
    Array.from({ length: 2100 }, (_, nth) => 2 * nth * BLOCK),
  )
  const inside = await portion(`&from=${10 * BLOCK + 1}&limit=2`)
  assert.deepEqual(
    inside.extents.map(({ offset }) => offset / BLOCK),
    [10, 12],
  )
  assert.equal(inside.nextExtent, 14 * BLOCK)
  const behind = await portion('&from=999999999')
  assert.deepEqual([behind.extents, behind.nextExtent], [[], undefined])
})

test('pins, leases and changes under way are listed with their holders', async (t) => {
  const pool = await variedPool(t)
  const get = getting(pool)
  const b = await pool.open('/b', 'r+')
  await b.lease({ type: 'layout', onRecall: () => undefined })
  const abort = new AbortController()
  const changing = b.truncate(0, { busy: 'wait', signal: abort.signal })
  changing.catch(() => undefined)
  const { pins } = await get<{ pins: { path: string }[] }>('/pins')
  assert.deepEqual(pins.map(({ path }) => path).toSorted(), ['/a', '/b'])
  assert.equal((await get<{ pins: unknown[] }>('/pins?path=/a')).pins.length, 1)
  assert.equal((await get<{ leases: unknown[] }>('/leases')).leases.length, 1)
  const { changes } = await get<{ changes: { path: string; pid: number; kind: string }[] }>('/changes')
  assert.deepEqual(
    changes.map(({ path, pid, kind }) => [path, pid, kind]),
    [['/b', process.pid, 'change']],
  )
  abort.abort()
  await assert.rejects(changing, { name: 'AbortError' })
})

test('policies are changed, lost+found reclaimed, and refused with the holders', async (t) => {
  const pool = await variedPool(t)
  const app = apiOf(pool)
  const changed = await app.request('/file?path=/b', { method: 'PATCH', body: JSON.stringify({ busy: 'fail' }) })
  assert.equal(((await changed.json()) as FileView).policy.busy, 'fail')
  assert.equal((await pool.stat('/b')).busy, 'fail')
  const [lost] = await pool.lostAndFound.list()
  const reclaim = () =>
    app.request('/lost-and-found/reclaim', { method: 'POST', body: JSON.stringify({ name: lost.name }) })
  const refused = await reclaim()
  const { error } = (await refused.json()) as { error: { code: string; holders: unknown[] } }
  assert.deepEqual([refused.status, error.code, error.holders.length], [409, 'EBUSY', 1])
  assert.deepEqual((await getting(pool)<{ files: unknown[] }>('/lost-and-found')).files.length, 1)
})

test('without leave nothing is changed', async (t) => {
  const pool = await variedPool(t)
  const app = apiOf(pool, false)
  for (const [method, path] of [
    ['PATCH', '/file?path=/a'],
    ['POST', '/lost-and-found/reclaim'],
    ['POST', '/lab'],
  ]) {
    const response = await app.request(path, { method, body: JSON.stringify({ busy: 'fail' }) })
    const { error } = (await response.json()) as { error: { code: string } }
    assert.deepEqual([response.status, error.code], [403, 'EACCES'], path)
  }
  assert.equal((await pool.stat('/a')).busy, undefined)
  assert.equal(((await (await app.request('/pool')).json()) as { writable: boolean }).writable, false)
})

test('whatever is asked, the answer is JSON and never says 500', async (t) => {
  const pool = await variedPool(t)
  const app = apiOf(pool)
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      '',
      '-1',
      '0',
      '1',
      '1e3',
      '99999999999999999999',
      'NaN',
      '0x10',
      '1024',
      '/',
      '/a',
      '/a/b',
      '//',
      '/\0',
      '..',
      '/lost+found',
    ),
  )
  const query = fc.dictionary(
    fc.constantFrom('from', 'to', 'cells', 'path', 'after', 'limit', 'name', '__proto__'),
    value,
    { maxKeys: 4 },
  )
  const route = fc.constantFrom('/map', '/files', '/file', '/pins', '/leases', '/changes', '/lab/x/events', '/x')
  await fc.assert(
    fc.asyncProperty(route, query, async (path, asked) => {
      const response = await app.request(`${path}?${new URLSearchParams(asked).toString()}`)
      assert.ok(response.status < 500, `${path} ${JSON.stringify(asked)}: ${response.status}`)
      assert.equal(typeof (await response.json()), 'object')
    }),
    { seed: SEED, numRuns: 400 },
  )
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom('{', '[]', 'null', '{"busy":1}', '{"io":"x"}', '{"name":5}'),
  )
  const change = fc.constantFrom(['PATCH', '/file?path=/a'], ['POST', '/lab'], ['POST', '/lost-and-found/reclaim'])
  await fc.assert(
    fc.asyncProperty(change, body, async ([method, path], text) => {
      const response = await app.request(path, { method, body: text })
      assert.ok(response.status < 500, `${method} ${path} ${text}: ${response.status}`)
    }),
    { seed: SEED, numRuns: 100 },
  )
})
