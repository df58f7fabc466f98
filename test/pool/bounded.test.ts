/** Promise 4, across processes: what waits ends by its timeout or its signal, names the holders, and has changed nothing. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BusyOptions, File, Holder, Pool } from '../../src/index.ts'
import { BreakState } from '../../src/layout/format.ts'
import type { InodeNumber } from '../../src/units.ts'
import { startProcess } from '../support/participant.ts'
import { sharedProcess } from '../support/participants.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(3, 8)
type Failure = Error & { code: string; syscall: string; holders: Holder[] }
type Wait = (pool: Pool, options: BusyOptions) => Promise<unknown>

const WAITS: Record<string, Wait> = {
  truncate: (pool, options) => pool.truncate('/file', 0, options),
  punchHole: (pool, options) => pool.punchHole('/file', 0, BLOCK, options),
  unlink: (pool, options) => pool.unlink('/file', options),
  'rename over it': (pool, options) => pool.rename('/other', '/file', options),
  "open 'w'": async (pool, options) => (await pool.open('/file', 'w', options)).close(),
  flushDma: (pool, options) => pool.flushDma('/file', options),
}

/** Waits that need the lock of the metadata, nothing being pinned. */
const LOCKED: Record<string, Wait> = {
  ...WAITS,
  "open 'wx' of a new file": async (pool, options) => (await pool.open('/new', 'wx', options)).close(),
  'rename to a new name': (pool, options) => pool.rename('/other', '/new', options),
  'an append': async (pool, options) => {
    await using file = await pool.open('/file', 'a')
    await file.write('more', options)
  },
  'a write pin over a hole': async (pool, options) => {
    await using file = await pool.open('/sparse', 'r+')
    using _ = await file.pin({ offset: 0, length: BLOCK, mode: 'write', ...options })
  },
  'an allocation': async (pool, options) => {
    await using file = await pool.open('/sparse', 'r+')
    await file.allocate(0, BLOCK, options)
  },
}
delete LOCKED['flushDma']

/** To 3 MiB, over a change of [1 MiB, 2 MiB). */
const GROWING: Record<string, (file: File, options: { timeoutMs?: number; signal?: AbortSignal }) => Promise<unknown>> =
  {
    'a truncate to a larger size': (file, options) => file.truncate(3 << 20, options),
    'a write far behind the end': (file, options) =>
      file.write(Buffer.alloc(BLOCK, 1), { position: (3 << 20) - BLOCK, ...options }),
    'an allocation behind the end': (file, options) => file.allocate(0, 3 << 20, options),
  }

async function filesOf(pool: Pool): Promise<void> {
  await pool.writeFile('/file', content)
  await pool.writeFile('/other', 'other')
  await using sparse = await pool.open('/sparse', 'w')
  await sparse.truncate(BLOCK)
}

async function checkUnchanged(pool: Pool): Promise<void> {
  assert.ok(content.equals(await pool.readFile('/file')))
  assert.equal(await pool.readFile('/other', 'utf8'), 'other')
  assert.equal((await pool.stat('/sparse')).blocks, 0)
  assert.equal(await pool.exists('/new'), false)
  await checkSound(pool)
}

describe('promise 4: bounded', async () => {
  const other = await sharedProcess()

  for (const [name, wait] of Object.entries(WAITS)) {
    test(`${name} waits for a pin of another process no longer than its timeout or its signal, and names the holder`, async (t) => {
      const pool = await temporaryPool(t, { busy: 'wait' })
      await filesOf(pool)
      await other.attach(pool)
      await other.run(async (here) => {
        const file = await here.pool.open('/file', 'r')
        here.kept.pin = await file.pin({ offset: 100, length: 50, mode: 'read' })
        await file.close()
      })

      const start = performance.now()
      await assert.rejects(wait(pool, { timeoutMs: 40 }), (error: Failure) => {
        assert.equal(error.code, 'ETIMEDOUT')
        const [holder] = error.holders
        assert.equal(error.holders.length, 1)
        assert.deepEqual(
          [holder?.pid, holder?.threadId, holder?.kind, holder?.mode, holder?.offset, holder?.length],
          [other.pid, 0, 'pin', 'read', 100, 50],
        )
        assert.ok(holder?.command.includes('participant-main'), holder?.command)
        assert.deepEqual(JSON.parse(JSON.stringify(error.holders)), error.holders)
        assert.ok(error.message.includes(String(other.pid)), error.message)
        return true
      })
      const took = performance.now() - start
      assert.ok(took >= 38 && took < 2000, `${took} ms`)
      await checkUnchanged(pool)

      const reason = new Error('changed my mind')
      await assert.rejects(wait(pool, { signal: AbortSignal.abort(reason) }), reason)
      await checkUnchanged(pool)

      const abort = new AbortController()
      const during = wait(pool, { signal: abort.signal })
      await untilWaiting(pool)
      abort.abort()
      await assert.rejects(during, { name: 'AbortError' })
      await checkUnchanged(pool)

      const late = new AbortController()
      const done = wait(pool, { signal: late.signal })
      await untilWaiting(pool)
      await other.run((here) => here.kept.pin.release())
      await done
      late.abort()
      await checkSound(pool)
    })
  }

  test('a pin that queues behind a waiting change of another process ends by its timeout or its signal', async (t) => {
    const pool = await temporaryPool(t)
    await filesOf(pool)
    await other.attach(pool)
    await using file = await pool.open('/file', 'r+')
    const held = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
    const change = other.run((here) => here.pool.truncate('/file', 100, { busy: 'wait' }))
    await untilBroken(pool, file.ino)
    const range = { offset: 2 * BLOCK, length: BLOCK, mode: 'read' } as const
    await assert.rejects(file.pin({ ...range, timeoutMs: 30 }), (error: Failure) => {
      assert.equal(error.code, 'ETIMEDOUT')
      assert.deepEqual(
        error.holders.map(({ pid, kind }) => [pid, kind]),
        [
          [process.pid, 'pin'],
          [other.pid, 'change'],
        ],
      )
      return true
    })
    assert.throws(() => file.pinSync(range), { code: 'EAGAIN' })
    const abort = new AbortController()
    const during = file.pin({ ...range, signal: abort.signal })
    abort.abort()
    await assert.rejects(during, { name: 'AbortError' })
    assert.equal((await pool.pins()).length, 1)
    held.release()
    await change
    assert.equal((await file.stat()).size, 100)
  })

  test('a change is woken by the release in another process, and a queued pin by the end of the change, not by a clock', async (t) => {
    const pool = await temporaryPool(t)
    await other.attach(pool)
    await using file = await pool.open('/file', 'w+')
    const times: number[] = []
    for (let round = 0; round < 7; round++) {
      await file.write(content, { position: 0 })
      await other.run(async (here) => {
        await using theirs = await here.pool.open('/file', 'r')
        here.kept.pin = await theirs.pin({ offset: 0, length: 4096, mode: 'read' })
      })
      const change = file.punchHole(0, BLOCK, { busy: 'wait' })
      await untilWaiting(pool)
      const queued = other.run(async (here) => {
        await using theirs = await here.pool.open('/file', 'r')
        const next = theirs.pin({ offset: 0, length: 4096, mode: 'read' })
        await new Promise((resolve) => setTimeout(resolve, 5))
        const start = performance.now()
        here.kept.pin.release()
        ;(await next).release()
        return performance.now() - start
      })
      await change
      times.push(await queued)
    }
    const median = times.sort((a, b) => a - b)[3] ?? NaN
    assert.ok(median < 100, `there and back in ${median} ms; the clock ticks each 250 ms`)
  })

  test('whoever waits for the metadata waits no longer than its timeout or its signal, and names who is in a transaction', async (t) => {
    const pool = await temporaryPool(t)
    await filesOf(pool)
    const stopped = await startProcess(t, pool)
    void stopped.run(async (here) => {
      const file = await here.pool.open('/other', 'r+')
      await here.pool.fileSystem.metadata.extend(file.ino as never, 0n, () => here.hang())
    })
    await stopped.hung()
    for (const [name, wait] of Object.entries(LOCKED)) {
      const start = performance.now()
      await assert.rejects(wait(pool, { timeoutMs: 30 }), (error: Failure) => {
        assert.equal(error.code, 'ETIMEDOUT', `${name}: ${error.stack}`)
        assert.deepEqual(
          error.holders.map(({ pid, kind }) => [pid, kind]),
          [[stopped.pid, 'transaction']],
          name,
        )
        return true
      })
      assert.ok(performance.now() - start < 1500, `${name} took ${performance.now() - start} ms`)
      const abort = new AbortController()
      setTimeout(() => abort.abort(), 10)
      await assert.rejects(wait(pool, { signal: abort.signal }), { name: 'AbortError' }, name)
    }
    const goesOn = pool.truncate('/file', 10)
    await stopped.kill()
    await goesOn
    assert.equal((await pool.stat('/file')).size, 10)
    await checkSound(pool)
  })

  test('a copy whose owner is stopped in the middle holds no change for ever: fail and wait name it, sequester counts it as a pin', async (t) => {
    const pool = await temporaryPool(t)
    await filesOf(pool)
    const elsewhere = await openedAgain(t, pool)
    const stopped = await startProcess(t, pool)
    void stopped.run(async (here) => {
      const fs = here.pool.fileSystem
      const { ino } = await here.pool.open('/file', 'r')
      const open = fs.openInodes.get(ino as never)!
      here.inside.withCopyClaim(fs, open, 0, 4096, 0, true, () => here.hang())
    })
    await stopped.hung()
    const named = (code: string) => (error: Failure) => {
      assert.equal(error.code, code)
      assert.deepEqual(
        error.holders.map(({ pid, kind }) => [pid, kind]),
        [[stopped.pid, 'copy']],
      )
      return true
    }
    await assert.rejects(pool.truncate('/file', 0, { busy: 'fail' }), named('EBUSY'))
    const cpu = process.cpuUsage()
    const waits = assert.rejects(pool.truncate('/file', 0, { busy: 'wait', timeoutMs: 1200 }), named('ETIMEDOUT'))
    await untilWaiting(pool)
    const { bytesRead } = await (
      await elsewhere.open('/file', 'r')
    ).read(Buffer.alloc(content.length), { timeoutMs: 900 })
    assert.equal(bytesRead, content.length, 'copies of others go on meanwhile')
    await waits
    const { user, system } = process.cpuUsage(cpu)
    assert.ok(user + system < 400_000, `it waits, it does not spin: ${user + system} µs`)
    await checkUnchanged(pool)
    await pool.truncate('/file', 0, { busy: 'sequester' })
    const [lost] = await pool.lostAndFound.list()
    assert.deepEqual(
      lost?.holders.map(({ pid, kind }) => [pid, kind]),
      [[stopped.pid, 'copy']],
    )
    await stopped.kill()
    await checkSound(pool)
  })

  for (const [what, grow] of Object.entries(GROWING)) {
    test(`${what} waits for a change that its process does not commit no longer than its timeout, and does not spin`, async (t) => {
      const pool = await temporaryPool(t, { sizeBytes: 8 << 20 })
      await pool.writeFile('/file', 'abc')
      await using file = await pool.open('/file', 'r+')
      const changer = await openedAgain(t, pool)
      const { table } = changer.fileSystem
      const broken = table.publishBreak(file.ino as InodeNumber, 1 << 20, 2 << 20, BreakState.committing)
      const cpu = process.cpuUsage()
      // The signal is for the test: without it, one that waits for ever would.
      const limits = { timeoutMs: 500, signal: AbortSignal.timeout(10_000) }
      await assert.rejects(grow(file, limits), (error: Failure) => {
        assert.equal(error.code, 'ETIMEDOUT', error.stack)
        assert.deepEqual(
          error.holders?.map(({ kind, slot, offset }) => [kind, slot, offset]),
          [['change', table.own.index, 1 << 20]],
        )
        return true
      })
      const { user, system } = process.cpuUsage(cpu)
      assert.ok(user + system < 400_000, `it waits, it does not spin: ${user + system} µs`)
      assert.equal((await file.stat()).size, 3)
      table.takeBreakBack(broken!)
      await grow(file, {})
      assert.equal((await file.stat()).size, 3 << 20)
    })
  }

  test('closing the pool ends what waits for the metadata with an error as well, and changes nothing', async (t) => {
    const pool = await temporaryPool(t)
    await filesOf(pool)
    const leaving = await openedAgain(t, pool)
    const stopped = await startProcess(t, pool)
    void stopped.run(async (here) => {
      const file = await here.pool.open('/other', 'r+')
      await here.pool.fileSystem.metadata.extend(file.ino as never, 0n, () => here.hang())
    })
    await stopped.hung()
    const ends = Promise.allSettled(Object.values(LOCKED).map((wait) => wait(leaving, {})))
    // One turn of the event loop: all of them have met the lock.
    await new Promise((resolve) => setImmediate(resolve))
    await leaving.close()
    for (const end of await ends) {
      assert.equal(end.status, 'rejected')
      assert.equal((end.reason as Failure).code, 'EBADF', (end.reason as Failure).stack)
    }
    await stopped.kill()
    await checkUnchanged(pool)
    assert.equal((await pool.stats()).participants, 1)
  })

  test('closing the pool ends what is about to wait, or takes a lease, with an error, and nothing comes after', async (t) => {
    const pool = await temporaryPool(t)
    await filesOf(pool)
    const leaving = await openedAgain(t, pool)
    await using held = await pool.open('/file', 'r')
    using _ = await held.pin({ offset: 0, length: BLOCK, mode: 'read' })
    const file = await leaving.open('/file', 'r+')
    const ends: Promise<PromiseSettledResult<unknown>[]>[] = []
    const closing = leaving.close()
    // From the close on, each microtask a little later than the one before.
    for (let i = 0; i < 200; i++) {
      const options = { busy: 'wait', timeoutMs: 60_000 } as const
      // One that is granted before the close has come to the leases is released by it.
      file.lease({ type: 'layout', onRecall: () => {} }).catch(({ code }: Failure) => assert.equal(code, 'EBADF'))
      ends.push(Promise.allSettled([file.truncate(0, options), file.flushDma()]))
      await Promise.resolve()
    }
    await closing
    for (const end of (await Promise.all(ends)).flat()) {
      assert.equal(end.status, 'rejected')
      assert.equal((end.reason as Failure).code, 'EBADF', (end.reason as Failure).stack)
    }
    // A timer of theirs would find no table, and end the process.
    await new Promise((resolve) => setTimeout(resolve, 600))
    await checkUnchanged(pool)
    assert.deepEqual([await pool.leases(), (await pool.stats()).participants], [[], 1])
  })

  test('closing the pool ends what waits in it with an error', async (t) => {
    const pool = await temporaryPool(t)
    await filesOf(pool)
    const elsewhere = await openedAgain(t, pool)
    const file = await elsewhere.open('/file', 'r')
    using pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
    const change = pool.truncate('/file', 0, { busy: 'wait' })
    const flush = pool.flushDma('/file')
    const ends = Promise.allSettled([change, flush])
    await untilWaiting(pool)
    await pool.close()
    for (const end of await ends) {
      assert.equal(end.status, 'rejected')
      assert.equal((end.reason as Failure).code, 'EBADF')
    }
    assert.equal(pin.buffer.length, BLOCK)
    assert.ok(content.equals(await elsewhere.readFile('/file')))
    await checkSound(elsewhere)
  })
})

/** Until this participant waits for something. */
async function untilWaiting(pool: Pool): Promise<void> {
  const { words } = pool.fileSystem.table.own
  await until(() => words.load(5) > 0)
}

/** Until somebody has a break on the inode. */
async function untilBroken(pool: Pool, ino: number): Promise<void> {
  await until(() => [...pool.fileSystem.table.breaks(ino as never, 0, Infinity, 2)].length > 0)
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}
