/** What single wrong bytes of the metadata once led to, found by `npm run fuzz`: a code, not a hang or a mistake; then fsck. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { fsck } from '../../src/pool/fsck.ts'
import { readSpecimens, writeSpecimen } from '../fuzz/specimens.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'

const specimens = await readSpecimens()

/** A pool whose metadata have `to` where `from` stands: once, and of the same length. */
function changed(t: TestContext, from: string, to: string): string {
  const sound = specimens.get('closed')!
  const metadata = Buffer.from(sound.get('meta.db')!)
  const at = metadata.indexOf(from, 0, 'latin1')
  assert.ok(at >= 0 && from.length === to.length)
  metadata.write(to, at, 'latin1')
  const path = join(temporaryDirectory(t), 'pool')
  mkdirSync(path, { mode: 0o700 })
  writeSpecimen(path, new Map([...sound, ['meta.db', metadata]]))
  return path
}

/** Is refused with EUCLEAN; after fsck it works. */
async function mustBeMended(path: string, use: (pool: Pool) => Promise<unknown>): Promise<void> {
  {
    await using pool = await openPool(path)
    await assert.rejects(use(pool), { code: 'EUCLEAN' })
  }
  const { findings, left } = await fsck(path, { approve: async () => true })
  assert.ok(findings.length > 0)
  assert.deepEqual(left, [])
  await using pool = await openPool(path)
  await use(pool)
  assert.deepEqual(await pool.check(), [])
}

const readAll = async (pool: Pool): Promise<void> => {
  for (const name of await pool.readdir('/d')) await pool.lstat(`/d/${name}`)
}

test('a NUL in a name', (t) => mustBeMended(changed(t, 'small', 'sm\0ll'), readAll))

test('a slash in a name', (t) => mustBeMended(changed(t, 'small', 'sm/ll'), readAll))

test('names that are out of order, which a listing would never come to the end of', (t) =>
  mustBeMended(changed(t, 'sparse', '\x01parse'), async (pool) => {
    for (let i = 0; i < 3; i++) await pool.readdir('/d')
  }))

test('an attribute whose name has a NUL, no namespace, or is no UTF-8', async (t) => {
  const listed = async (pool: Pool): Promise<void> => {
    for (const name of await pool.listXattrs('/a')) await pool.getXattr('/a', name)
  }
  await mustBeMended(changed(t, 'user.name', 'us\0r.name'), listed)
  for (const name of ['uzer.name', 'user.n\xffme']) {
    const path = changed(t, 'user.name', name)
    const { findings, left } = await fsck(path, { approve: async () => true })
    assert.deepEqual([findings.map(({ code }) => code), left], [['xattr-name'], []])
    await using pool = await openPool(path)
    await listed(pool)
  }
})

test('a header that says that nothing can be written', async (t) => {
  const path = changed(t, 'SQLite format 3\0\x08\0\x02', 'SQLite format 3\0\x08\0\x03')
  {
    await using damaged = await openPool(path)
    await assert.rejects(damaged.writeFile('/new', 'cannot be written'), { code: 'EUCLEAN' })
  }
  assert.deepEqual((await fsck(path, { approve: async () => true })).left, [])
  await using pool = await openPool(path)
  await pool.writeFile('/new', 'can be written')
})
