/** Reading a store whose directory one may not write, while others have it open, after they died, and at rest. */
import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { codeOf } from '../../src/errors.ts'
import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import type { BlockCount } from '../../src/units.ts'
import type { Sight } from './reader.ts'
import { create, fileOf, NOW, properties, range, unexpected } from './subject.ts'

async function pool(t: TestContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => {
    chmodSync(directory, 0o755)
    rmSync(directory, { recursive: true })
  })
  const path = join(directory, 'meta.db')
  await createSqliteMetadata(path, properties(64))
  return path
}

/** A store whose writer was killed within a transaction. */
async function killed(t: TestContext): Promise<string> {
  const path = await pool(t)
  const args = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'contender.ts'), path, 'stall', 'x']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  assert.ok(existsSync(`${path}-wal`))
  return path
}

/** From now on others may only read; for us, when we are not root, that begins with the next opening. */
function close(path: string): void {
  const directory = join(path, '..')
  for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o444)
  chmodSync(directory, 0o555)
}

function open(path: string): void {
  const directory = join(path, '..')
  chmodSync(directory, 0o755)
  for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o644)
}

/** A process that may not write, and what it sees: at first, and whenever it is asked. */
async function reader(t: TestContext, path: string) {
  const child = fork(join(import.meta.dirname, 'reader.ts'), [path], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  t.after(() => child.kill('SIGKILL'))
  const answer = async (): Promise<Sight> => {
    const [sight] = (await Promise.race([once(child, 'message'), failed(child)])) as [Sight]
    return sight
  }
  const first = await answer()
  const ask = (what: 'look' | 'reopen') => {
    child.send(what)
    return answer()
  }
  return { first, ask }
}

async function failed(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null]
  throw new Error(`the reader ended with ${code}`)
}

const sees = (names: readonly string[], isAtRest: boolean): Sight => ({
  names: [...names, 'lost+found'].toSorted(undefined),
  isAtRest,
  refusals: ['EROFS', 'EROFS', 'EACCES'],
  findings: 0,
})

test('who may only read sees each commit of those who write, at once', async (t) => {
  const path = await pool(t)
  const metadata = await openSqliteMetadata(path)
  await create(metadata, 'a')
  close(path)
  const { first, ask } = await reader(t, path)
  assert.deepEqual(first, sees(['a'], false))
  await create(metadata, 'b')
  assert.deepEqual(await ask('look'), sees(['a', 'b'], false))
  await metadata.checkpoint()
  await create(metadata, 'c')
  assert.deepEqual(await ask('reopen'), sees(['a', 'b', 'c'], false))
  await metadata.close()
  assert.deepEqual(await ask('look'), sees(['a', 'b', 'c'], false))
  open(path)
  const later = await openSqliteMetadata(path)
  await create(later, 'd')
  assert.deepEqual(await ask('look'), sees(['a', 'b', 'c', 'd'], false))
  assert.deepEqual(await later.check(), [])
  await later.close()
})

test('who may only read sees what a process left that was killed, and goes on when somebody comes', async (t) => {
  const path = await killed(t)
  close(path)
  const { first, ask } = await reader(t, path)
  assert.deepEqual(first, sees(['x-before'], false))
  open(path)
  const metadata = await openSqliteMetadata(path)
  await create(metadata, 'y')
  assert.deepEqual(await ask('look'), sees(['x-before', 'y'], false))
  await metadata.close()
})

test('who may only read sees a pool at rest, and what happens later when it reopens', async (t) => {
  const path = await pool(t)
  const before = await openSqliteMetadata(path)
  await create(before, 'a')
  await before.close()
  close(path)
  const { first, ask } = await reader(t, path)
  assert.deepEqual(first, sees(['a'], true))
  assert.deepEqual(readdirSync(join(path, '..')), ['meta.db'])
  open(path)
  const come = await openSqliteMetadata(path)
  await create(come, 'b')
  await come.close()
  assert.deepEqual(await ask('reopen'), sees(['a', 'b'], true))
  const stay = await openSqliteMetadata(path)
  await create(stay, 'c')
  assert.deepEqual(await ask('reopen'), sees(['a', 'b', 'c'], false))
  await create(stay, 'd')
  assert.deepEqual(await ask('look'), sees(['a', 'b', 'c', 'd'], false))
  await stay.close()
})

test('a look at rest is over for a read during which somebody opened the store', async (t) => {
  const path = await pool(t)
  let looks = 0
  // After the read, which is the third time it is asked.
  const openings = (): number => {
    if (++looks === 3) {
      const writer = new DatabaseSync(path)
      writer.exec('UPDATE inodes SET uid = 77 WHERE ino = 1')
      writer.close()
    }
    return looks < 3 ? 0 : 1
  }
  const metadata = await openSqliteMetadata(path, { readOnly: true, openings })
  looks = 1
  assert.equal((await metadata.inode(ROOT_INODE))?.uid, 77)
  assert.ok(looks > 3)
  await metadata.close()
})

test('a log without its index is EACCES for who cannot make one', async (t) => {
  const path = await killed(t)
  rmSync(`${path}-shm`)
  close(path)
  const { first } = await reader(t, path)
  assert.deepEqual(first, { code: 'EACCES' })
})

test('whatever writes is EROFS, and changes nothing', async (t) => {
  const path = await pool(t)
  const writer = await openSqliteMetadata(path)
  const ino = await fileOf(writer, 'a', 2)
  const metadata = await openSqliteMetadata(path, { readOnly: true })
  const name = { parent: ROOT_INODE, name: 'a', nowNs: NOW }
  const rename = { fromParent: ROOT_INODE, fromName: 'a', toParent: ROOT_INODE, toName: 'b', nowNs: NOW }
  const writes = [
    create(metadata, 'b'),
    metadata.link({ ...name, ino, name: 'b' }),
    metadata.unlink(name, unexpected),
    metadata.removeDirectory({ ...name, name: 'lost+found' }),
    metadata.rename(rename, unexpected),
    metadata.setAttributes(ino, { nowNs: NOW }),
    metadata.setXattr(ino, 'user.a', new Uint8Array(1), { mode: 'set', nowNs: NOW }),
    metadata.removeXattr(ino, 'user.a', NOW),
    metadata.allocate({ ino, range: range(0, 9) }, unexpected),
    metadata.extend(ino, NOW, unexpected),
    metadata.changeLayout({ ino, remove: [], nowNs: NOW }, unexpected),
    metadata.reserve(1, unexpected),
    metadata.release([1]),
    metadata.grow(100 as BlockCount),
    metadata.checkpoint(),
  ]
  const results = await Promise.allSettled(writes)
  assert.deepEqual(
    results.map((result) => (result.status === 'rejected' ? codeOf(result.reason) : 'done')),
    writes.map(() => 'EROFS'),
  )
  assert.equal(metadata.wantsCheckpoint, false)
  await metadata.sync()
  assert.deepEqual(await metadata.layout(ino), await writer.layout(ino))
  await metadata.close()
  await assert.rejects(metadata.inode(ino), { code: 'EBADF' })
  await writer.close()
})
