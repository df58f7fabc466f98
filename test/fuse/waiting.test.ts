/** Requests that wait keep nobody else waiting, and can be interrupted (promises 3, 4). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { mountedAt } from '../../src/fuse/mount-point.ts'
import type { Pool } from '../../src/index.ts'
import { lacks } from '../programs/run.ts'
import { inMount, mountedPool, startInMount, whyNoMount } from '../support/mounted-pool.ts'

const skip = whyNoMount()
const SIZE = 8192
/** More than a slot of the pin table has records for. */
const MANY = 40

/** Whether the process waits for the answer of a mount. */
const isInKernel = (pid: number): boolean => /fuse|request_wait/.test(readFileSync(`/proc/${pid}/wchan`, 'utf8'))

/** A file whose blocks this process has pinned, so that a truncate of it waits. */
async function pinnedFile(pool: Pool, path: string): Promise<Disposable> {
  await pool.writeFile(path, Buffer.alloc(SIZE, 1))
  await using file = await pool.open(path, 'r')
  return await file.pin({ offset: 0, length: SIZE, mode: 'read' })
}

/** Resolves when so many changes wait in the pool. */
async function untilWaiting(pool: Pool, path: string): Promise<void> {
  while (!(await pool.why(path)).changes.some(({ state }) => state === 'waiting')) await delay(2)
}

test('a truncate that waits does not block other requests, and is done when the pin goes', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t, { busy: 'wait' })
  const pin = await pinnedFile(pool, '/pinned')
  const truncate = startInMount(t, '/', 'truncate', '-s', '0', join(dir, 'pinned'))
  const exit = once(truncate, 'exit')
  await untilWaiting(pool, '/pinned')
  assert.equal(await inMount(dir, 'echo other > other; cat other; mkdir d; mv other d; ls d'), 'other\nother\n')
  assert.equal(truncate.exitCode, null)
  assert.equal((await pool.stat('/pinned')).size, SIZE)
  pin[Symbol.dispose]()
  assert.deepEqual(await exit, [0, null])
  assert.equal((await pool.stat('/pinned')).size, 0)
})

test('Ctrl-C ends a truncate that waits, and the file is as it was', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t, { busy: 'wait' })
  using _pin = await pinnedFile(pool, '/pinned')
  const truncate = startInMount(t, '/', 'truncate', '-s', '0', join(dir, 'pinned'))
  const exit = once(truncate, 'exit')
  await untilWaiting(pool, '/pinned')
  truncate.kill('SIGINT')
  assert.deepEqual(await exit, [null, 'SIGINT'])
  assert.equal((await stat(join(dir, 'pinned'))).size, SIZE)
  assert.deepEqual((await pool.why('/pinned')).changes, [])
})

test('a signal that is caught makes the call fail with EINTR', { skip }, async (t) => {
  if (lacks(t, 'python3')) return
  const { pool, dir } = await mountedPool(t, { busy: 'wait' })
  using _pin = await pinnedFile(pool, '/pinned')
  const code = `import os, signal, sys
signal.signal(signal.SIGUSR1, lambda *_: (_ for _ in ()).throw(RuntimeError('EINTR')))
try:
  os.truncate(sys.argv[1], 0)
except RuntimeError as error:
  print(error)`
  const caller = startInMount(t, '/', 'python3', '-c', code, join(dir, 'pinned'))
  const output = text(caller.stdout)
  await untilWaiting(pool, '/pinned')
  caller.kill('SIGUSR1')
  assert.equal(await output, 'EINTR\n')
  assert.equal((await pool.stat('/pinned')).size, SIZE)
})

test('a wait has an end: the timeout of the mount', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t, { busy: 'wait', timeoutMs: 200 })
  using _pin = await pinnedFile(pool, '/pinned')
  await assert.rejects(inMount(dir, 'truncate -s 0 pinned'), /Connection timed out/)
})

test(
  'forty truncates wait on one mount, everything else goes on, and all are done when the pins go',
  { skip },
  async (t) => {
    const { pool, dir } = await mountedPool(t, { busy: 'wait' })
    const names = Array.from({ length: MANY }, (_, index) => `f${index}`)
    const pins: Disposable[] = []
    for (const name of names) pins.push(await pinnedFile(pool, `/${name}`))
    const truncates = names.map((name) => startInMount(t, '/', 'truncate', '-s', '0', join(dir, name)))
    const exits = Promise.all(truncates.map(async (truncate) => (await once(truncate, 'exit'))[0] as number))
    // Of those that wait without a break nothing is to be seen in the pool.
    while (truncates.some(({ pid }) => !isInKernel(pid!))) await delay(5)
    const everything = `
    echo other > other; cat other; truncate -s 2 other; cp other another; mv another other; echo third > third
    fallocate -l 64k third; fallocate -p -o 4k -l 4k third; mv third other; mkdir d; rmdir d; rm other; ls | wc -l`
    const before = performance.now()
    assert.equal(await inMount(dir, everything), `other\n${MANY + 1}\n`)
    assert.ok(performance.now() - before < 5000, 'nothing of it waited for a truncate')
    assert.ok(truncates.every(({ exitCode }) => exitCode === null))
    for (const pin of pins) pin[Symbol.dispose]()
    assert.deepEqual(await exits, Array(MANY).fill(0))
    for (const name of names) assert.equal((await pool.stat(`/${name}`)).size, 0)
    assert.deepEqual(await pool.check(), [])
  },
)

test('a lazy unmount while a request waits lets it finish', { skip }, async (t) => {
  const { pool, mount, dir } = await mountedPool(t, { busy: 'wait' })
  const pin = await pinnedFile(pool, '/pinned')
  const truncate = startInMount(t, '/', 'truncate', '-s', '0', join(dir, 'pinned'))
  const exit = once(truncate, 'exit')
  await untilWaiting(pool, '/pinned')
  await assert.rejects(mount.unmount(), { code: 'EBUSY' })
  await mount.unmount({ lazy: true })
  assert.equal(mountedAt(dir), undefined)
  pin[Symbol.dispose]()
  assert.deepEqual(await exit, [0, null])
  await mount.ended
  assert.equal((await pool.stat('/pinned')).size, 0)
})

test('a server that is killed while a request waits ends the request', { skip }, async (t) => {
  const { pool, mount, dir } = await mountedPool(t, { busy: 'wait' })
  using _pin = await pinnedFile(pool, '/pinned')
  const truncate = startInMount(t, '/', 'truncate', '-s', '0', join(dir, 'pinned'))
  const exit = once(truncate, 'exit')
  await untilWaiting(pool, '/pinned')
  process.kill(mount.pid, 'SIGKILL')
  assert.deepEqual(await exit, [1, null])
  await pool.reap()
  assert.deepEqual(await pool.check(), [])
  assert.equal((await pool.stat('/pinned')).size, SIZE)
})
