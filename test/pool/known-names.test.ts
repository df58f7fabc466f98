/** What a participant keeps of names, paths and inodes: never behind what another one has done, and bounded. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

/** What is at /a/b/file, as far as a path tells. */
async function lookOf(pool: Pool): Promise<string> {
  const path = '/a/b/file'
  const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message
  const stat = await pool
    .stat(path)
    .then(({ ino, mode, size, nlink }) => `${ino} ${mode.toString(8)} ${size} ${nlink}`, codeOf)
  const opened = await pool.open(path).then(async (file) => {
    await file.close()
    return file.ino
  }, codeOf)
  return `${await pool.exists(path)} ${stat} ${opened}`
}

/** What another participant may do to a name, or to what is on the way to it. */
const CHANGES: readonly ((pool: Pool) => Promise<unknown>)[] = [
  (pool) => pool.chmod('/a/b/file', 0o600),
  (pool) => pool.writeFile('/a/b/file', 'longer'),
  (pool) => pool.link('/a/b/file', '/second'),
  (pool) => pool.unlink('/a/b/file'),
  (pool) => pool.rename('/second', '/a/b/file'),
  (pool) => pool.writeFile('/other', 'other').then(() => pool.rename('/other', '/a/b/file')),
  (pool) => pool.rename('/a/b', '/a/c'),
  (pool) => pool.mkdir('/a/b').then(() => pool.writeFile('/a/b/file', 'new')),
  (pool) => pool.rename('/a/c', '/a/b', { exchange: true }),
  (pool) => pool.rename('/a', '/z'),
  (pool) => pool.symlink('/z', '/a'),
  (pool) => pool.unlink('/z/b/file'),
  (pool) => pool.symlink('../c/file', '/z/b/file'),
  (pool) => pool.unlink('/a'),
  (pool) => pool.rename('/z', '/a'),
  (pool) => pool.unlink('/a/b/file').then(() => pool.mkdir('/a/b/file')),
  (pool) => pool.rmdir('/a/b/file').then(() => pool.rmdir('/a/b')),
  (pool) => pool.writeFile('/a/b', 'no directory'),
]

describe('what is known of names', () => {
  test('is never behind what another participant has done', async (t) => {
    const changing = await temporaryPool(t)
    const looking = await openedAgain(t, changing)
    await changing.mkdir('/a/b', { recursive: true })
    await changing.writeFile('/a/b/file', 'old')
    let before = ''
    for (const [i, change] of CHANGES.entries()) {
      // Twice: the second look finds everything known.
      assert.equal(await lookOf(looking), await lookOf(looking))
      await change(changing)
      const known = await lookOf(looking)
      const afresh = await openedAgain(t, changing)
      assert.equal(known, await lookOf(afresh), `after change ${i}`)
      await afresh.close()
      assert.notEqual(known, before, `change ${i} shows`)
      before = known
    }
  })

  test('is bounded, and what was dropped is found again', async (t) => {
    const pool = await temporaryPool(t)
    await pool.mkdir('/directory')
    await pool.writeFile('/directory/file', 'content')
    // More than the paths and the closed files that are kept.
    for (let i = 0; i < 17_000; i++) assert.equal(await pool.exists(`/directory/none-${i}`), false)
    assert.equal((await pool.stat('/directory/file')).size, 7)
    assert.equal(await pool.exists('/directory/none-0'), false)
    const records = pool.fileSystem.table.own.live
    const names = Array.from({ length: 1100 }, (_, i) => `/directory/file-${i}`)
    for (const round of ['wx', 'r', 'r']) for (const name of names) await (await pool.open(name, round)).close()
    assert.equal(pool.fileSystem.table.own.live, records, 'nothing is claimed by what is closed')
    await using file = await pool.open('/directory/file')
    assert.equal((await file.stat()).size, 7)
  })

  test('a path that is too long is refused although each of its names is known', async (t) => {
    const pool = await temporaryPool(t)
    const name = 'n'.repeat(255)
    let path = ''
    for (let depth = 0; depth < 15; depth++) await pool.mkdir((path += `/${name}`))
    await pool.symlink(path, '/short')
    await pool.mkdir(`/short/${name}`)
    for (const look of [1, 2]) {
      assert.equal(await pool.exists(`/short/${name}`), true, `look ${look}`)
      await assert.rejects(pool.exists(`${path}/${name}`), { code: 'ENAMETOOLONG' }, `look ${look}`)
    }
  })

  test('of a directory whose names are all known, what can be no name is still the directory, or refused', async (t) => {
    const pool = await temporaryPool(t)
    // Whoever makes a directory knows that nothing is in it.
    await pool.mkdir('/d')
    const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message
    const looks: readonly ((who: Pool, path: string) => Promise<unknown>)[] = [
      (who, path) => who.exists(path).catch(codeOf),
      (who, path) => who.stat(path).then(({ ino }) => ino, codeOf),
      (who, path) => who.open(path).then(() => 'opened', codeOf),
      (who, path) => who.open(path, 'r+').then(() => 'opened', codeOf),
      (who, path) => who.open(path, 'w').then(() => 'made', codeOf),
    ]
    const long = 'n'.repeat(256)
    for (const path of [
      '/d/',
      '/d/.',
      '/d/..',
      '/d//',
      '/d/./',
      '/',
      '/.',
      '/..',
      `/d/${long}`,
      '/d/\0',
      '/d/no',
      '/d/no/',
    ]) {
      for (const [nth, look] of looks.slice(0, path === '/d/no' ? 4 : 5).entries()) {
        // One that has just come knows nothing.
        const other = await openedAgain(t, pool)
        assert.deepEqual(await look(pool, path), await look(other, path), `${path.slice(0, 20)} ${nth}`)
        await other.close()
      }
    }
    assert.equal(await pool.exists('/d/'), true)
  })
})
