/** What a participant knows of what it changes itself, without looking it up: as everybody else finds it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'

/** user::rwx, group::r-x, other::---: a list that takes the place of the umask. */
const DEFAULT_LIST = Buffer.from('0200000001000700ffffffff04000500ffffffff20000000ffffffff', 'hex')

async function twoOf(t: TestContext): Promise<{ own: Pool; other: Pool }> {
  const own = await temporaryPool(t)
  return { own, other: await openedAgain(t, own) }
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  )

const CHANGES: readonly (readonly [what: string, change: (pool: Pool) => Promise<unknown>])[] = [
  ['a file is made', (pool) => pool.open('/d/file', 'wx').then((file) => file.close())],
  ['a directory is made', (pool) => pool.mkdir('/d/e')],
  ['a symlink is made', (pool) => pool.symlink('file', '/d/symlink')],
  ['a second name is made', (pool) => pool.link('/d/file', '/d/link')],
  ['a second name is removed', (pool) => pool.unlink('/d/link')],
  ['a name is moved', (pool) => pool.rename('/d/symlink', '/d/moved')],
  ['a file is removed', (pool) => pool.unlink('/d/file')],
  ['a directory is removed', (pool) => pool.rmdir('/d/e')],
  ['permissions change', (pool) => pool.chmod('/d', 0o700)],
]

describe('what a participant knows of its own changes', () => {
  test('of a directory it knows the attributes that everybody finds', async (t) => {
    const { own, other } = await twoOf(t)
    await own.mkdir('/d')
    for (const [what, change] of CHANGES) {
      // Known before, so that it is carried over.
      await own.stat('/d')
      await change(own)
      assert.deepEqual(await own.stat('/d'), await other.stat('/d'), what)
    }
    // Both sides in turn: what one knew is no basis for what it does next.
    for (const [what, change] of CHANGES) {
      await own.stat('/d')
      await other.writeFile('/d/other', what)
      await change(own)
      await other.unlink('/d/other')
      assert.deepEqual(await own.stat('/d'), await other.stat('/d'), `${what}, the other's between`)
    }
  })

  test('of a directory it made it knows all names, until another makes one', async (t) => {
    const { own, other } = await twoOf(t)
    await own.mkdir('/d')
    assert.equal(await own.exists('/d/a'), false)
    await other.writeFile('/d/a', '')
    assert.equal(await own.exists('/d/a'), true)
    await own.mkdir('/e')
    await own.writeFile('/e/own', '')
    assert.equal(await own.exists('/e/b'), false)
    await other.writeFile('/e/b', '')
    await own.writeFile('/e/own2', '')
    assert.deepEqual(
      [await own.exists('/e/b'), await own.exists('/e/own'), await own.exists('/e/c')],
      [true, true, false],
    )
    await own.mkdir('/f')
    await other.rename('/e/b', '/f/b')
    assert.deepEqual([await own.exists('/e/b'), await own.exists('/f/b')], [false, true])
  })

  test('what no name can be is no name in a directory that it made, either', async (t) => {
    const { own } = await twoOf(t)
    await own.mkdir('/d')
    for (const path of ['/d/', '/d/.', '/d/../d', '/d/./'])
      assert.equal((await own.stat(path)).isDirectory(), true, path)
    assert.equal(await codeOf(own.stat(`/d/${'n'.repeat(256)}`)), 'ENAMETOOLONG')
    assert.equal(await codeOf(own.stat('/d/none/..')), 'ENOENT')
  })

  test('of an inode it knows that it has no extended attributes, until another sets one', async (t) => {
    const { own, other } = await twoOf(t)
    await own.writeFile('/file', 'content')
    const steps: readonly ((pool: Pool) => Promise<unknown>)[] = [
      (pool) => pool.chmod('/file', 0o600),
      (pool) => pool.writeFile('/file', 'longer content'),
      (pool) => pool.truncate('/file', 20_000),
      (pool) => pool.utimes('/file', 1, 2),
    ]
    for (const step of steps) {
      await step(own)
      assert.equal(await codeOf(own.getXattr('/file', 'user.a')), 'ENODATA')
      await other.setXattr('/file', 'user.a', 'value')
      assert.equal((await own.getXattr('/file', 'user.a')).toString(), 'value')
      await step(own)
      assert.equal((await own.getXattr('/file', 'user.a')).toString(), 'value')
      await other.removeXattr('/file', 'user.a')
      assert.equal(await codeOf(own.getXattr('/file', 'user.a')), 'ENODATA')
    }
    await own.setXattr('/file', 'user.own', 'x')
    assert.equal((await own.getXattr('/file', 'user.own')).toString(), 'x')
  })

  test('a default list that another gives a directory holds for what is made in it next', async (t) => {
    const { own, other } = await twoOf(t)
    await own.mkdir('/d')
    await own.writeFile('/d/before', '')
    assert.equal(await codeOf(own.getXattr('/d', DEFAULT)), 'ENODATA')
    await other.setXattr('/d', DEFAULT, DEFAULT_LIST)
    await own.open('/d/after', 'wx', { mode: 0o666 }).then((file) => file.close())
    assert.equal((await own.stat('/d/after')).mode & 0o777, 0o640)
    await own.mkdir('/d/e')
    assert.deepEqual(await own.getXattr('/d/e', DEFAULT), DEFAULT_LIST)
    assert.equal(await codeOf(own.getXattr('/d/after', ACCESS)), 'ENODATA')
    await own.mkdir('/f')
    assert.equal(await codeOf(own.getXattr('/f', DEFAULT)), 'ENODATA')
    await own.setXattr('/f', DEFAULT, DEFAULT_LIST)
    assert.deepEqual(await own.getXattr('/f', DEFAULT), DEFAULT_LIST)
  })

  test('an open file whose attributes it changed is as everybody finds it', async (t) => {
    const { own, other } = await twoOf(t)
    await own.writeFile('/file', 'content')
    await using file = await own.open('/file', 'r+')
    for (const mode of [0o600, 0o640, 0o644]) {
      await own.chmod('/file', mode)
      assert.deepEqual(await file.stat(), await other.stat('/file'))
      await other.truncate('/file', 3 + mode)
      await other.chmod('/file', mode & 0o700)
      assert.deepEqual(await file.stat(), await other.stat('/file'))
    }
    await own.writeFile('/file', 'content')
    await file.stat()
    // Growth takes no blocks away: only the mark tells of it.
    await using another = await other.open('/file', 'a')
    await another.write(Buffer.from(' and more'))
    await own.chmod('/file', 0o604)
    const bytes = Buffer.alloc(100)
    const { bytesRead } = await file.read(bytes, { position: 0 })
    assert.equal(bytes.toString('utf8', 0, bytesRead), 'content and more')
    await other.unlink('/file')
    assert.equal((await file.stat()).nlink, 0)
  })
})
