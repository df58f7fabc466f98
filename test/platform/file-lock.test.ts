import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'

import { isLocked, tryLock, unlock } from '../../src/platform/file-lock.ts'

const lockUrl = JSON.stringify(import.meta.resolve('../../src/platform/file-lock.ts'))

function twoDescriptions(t: TestContext): { path: string; first: number; second: number } {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  const path = join(directory, 'file')
  const first = openSync(path, 'w+')
  const second = openSync(path, 'r+')
  t.after(() => {
    closeSync(first)
    closeSync(second)
    rmSync(directory, { recursive: true })
  })
  return { path, first, second }
}

test('an exclusive lock keeps other descriptions out, byte by byte, also beyond 4 GiB', (t) => {
  const { first, second } = twoDescriptions(t)
  for (const byte of [0, 5, 2 ** 40]) {
    assert.equal(tryLock(first, byte, 'exclusive'), true)
    assert.equal(tryLock(first, byte, 'exclusive'), true, 'again by the same')
    assert.equal(tryLock(second, byte, 'exclusive'), false)
    assert.equal(tryLock(second, byte, 'shared'), false)
    assert.equal(tryLock(second, byte + 1, 'exclusive'), true)
    unlock(second, byte + 1)
    unlock(first, byte)
    assert.equal(tryLock(second, byte, 'exclusive'), true)
    unlock(second, byte)
  }
})

test('shared locks live together and keep an exclusive one out', (t) => {
  const { first, second } = twoDescriptions(t)
  assert.equal(tryLock(first, 1, 'shared'), true)
  assert.equal(tryLock(second, 1, 'shared'), true)
  assert.equal(tryLock(second, 1, 'exclusive'), false)
  unlock(first, 1)
  assert.equal(tryLock(second, 1, 'exclusive'), true)
})

test('isLocked tells of others only', (t) => {
  const { first, second } = twoDescriptions(t)
  assert.equal(isLocked(second, 9), false)
  tryLock(first, 9, 'exclusive')
  assert.equal(isLocked(second, 9), true)
  assert.equal(isLocked(first, 9), false)
  assert.equal(isLocked(second, 8), false)
  assert.equal(isLocked(second, 10), false)
  tryLock(first, 9, 'shared')
  assert.equal(isLocked(second, 9), true)
  unlock(first, 9)
  assert.equal(isLocked(second, 9), false)
})

test('closing another descriptor of the file does not drop the lock, closing its own does', (t) => {
  const { path, first, second } = twoDescriptions(t)
  const third = openSync(path, 'r+')
  tryLock(first, 0, 'exclusive')
  closeSync(openSync(path, 'r+'))
  assert.equal(isLocked(second, 0), true)
  tryLock(third, 1, 'exclusive')
  closeSync(third)
  assert.equal(isLocked(second, 1), false)
})

test('kill -9 drops the locks of a process', async (t) => {
  const { path, first } = twoDescriptions(t)
  const script = `
    import { openSync } from 'node:fs'
    import { tryLock } from ${lockUrl}
    tryLock(openSync(${JSON.stringify(path)}, 'r+'), 3, 'exclusive')
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  assert.equal(isLocked(first, 3), true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isLocked(first, 3), false)
})

test('terminating a worker thread drops its locks, and not those of the process', async (t) => {
  const { path, first, second } = twoDescriptions(t)
  tryLock(first, 4, 'exclusive')
  const script = `
    import { openSync } from 'node:fs'
    import { parentPort } from 'node:worker_threads'
    import { tryLock } from ${lockUrl}
    tryLock(openSync(${JSON.stringify(path)}, 'r+'), 3, 'exclusive')
    parentPort.postMessage('locked')
    setInterval(() => {}, 1000)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`))
  t.after(() => worker.terminate())
  await once(worker, 'message')
  assert.equal(isLocked(first, 3), true)
  await worker.terminate()
  assert.equal(isLocked(first, 3), false)
  assert.equal(isLocked(second, 4), true)
})

test('errors carry code and system call, and a lock needs the right descriptor', (t) => {
  const { path } = twoDescriptions(t)
  assert.throws(() => tryLock(-1, 0, 'exclusive'), { code: 'EBADF', syscall: 'fcntl' })
  assert.throws(() => isLocked(-1, 0), { code: 'EBADF', syscall: 'fcntl' })
  const reader = openSync(path, 'r')
  try {
    assert.throws(() => tryLock(reader, 0, 'exclusive'), { code: 'EBADF' })
    assert.equal(tryLock(reader, 0, 'shared'), true)
  } finally {
    closeSync(reader)
  }
  assert.throws(() => unlock(0, -1), { name: 'AssertionError' })
})
