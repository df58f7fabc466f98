/**
 * Participants whose life is odd: in another pid namespace, with children that outlive them, stopped and continued, with a
 * process id that is somebody else's, dying in the middle of making the pin table, with more records than a mapping holds.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { codeOf } from '../../src/errors.ts'
import type { Holder } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { bucketOf, CHUNK_RECORDS, Slot } from '../../src/layout/format.ts'
import { ownStartTime } from '../../src/platform/process-identity.ts'
import { holdLease, pinForLong, recallsOf, stateAt } from '../support/lease-holder.ts'
import { startProcess } from '../support/participant.ts'
import { stateOf, until } from '../support/pinned-content.ts'
import { checkFilled, checkSound, fillPool, stamped } from '../support/stamps.ts'
import { goOn, stop, untilStopped } from '../support/stopping.ts'
import { BLOCK, openedAgain, temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(6, 8)
const isRoot = process.getuid?.() === 0

/** Whether a process can be put into a pid namespace of its own here. */
const NAMESPACE = ['unshare', ...(isRoot ? [] : ['--map-root-user']), '--pid', '--fork', '--kill-child']
const mayUnshare = spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'true']).status === 0

describe('a holder in another pid namespace', { skip: mayUnshare ? false : 'unshare(1) is not allowed here' }, () => {
  for (const proc of ['its own', 'the outer'] as const) {
    test(`is listed by its own number and without somebody else’s command line, with ${proc} /proc, and its death is noticed`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const through = proc === 'its own' ? [...NAMESPACE, '--mount-proc'] : NAMESPACE
      const inside = await startProcess(t, pool, { through })
      await inside.run(async (here) => {
        here.kept.file = await here.pool.open('/file', 'r')
        here.kept.pin = await here.kept.file.pin({ offset: 0, length: 4096, mode: 'read' })
      })
      assert.equal(await inside.run(() => process.pid), 1)
      const [pin, ...more] = await pool.pins()
      assert.deepEqual([pin.pid, pin.command, pin.offset, more.length], [1, '', 0, 0])
      // The other way round: what we hold is seen there, and our number is nobody's there.
      await using file = await pool.open('/file', 'r+')
      const ours = await file.pin({ offset: BLOCK, length: BLOCK, mode: 'read' })
      const seen = await inside.run((here) => here.pool.pins())
      const foreign = seen.find(({ offset }) => offset === BLOCK)
      assert.equal(foreign?.pid, process.pid)
      if (proc === 'its own') assert.equal(foreign?.command, '')
      await assert.rejects(
        inside.run((here) => here.pool.truncate('/file', 0, { busy: 'fail' })),
        { code: 'EBUSY' },
      )
      ours.release()
      const change = pool.truncate('/file', 0, { busy: 'wait' })
      const state = stateOf(change)
      await until('the change waits', () => pool.fileSystem.table.own.words.load(Slot.waiters) > 0)
      assert.equal(state.isSettled, false, 'it is alive, whatever its number is here')
      await inside.kill()
      await change
      assert.deepEqual([await pool.pins(), (await pool.stats()).participants], [[], 1])
      await checkSound(pool)
    })
  }
})

/** What the descriptors of a process lead to, but for those that it closes at this moment: sleep reads its locale first. */
const openFilesOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  })

describe('children of a holder', () => {
  test('inherit no descriptor of the pool, and keep no slot, pin or lease alive when the holder is killed', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await startProcess(t, pool)
    await holdLease(holder, { path: '/file', answer: 'nothing' })
    assert.equal(await pinForLong(holder, { offset: 0, length: BLOCK }), 'granted')
    const children = await holder.run(async (here) => {
      const { spawn } = await here.load<typeof import('node:child_process')>('node:child_process')
      // Those that are made while others are: the pool's descriptors are open all the time.
      return ['inherit', 'pipe'].map(
        (stdio) => spawn('sleep', ['600'], { stdio: stdio as 'pipe', detached: true }).pid!,
      )
    })
    t.after(() => {
      for (const child of children) process.kill(child, 'SIGKILL')
    })
    for (const child of children) {
      assert.deepEqual(
        openFilesOf(child).filter((path) => path.startsWith(pool.path)),
        [],
      )
      assert.equal(readFileSync(`/proc/${child}/maps`, 'utf8').includes(pool.path), false)
    }
    assert.equal((await pool.leases()).length, 1)
    await holder.kill()
    for (const child of children) assert.match(readFileSync(`/proc/${child}/stat`, 'latin1'), /^\d+ \(sleep\) [SR]/)
    assert.deepEqual([await pool.leases(), await pool.pins(), (await pool.stats()).participants], [[], [], 1])
    await pool.truncate('/file', 0, { busy: 'fail' })
  })
})

describe('a stopped', () => {
  test('holder of a pin keeps it, holds who waits up to their time, and nobody else; it goes on as if nothing had been', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await startProcess(t, pool)
    await holder.run(async (here) => {
      here.kept.file = await here.pool.open('/file', 'r')
      here.kept.pin = await here.kept.file.pin({ offset: 2 * 4096, length: 2 * 4096, mode: 'read' })
    })
    await stop(holder)
    await assert.rejects(
      pool.truncate('/file', 3 * BLOCK, { busy: 'wait', timeoutMs: 300 }),
      (error: Error & { code: string; holders: Holder[] }) => {
        assert.deepEqual([error.code, error.holders.map(({ pid }) => pid)], ['ETIMEDOUT', [holder.pid]])
        return true
      },
    )
    await assert.rejects(pool.punchHole('/file', 2 * BLOCK, 1, { busy: 'fail' }), { code: 'EBUSY' })
    await pool.punchHole('/file', 5 * BLOCK, BLOCK, { busy: 'wait', timeoutMs: 300 })
    await pool.truncate('/file', 3 * BLOCK, { timeoutMs: 5000 })
    await fillPool(pool)
    assert.equal((await pool.stats()).sequesteredHeldBytes, BLOCK)
    const change = pool.truncate('/file', 0, { busy: 'wait' })
    await until('the change waits', () => pool.fileSystem.table.own.words.load(Slot.waiters) > 0)
    goOn(holder)
    const bytes = await holder.run((here) => Buffer.from(here.kept.pin.buffer))
    assert.ok(content.subarray(2 * BLOCK, 4 * BLOCK).equals(bytes), 'promise 1: nobody has got its blocks')
    await holder.run((here) => here.kept.pin.release())
    await change
    await checkFilled(pool)
    await checkSound(pool)
  })

  test('holder of a lease answers the recall that came meanwhile when it goes on in time', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await startProcess(t, pool)
    await holdLease(holder, { path: '/file', answer: 'release' })
    await stop(holder)
    const change = pool.truncate('/file', 0, { timeoutMs: 25_000 })
    const state = stateOf(change)
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal(state.isSettled, false)
    goOn(holder)
    await change
    assert.deepEqual([(await recallsOf(holder)).length, (await stateAt(holder)).state], [1, 'released'])
  })

  test('process inside a metadata transaction holds writers, bounded, by name, and nobody who reads; it goes on and is whole', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await pool.writeFile('/other', 'other')
    await using file = await pool.open('/file', 'r+')
    const writer = await startProcess(t, pool)
    const stopped = writer.run(async (here) => {
      const there = await here.pool.open('/other', 'r+')
      await here.pool.fileSystem.metadata.extend(there.ino as never, 0n, (layout) => {
        process.kill(process.pid, 'SIGSTOP')
        return layout.inode.size + 7
      })
    })
    await untilStopped(writer)
    for (const wait of [() => file.truncate(BLOCK, { timeoutMs: 60 }), () => pool.unlink('/file', { timeoutMs: 60 })]) {
      await assert.rejects(wait(), (error: Error & { code: string; holders: Holder[] }) => {
        assert.deepEqual(
          [error.code, error.holders.map(({ pid, kind }) => [pid, kind])],
          ['ETIMEDOUT', [[writer.pid, 'transaction']]],
        )
        assert.match(error.message, new RegExp(`process ${writer.pid}`))
        return true
      })
    }
    assert.ok(content.equals(await pool.readFile('/file')))
    using pin = await file.pin({ offset: 0, length: BLOCK, mode: 'write', timeoutMs: 60 })
    assert.ok(content.subarray(0, BLOCK).equals(pin.buffer))
    const waiting = pool.writeFile('/new', 'new')
    goOn(writer)
    await stopped
    await waiting
    assert.equal((await pool.stat('/other')).size, 12)
    await checkSound(pool)
  })
})

describe('process ids', () => {
  test('that are used again revive no dead holder, and lend it no command line', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await startProcess(t, pool)
    const slot = await holder.run(async (here) => {
      here.kept.file = await here.pool.open('/file', 'r')
      here.kept.pin = await here.kept.file.pin({ offset: 0, length: 4096, mode: 'read' })
      return here.pool.fileSystem.table.own.index
    })
    // As if its number had been ours before we were started.
    const words = pool.fileSystem.table.slot(slot)
    words.store(Slot.pid, process.pid)
    const [pin] = await pool.pins()
    assert.deepEqual([pin.pid, pin.command], [process.pid, ''], 'the number is ours, the start is not')
    // As if it were us to the tick: who is alive is told by the lock alone.
    words.setWide(Slot.startTime, ownStartTime())
    assert.notEqual((await pool.pins())[0].command, '')
    await holder.kill()
    assert.deepEqual(await pool.pins(), [])
    await pool.truncate('/file', 0, { busy: 'fail' })
  })

  test('that nobody has make no living holder dead', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await startProcess(t, pool)
    const slot = await holder.run(async (here) => {
      here.kept.file = await here.pool.open('/file', 'r')
      here.kept.pin = await here.kept.file.pin({ offset: 0, length: 4096, mode: 'read' })
      return here.pool.fileSystem.table.own.index
    })
    pool.fileSystem.table.slot(slot).store(Slot.pid, 4_194_305)
    assert.deepEqual(await pool.reap(), { participants: 0, blocks: 0 })
    assert.equal((await pool.pins()).length, 1)
    await assert.rejects(pool.truncate('/file', 0, { busy: 'fail' }), { code: 'EBUSY' })
  })
})

test('a process that exits with pins, leases, an open file and a change that waits leaves nothing', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', content)
  await using file = await pool.open('/file', 'r')
  const ours = await file.pin({ offset: 7 * BLOCK, length: BLOCK, mode: 'read' })
  const leaving = await startProcess(t, pool)
  await holdLease(leaving, { path: '/file', offset: 0, length: BLOCK, answer: 'nothing' })
  assert.equal(await pinForLong(leaving, { offset: 0, length: BLOCK }), 'granted')
  await leaving.run(async (here) => {
    here.kept.file = await here.pool.open('/file', 'r')
    here.kept.pin = await here.kept.file.pin({ offset: 4096, length: 4096, mode: 'read', stable: true })
    void here.pool.truncate('/file', 7 * 4096, { busy: 'wait' })
  })
  const isBroken = (): boolean => pool.fileSystem.table.breakCount(bucketOf(file.ino)) > 0
  await until('its change waits', isBroken)
  await leaving.run(() => process.exit(0)).catch(() => undefined)
  await until('it is gone', async () => (await pool.pins()).length === 1)
  assert.deepEqual([await pool.leases(), (await pool.stats()).participants, isBroken()], [[], 1, false])
  ours.release()
  assert.equal((await file.stat()).size, content.length, 'what it waited to do has not happened')
  await pool.truncate('/file', 0, { busy: 'fail' })
  await checkSound(pool)
})

describe('a participant that dies while it makes the pin table afresh', () => {
  /** Counted from the first: in the header, in the slots of the dead, in the buckets, at the end. */
  const STORES = [0, 1, 2, 3, 20, 700, 1100, 1800, 2100, 3000, 3900, 3990] as const

  test('after any store leaves a table that the next one makes afresh', async (t) => {
    const path = join(temporaryDirectory(t), 'pool')
    const first = await createPool(path, { sizeBytes: 4 << 20 })
    await first.writeFile('/file', content)
    // The remains of one that died with everything there is.
    const dead = await startProcess(t, first)
    await first.close()
    await holdLease(dead, { path: '/file', offset: 0, length: BLOCK, answer: 'nothing' })
    await dead.run(async (here) => {
      here.kept.file = await here.pool.open('/file', 'r')
      here.kept.pin = await here.kept.file.pin({ offset: 4096, length: 4096, mode: 'read', stable: true })
      void here.pool.truncate('/file', 4096, { busy: 'wait' })
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    await dead.kill()
    const url = new URL('../../src/layout/words.ts', import.meta.url).href
    for (const stores of STORES) {
      const dying = await startProcess(t)
      const opened = dying.run(
        async (here, { at, words, left }) => {
          const { MappedWords } = await here.load<{ MappedWords: { prototype: Record<string, Function> } }>(words)
          let after = left
          for (const name of ['store', 'set', 'add']) {
            const original = MappedWords.prototype[name]
            MappedWords.prototype[name] = function (...all: unknown[]) {
              if (after-- === 0) process.kill(process.pid, 'SIGKILL')
              return original.apply(this, all)
            }
          }
          await here.openPool(at)
        },
        { at: path, words: url, left: stores },
      )
      await assert.rejects(opened, /gone/, 'it died on the way')
      await dying.kill()
    }
    const pool = await openPool(path)
    t.after(() => pool.close({ force: true }))
    const { table } = pool.fileSystem
    await using file = await pool.open('/file', 'r+')
    const bucket = bucketOf(file.ino)
    assert.deepEqual(
      [table.breakCount(bucket), table.stableCount(bucket), await pool.pins(), await pool.leases()],
      [0, 0, [], []],
    )
    assert.equal((await pool.stats()).participants, 1)
    using pin = await file.pin({ offset: 0, length: content.length, mode: 'read', timeoutMs: 0 })
    assert.ok(content.equals(Buffer.concat(pin.buffers)))
    await file.write(content, { position: 0, timeoutMs: 0 })
    pin.release()
    await file.truncate(0, { busy: 'fail' })
    await checkSound(pool)
  })
})

describe('more than a first mapping holds', () => {
  test('ten thousand pins of another process are listed and kept, and go with it', async (t) => {
    const count = 10_000
    assert.ok(count > 2 * CHUNK_RECORDS)
    const pool = await temporaryPool(t, { sizeBytes: 64 << 20 })
    await using file = await pool.open('/file', 'w+')
    await file.allocate(0, count * BLOCK)
    const holder = await startProcess(t, pool)
    await holder.run(async (here, pins) => {
      const there = await here.pool.open('/file', 'r')
      here.kept['pins'] = Array.from({ length: pins }, (_, index) =>
        there.pinSync({ offset: index * 4096, length: 4096, mode: 'read', revocable: false }),
      )
    }, count)
    const pins = await pool.pins()
    assert.deepEqual([pins.length, new Set(pins.map(({ offset }) => offset)).size], [count, count])
    await assert.rejects(
      file.punchHole((count - 1) * BLOCK, BLOCK, { busy: 'fail' }),
      (error: Error & { code: string; holders: Holder[] }) => {
        assert.deepEqual([error.code, error.holders.map(({ offset }) => offset)], ['EBUSY', [(count - 1) * BLOCK]])
        return true
      },
    )
    await file.truncate(0)
    assert.equal((await pool.stats()).sequesteredHeldBytes, count * BLOCK)
    await holder.kill()
    assert.deepEqual([await pool.pins(), (await pool.stats()).sequesteredHeldBytes], [[], 0])
    await pool.lostAndFound.reclaim()
    await checkSound(pool)
  })

  test('sixty participants see each other, and each other’s end', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const others = await Promise.all(Array.from({ length: 60 }, () => openedAgain(t, pool)))
    const pins = []
    for (const [index, one] of others.entries()) {
      const file = await one.open('/file', 'r')
      pins.push(await file.pin({ offset: index, length: 1, mode: 'read' }))
    }
    assert.equal((await pool.stats()).participants, 61)
    for (const one of [pool, others[0], others[59]])
      assert.equal(new Set((await one.pins()).map(({ slot }) => slot)).size, 60)
    const change = pool.punchHole('/file', 0, BLOCK, { busy: 'wait' })
    const state = stateOf(change)
    for (const pin of pins.slice(1)) pin.release()
    await until('one is left', async () => (await pool.pins()).length === 1)
    assert.equal(state.isSettled, false)
    pins[0].release()
    await change
    for (const one of others) await one.close()
    assert.equal((await pool.stats()).participants, 1)
  })

  test('forty changes of one participant at once, of which thirty-two have a record, all come to their end', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await openedAgain(t, pool)
    await using file = await holder.open('/file', 'r')
    const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
    const changes = Array.from({ length: 40 }, () => pool.punchHole('/file', 0, BLOCK, { busy: 'wait' }))
    const states = changes.map((change) => stateOf(change))
    await until('all of them wait', () => pool.fileSystem.table.own.words.load(Slot.waiters) === 40)
    assert.ok(states.every(({ isSettled }) => !isSettled))
    pin.release()
    await Promise.all(changes)
    assert.equal(pool.fileSystem.table.breakCount(bucketOf(file.ino)), 0)
  })
})
