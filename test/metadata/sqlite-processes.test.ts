/** The store of several processes: contention, and death at any moment. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { create, NOW, properties } from './subject.ts'

async function pool(t: TestContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'meta.db')
  await createSqliteMetadata(path, properties(1024))
  return path
}

const contender = (path: string, task: string, name: string): ChildProcess =>
  spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'contender.ts'), path, task, name],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

test('three processes that write at once lose no update', { timeout: 60_000 }, async (t) => {
  const path = await pool(t)
  const metadata = await openSqliteMetadata(path)
  const { ino } = await create(metadata, 'shared')
  const names = ['a', 'b', 'c']
  const exits = await Promise.all(names.map((name) => once(contender(path, 'count', name), 'exit')))
  assert.deepEqual(exits.flat(), [0, null, 0, null, 0, null])
  assert.equal((await metadata.inode(ino))?.size, 1500)
  assert.equal((await metadata.entries(ROOT_INODE, { limit: 9999 })).length, 1502)
  assert.deepEqual(await metadata.check(), [])
  await metadata.close()
})

test('promise 5: kill -9 inside of a transaction leaves nothing of it, and the lock is free', async (t) => {
  const path = await pool(t)
  const child = contender(path, 'stall', 'x')
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  const metadata = await openSqliteMetadata(path)
  t.after(() => metadata.close())
  const request = { parent: ROOT_INODE, name: 'y', kind: 'file', mode: 0, uid: 0, gid: 0, nowNs: NOW } as const
  await assert.rejects(metadata.create(request, undefined, { timeoutMs: 20 }), { code: 'ETIMEDOUT' })
  await kill(child)
  const file = await metadata.lookup(ROOT_INODE, 'x-before')
  assert.equal(file?.blocks, 0)
  assert.equal((await metadata.space()).free, 1024)
  await create(metadata, 'after')
  assert.deepEqual(await metadata.check(), [])
})

test('promise 5: kill -9 at any moment leaves a sound store', { timeout: 60_000 }, async (t) => {
  const path = await pool(t)
  for (let round = 0; round < 12; round++) {
    const children = ['p', 'q'].map((name) => contender(path, 'churn', `${name}${round}`))
    await Promise.all(children.map((child) => once(child.stdout!, 'data')))
    await pause(Math.random() * 40)
    await Promise.all(children.map(kill))
    const metadata = await openSqliteMetadata(path)
    assert.deepEqual(await metadata.check(), [], `round ${round}`)
    await create(metadata, `after-${round}`)
    await metadata.close()
  }
})
