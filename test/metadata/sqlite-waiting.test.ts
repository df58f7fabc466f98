/** How the SQLite store waits for its lock, and what it does after a failed sync. */
import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { Holder } from '../../src/errors.ts'
import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { Metadata, Patience } from '../../src/metadata/metadata.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import type { SqliteMetadataOptions } from '../../src/metadata/sqlite-metadata.ts'
import { create, fileOf, NOW, properties, range, unexpected } from './subject.ts'

/** A store, and somebody else in a transaction on it. */
async function contended(t: TestContext, options: SqliteMetadataOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  const path = join(directory, 'meta.db')
  await createSqliteMetadata(path, properties(64))
  const metadata = await openSqliteMetadata(path, options)
  const other = new DatabaseSync(path)
  t.after(async () => {
    await metadata.close()
    other.close()
    rmSync(directory, { recursive: true })
  })
  return {
    path,
    metadata,
    lock: () => other.exec('BEGIN IMMEDIATE'),
    unlock: () => other.exec('COMMIT'),
  }
}

const createWith = (metadata: Metadata, patience: Patience) =>
  metadata.create(
    { parent: ROOT_INODE, name: 'a', kind: 'file', mode: 0o600, uid: 0, gid: 0, nowNs: NOW },
    undefined,
    patience,
  )

const holder: Holder = { pid: 4711, threadId: 0, slot: 3, command: 'node', kind: 'transaction' }

test('promise 4: a lock that stays taken is ETIMEDOUT in time, and the error names the slot that has it', async (t) => {
  const { metadata, lock } = await contended(t, { whoHoldsTransaction: () => [holder] })
  lock()
  const start = performance.now()
  await assert.rejects(
    createWith(metadata, { timeoutMs: 100 }),
    (error: Error & { code: string; holders: Holder[] }) => {
      assert.equal(error.code, 'ETIMEDOUT')
      assert.deepEqual(error.holders, [holder])
      assert.match(error.message, /slot 3 \(process 4711, thread 0\)/)
      return true
    },
  )
  const tookMs = performance.now() - start
  assert.ok(tookMs >= 100 && tookMs < 5000, `took ${tookMs} ms`)
})

test('promise 4: the store has a time of its own for those who give none', async (t) => {
  const { metadata, lock } = await contended(t, { busyTimeoutMs: 20 })
  lock()
  await assert.rejects(create(metadata, 'a'), { code: 'ETIMEDOUT', holders: [] })
})

test('promise 4: an abort ends the wait at once with its reason, and nothing was done', async (t) => {
  const { metadata, lock, unlock } = await contended(t)
  lock()
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(createWith(metadata, { signal: controller.signal }), { name: 'AbortError' })
  const reason = new Error('mine')
  await assert.rejects(createWith(metadata, { signal: AbortSignal.abort(reason) }), reason)
  unlock()
  assert.equal(await metadata.lookup(ROOT_INODE, 'a'), undefined)
  await assert.rejects(createWith(metadata, { signal: AbortSignal.abort(reason) }), reason)
})

test('a waiter goes ahead when the lock is free again, and the event loop runs meanwhile', async (t) => {
  const { metadata, lock, unlock } = await contended(t)
  lock()
  const start = performance.now()
  const created = create(metadata, 'a')
  assert.ok(performance.now() - start < 1000)
  for (let tick = 0; tick < 10; tick++) await pause(1)
  unlock()
  const freed = performance.now()
  await created
  assert.ok(performance.now() - freed < 5000)
})

test('a callback runs only with the lock: nobody else grows the file meanwhile', async (t) => {
  const { metadata, lock } = await contended(t, { busyTimeoutMs: 10 })
  const ino = await fileOf(metadata, 'a', 2)
  lock()
  await assert.rejects(metadata.extend(ino, NOW, unexpected), { code: 'ETIMEDOUT' })
  await assert.rejects(metadata.allocate({ ino, range: range(0, 9) }, unexpected), { code: 'ETIMEDOUT' })
  await assert.rejects(metadata.changeLayout({ ino, remove: [], nowNs: NOW }, unexpected), { code: 'ETIMEDOUT' })
})

test('many waiters stop the event loop no longer than one', async (t) => {
  const { metadata, lock, unlock } = await contended(t)
  lock()
  const start = performance.now()
  const first = create(metadata, 'first')
  const one = performance.now() - start
  const waiting = Array.from({ length: 1000 }, (_, nth) => create(metadata, `f${nth}`))
  // Each that tried for as long as the first would make it a thousand times that.
  const thousand = performance.now() - start - one
  assert.ok(thousand < 500 * one, `${thousand} ms after ${one} ms`)
  unlock()
  await Promise.all([first, ...waiting])
  assert.equal((await metadata.space()).files, 1001)
})

test('reading never waits for a writer', async (t) => {
  const { metadata, lock } = await contended(t)
  const ino = await fileOf(metadata, 'a', 2)
  lock()
  assert.equal((await metadata.layout(ino))?.extents.length, 1)
  assert.equal(metadata.layoutNow?.(ino)?.inode.ino, ino)
  assert.deepEqual(await metadata.check(), [])
})

test('promise 11: whoever is in a transaction is shown from before it begins until after it ended', async (t) => {
  const states: boolean[] = []
  const { metadata } = await contended(t, { onTransaction: (isActive) => states.push(isActive) })
  const { ino } = await create(metadata, 'a')
  assert.deepEqual(states.splice(0), [true, false])
  await metadata.allocate({ ino, range: range(0, 1) }, () => assert.deepEqual(states, [true]))
  assert.deepEqual(states.splice(0), [true, false])
  await assert.rejects(create(metadata, 'a'), { code: 'EEXIST' })
  assert.deepEqual(states.splice(0), [true, false])
  await metadata.layout(ino)
  assert.deepEqual(states, [])
})

test('a callback cannot begin another transaction', async (t) => {
  const { metadata } = await contended(t)
  const { ino } = await create(metadata, 'a')
  let inner: Promise<unknown> = Promise.resolve()
  await metadata.allocate({ ino, range: range(0, 1) }, () => {
    inner = create(metadata, 'b')
    inner.catch(() => {})
    assert.equal(metadata.layoutNow?.(ino)?.inode.ino, ino)
  })
  await assert.rejects(inner, /another transaction/)
  assert.equal((await metadata.layout(ino))?.inode.blocks, 1)
})

test('promise 5: after a failed sync everything is EIO until the store is opened afresh', async (t) => {
  const { metadata, path } = await contended(t)
  await create(metadata, 'a')
  const handle = await open(path.replace('meta.db', 'other'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const failed = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO', syscall: 'fdatasync' })
  t.mock.method(prototype, 'datasync', () => Promise.reject(failed), { times: 1 })
  await assert.rejects(metadata.sync(), { code: 'EIO' })
  await assert.rejects(metadata.sync(), { code: 'EIO' })
  await assert.rejects(create(metadata, 'b'), { code: 'EIO' })
  await assert.rejects(metadata.inode(ROOT_INODE), { code: 'EIO' })
  assert.throws(() => metadata.layoutNow?.(ROOT_INODE), { code: 'EIO' })
  const again = await openSqliteMetadata(path)
  assert.equal((await again.lookup(ROOT_INODE, 'a'))?.kind, 'file')
  await again.close()
})

test('a sync that could not begin has lost nothing: it can be tried again', async (t) => {
  const { metadata, path } = await contended(t)
  await create(metadata, 'a')
  const log = `${path}-wal`
  renameSync(log, `${log}.away`)
  symlinkSync(log, log)
  await assert.rejects(metadata.sync(), { code: 'ELOOP' })
  unlinkSync(log)
  renameSync(`${log}.away`, log)
  await metadata.sync()
  await create(metadata, 'b')
})

test('promise 5: a sync is an fdatasync of the log, the first one syncs the directory too, and calls share one', async (t) => {
  const { metadata, path } = await contended(t)
  const handle = await open(path.replace('meta.db', 'other'), 'w')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const ofLog = t.mock.method(prototype, 'datasync')
  const ofDirectory = t.mock.method(prototype, 'sync')
  await create(metadata, 'a')
  await metadata.sync()
  assert.deepEqual([ofLog.mock.callCount(), ofDirectory.mock.callCount()], [1, 1])
  await create(metadata, 'b')
  await Promise.all(Array.from({ length: 9 }, () => metadata.sync()))
  // The first of the nine, and one for those who came while it ran.
  assert.deepEqual([ofLog.mock.callCount(), ofDirectory.mock.callCount()], [3, 1])
})

test('the log asks for a checkpoint above 8 MiB, and a checkpoint keeps it from growing', async (t) => {
  const { metadata } = await contended(t)
  const { ino } = await create(metadata, 'a')
  let checkpoints = 0
  for (let nth = 0; nth < 12_000; nth++) {
    await metadata.setAttributes(ino, { mode: nth & 0o777, nowNs: NOW })
    if (!metadata.wantsCheckpoint) continue
    checkpoints++
    await metadata.checkpoint()
    assert.equal(metadata.wantsCheckpoint, false)
  }
  assert.ok(checkpoints >= 1 && checkpoints <= 6, `${checkpoints} checkpoints`)
})
