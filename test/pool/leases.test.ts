/** Layout leases: who is recalled, with what, how it may answer, what ends a recall, and what a lease keeps. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Holder, LeaseOptions, Pool } from '../../src/index.ts'
import { Slot } from '../../src/layout/format.ts'
import { MAX_FILE_SIZE } from '../../src/units.ts'
import type { Doer } from '../support/lease-holder.ts'
import { hereWith, holdLease, letGo, letTimePass, pinForLong, recallsOf, stateAt } from '../support/lease-holder.ts'
import { startProcess, startThread } from '../support/participant.ts'
import { sharedProcess } from '../support/participants.ts'
import { stateOf, until } from '../support/pinned-content.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(9, 8)
const BREAK_TIME_MS = 30_000
/** Well below the break time: who is done by then was answered, not revoked. */
const soon = { timeoutMs: 25_000 } as const

const untilWaiting = (pool: Pool, waits = 1): Promise<void> =>
  until('the change waits', () => pool.fileSystem.table.own.words.load(Slot.waiters) >= waits)
const refusal = (action: Promise<unknown>): Promise<Error & { code: string; holders: Holder[] }> =>
  action.then(
    () => assert.fail('it was not refused'),
    (error: Error & { code: string; holders: Holder[] }) => error,
  )

describe('layout leases', async () => {
  const other = await sharedProcess()

  for (const where of ['another process', 'another thread', 'another file of the same pool'] as const) {
    test(`a recall reaches ${where} with what is asked for, and its answer lets the change go on`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      let holder: Doer = other
      if (where === 'another process') await other.attach(pool)
      else holder = where === 'another thread' ? await startThread(t, pool) : hereWith(pool)
      await holdLease(holder, { path: '/file', offset: 2 * BLOCK + 100, length: 3 * BLOCK, answer: 'release' })
      const before = Date.now()
      await pool.punchHole('/file', BLOCK, 2 * BLOCK, soon)
      const [told, ...more] = await recallsOf(holder)
      assert.deepEqual(more, [])
      const { deadlineMs, ...rest } = told
      assert.deepEqual(rest, { offset: 2 * BLOCK + 100, length: BLOCK - 100, cause: 'punch', state: 'recalled' })
      assert.ok(deadlineMs >= before + BREAK_TIME_MS && deadlineMs <= Date.now() + BREAK_TIME_MS)
      assert.equal((await stateAt(holder)).state, 'released')
      assert.deepEqual(await pool.leases(), [])
      await letGo(holder)
    })
  }

  const CHANGES: Record<string, { act: (pool: Pool) => Promise<unknown>; asked: [string, number, number] }> = {
    'pool.truncate': { act: (pool) => pool.truncate('/file', 100, soon), asked: ['truncate', 100, MAX_FILE_SIZE] },
    'an open with O_TRUNC': {
      act: async (pool) => (await pool.open('/file', 'w')).close(),
      asked: ['truncate', 0, MAX_FILE_SIZE],
    },
    'a punch inside of a block': {
      act: (pool) => pool.punchHole('/file', 4100, 50, soon),
      asked: ['punch', 4100, 4150],
    },
    'a punch over the end': {
      act: (pool) => pool.punchHole('/file', 100, 1 << 20, soon),
      asked: ['punch', 100, content.length],
    },
    'a range of zeros': {
      act: async (pool) => {
        await using file = await pool.open('/file', 'r+')
        await file.zeroRange(BLOCK + 1, 2 * BLOCK, soon)
      },
      asked: ['zero', BLOCK + 1, 3 * BLOCK + 1],
    },
    'a collapse': {
      act: async (pool) => {
        await using file = await pool.open('/file', 'r+')
        await file.collapseRange(2 * BLOCK, BLOCK, soon)
      },
      asked: ['collapse', 2 * BLOCK, MAX_FILE_SIZE],
    },
    'an insert': {
      act: async (pool) => {
        await using file = await pool.open('/file', 'r+')
        await file.insertRange(2 * BLOCK, BLOCK, soon)
      },
      asked: ['insert', 2 * BLOCK, MAX_FILE_SIZE],
    },
  }

  test('each change says what it asks for, to the byte', async (t) => {
    const pool = await temporaryPool(t)
    await other.attach(pool)
    for (const [name, { act, asked }] of Object.entries(CHANGES)) {
      await pool.writeFile('/file', content)
      await holdLease(other, { path: '/file', answer: 'release' })
      await act(pool)
      const told = await recallsOf(other)
      assert.deepEqual(
        told.map(({ cause, offset, length }) => [cause, offset, offset + length]),
        [asked],
        name,
      )
      await letGo(other)
    }
  })

  test('a change beside the bytes of a lease recalls it not, also when it recalls another in the same block', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await holdLease(other, { path: '/file', offset: 0, length: 100, answer: 'nothing', name: 'before' })
    await holdLease(other, { path: '/file', offset: 200, length: 100, answer: 'nothing', name: 'behind' })
    await pool.punchHole('/file', 100, 100, { busy: 'fail' })
    await holdLease(other, { path: '/file', offset: 150, length: 10, answer: 'release' })
    await pool.punchHole('/file', 100, 100, soon)
    assert.equal((await recallsOf(other)).length, 1)
    for (const name of ['before', 'behind']) {
      assert.deepEqual(await recallsOf(other, name), [], name)
      assert.equal((await stateAt(other, name)).state, 'held')
    }
    // And a shrinking truncate behind it, a growing one, an append and a punch past the end ask nobody.
    await pool.truncate('/file', 5 * BLOCK, { busy: 'fail' })
    await pool.truncate('/file', 6 * BLOCK, { busy: 'fail' })
    await pool.punchHole('/file', 100 * BLOCK, BLOCK, { busy: 'fail' })
    assert.deepEqual(await recallsOf(other, 'behind'), [])
    await letGo(other, 'before')
    await letGo(other, 'behind')
    await letGo(other)
  })

  test('every holder in every process is recalled once, and the change waits for the last answer', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    const thread = await startThread(t, pool)
    const here = hereWith(pool)
    await holdLease(other, { path: '/file', answer: 'release', name: 'first' })
    await holdLease(other, { path: '/file', offset: BLOCK, length: BLOCK, answer: 'downgrade', name: 'second' })
    await holdLease(thread, { path: '/file', answer: 'nothing', name: 'third' })
    await holdLease(here, { path: '/file', answer: 'nothing', name: 'fourth' })
    const change = pool.truncate('/file', 0, soon)
    const state = stateOf(change)
    const all = [
      [other, 'first'],
      [other, 'second'],
      [thread, 'third'],
      [here, 'fourth'],
    ] as const
    await until('all are told', async () => {
      const told = await Promise.all(all.map(([who, name]) => recallsOf(who, name)))
      return told.every((recalls) => recalls.length === 1)
    })
    await until('two have answered', async () => (await pool.leases()).length === 2)
    await letGo(thread, 'third')
    await until('one is left', async () => (await pool.leases()).length === 1)
    assert.equal(state.isSettled, false)
    assert.equal((await pool.readFile('/file')).length, content.length)
    await letGo(here, 'fourth')
    await change
    for (const [who, name] of all) {
      const recalls = await recallsOf(who, name)
      assert.deepEqual(
        recalls.map(({ cause }) => cause),
        ['truncate'],
        name,
      )
    }
    await letGo(other, 'first')
    await letGo(other, 'second')
    await checkSound(pool)
  })

  for (const answer of ['release', 'downgrade'] as const) {
    test(`pins under a lease outlive its ${answer} as pins like any other`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      await other.attach(pool)
      await holdLease(other, { path: '/file', answer })
      assert.equal(await pinForLong(other, { offset: 0, length: 2 * BLOCK }), 'granted')
      const [pin] = await pool.pins()
      assert.deepEqual([pin.pid, pin.offset, pin.length], [other.pid, 0, 2 * BLOCK])
      const change = pool.truncate('/file', BLOCK, { busy: 'wait' })
      const state = stateOf(change)
      await until('it has answered', async () => (await pool.leases()).length === 0)
      await untilWaiting(pool)
      await refusal(pool.truncate('/file', BLOCK, { busy: 'fail' }))
      assert.equal(state.isSettled, false)
      assert.deepEqual(await stateAt(other), { state: `${answer}d`, views: [2 * BLOCK] })
      assert.equal(await pinForLong(other, { offset: 0, length: BLOCK }), 'EOPNOTSUPP')
      await letGo(other)
      await change
      assert.equal((await pool.stat('/file')).size, BLOCK)
    })
  }

  /** A change that waits for a lease of the other process, which was told and does not answer. */
  async function changeThatWaits(t: TestContext): Promise<{ pool: Pool; change: Promise<void> }> {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await holdLease(other, { path: '/file', answer: 'nothing' })
    const change = pool.punchHole('/file', 0, BLOCK, soon)
    await until('it is told', async () => (await recallsOf(other)).length === 1)
    return { pool, change }
  }

  test('a pin for long that waits while its lease is given back is not granted', async (t) => {
    const { pool, change } = await changeThatWaits(t)
    const pinned = pinForLong(other, { offset: 0, length: BLOCK })
    await until('the pin waits', () => other.run((here) => here.pool.fileSystem.table.own.words.load(5) > 0))
    await other.run((here) => (here.kept['lease'] as { lease: { release(): Promise<void> } }).lease.release())
    await change
    assert.equal(await pinned, 'EOPNOTSUPP')
    assert.deepEqual(await pool.pins(), [])
    await letGo(other)
  })

  test('a lease is not revoked because the clock of the machine is set forward', async (t) => {
    const { pool, change } = await changeThatWaits(t)
    t.mock.method(pool.fileSystem.table.clock, 'nowMs', () => Date.now() + 3_600_000)
    // The change looks every 250 ms.
    await new Promise((resolve) => setTimeout(resolve, 600))
    assert.equal((await stateAt(other)).state, 'recalled')
    t.mock.restoreAll()
    await letGo(other)
    await change
  })

  for (const end of ['its own timeout', 'its abort'] as const) {
    test(`promise 4: a change that ends by ${end} leaves the lease held, and the next one recalls anew`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      await other.attach(pool)
      await holdLease(other, { path: '/file', answer: 'nothing' })
      const controller = new AbortController()
      const limits = end === 'its abort' ? { signal: controller.signal } : { timeoutMs: 20_000 }
      for (let round = 1; round <= 3; round++) {
        const change = refusal(pool.truncate('/file', 0, limits))
        await until('it is told', async () => (await recallsOf(other)).length === round)
        if (end === 'its abort') {
          controller.abort()
          assert.equal((await change).name, 'AbortError')
        } else {
          letTimePass(t, pool, 21_000)
          const { code, holders, message } = await change
          t.mock.restoreAll()
          assert.equal(code, 'ETIMEDOUT')
          assert.deepEqual(
            holders.map(({ kind, pid, inode }) => [kind, pid, typeof inode]),
            [['lease', other.pid, 'number']],
          )
          assert.match(message, new RegExp(`lease of pid ${other.pid}`))
        }
        await until('it is held again', async () => (await stateAt(other)).state === 'held')
        assert.ok(content.equals(await pool.readFile('/file')))
        if (end === 'its abort') break
      }
      assert.equal(await pinForLong(other, { offset: 0, length: BLOCK }), 'granted')
      await letGo(other)
    })
  }

  test('who asks rings now and then, not at each look, also when two ask each other', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await pool.writeFile('/other', content)
    await other.attach(pool)
    const here = hereWith(pool)
    await holdLease(here, { path: '/file', answer: 'nothing' })
    await holdLease(other, { path: '/other', answer: 'nothing' })
    const rings = t.mock.method(pool.fileSystem.table, 'ring')
    const theirs = other.run((there) => there.pool.truncate('/file', 0, { timeoutMs: 700 }).catch(() => undefined))
    const ours = refusal(pool.truncate('/other', 0, { timeoutMs: 700 }))
    const own = refusal(pool.truncate('/file', 0, { timeoutMs: 700 }))
    assert.deepEqual([(await ours).code, (await own).code], ['ETIMEDOUT', 'ETIMEDOUT'])
    await theirs
    assert.ok(rings.mock.callCount() < 100, `${rings.mock.callCount()} rings`)
    await letGo(here)
    await letGo(other)
  })

  test('promises 3 and 4: a lease waits for a change under way, bounded and abortable, and elsewhere in the file it does not', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await other.run(async (here) => {
      here.kept.file = await here.pool.open('/file', 'r')
      here.kept.pin = await here.kept.file.pin({ offset: 4 * 4096, length: 4096, mode: 'read' })
    })
    const change = pool.truncate('/file', 4 * BLOCK, { busy: 'wait' })
    await untilWaiting(pool)
    await using file = await pool.open('/file', 'r+')
    const options: LeaseOptions = { type: 'layout', offset: 4 * BLOCK, length: BLOCK, onRecall: () => undefined }
    assert.equal((await refusal(file.lease({ ...options, timeoutMs: 50 }))).code, 'ETIMEDOUT')
    const controller = new AbortController()
    const aborted = refusal(file.lease({ ...options, signal: controller.signal }))
    await untilWaiting(pool, 2)
    controller.abort()
    assert.equal((await aborted).name, 'AbortError')
    const elsewhere = await file.lease({ ...options, offset: 0, timeoutMs: 0 })
    assert.equal(elsewhere.state, 'held')
    const waiting = file.lease(options)
    const state = stateOf(waiting)
    await untilWaiting(pool, 2)
    assert.deepEqual([state.isSettled, (await pool.leases()).length], [false, 1])
    await other.run((here) => here.kept.pin.release())
    await change
    const lease = await waiting
    assert.equal(lease.state, 'held')
    assert.equal((await pool.leases()).length, 2)
    await lease.release()
    await elsewhere.release()
    await other.run((here) => here.kept.file.close())
  })

  test('an exclusive lease that is refused in the end refuses no change meanwhile', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    const here = hereWith(pool)
    await holdLease(here, { path: '/file', answer: 'nothing' })
    const change = pool.truncate('/file', 0, soon)
    await until('it is told', async () => (await recallsOf(here)).length === 1)
    const refused = await other.run(async ({ pool: there }) => {
      const { table } = there.fileSystem
      const release = table.own.release.bind(table.own)
      // The lease is there, and not granted: the change gets time to look at it.
      table.own.release = (record) => {
        table.ringWaiters()
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
        release(record)
      }
      const file = await there.open('/file', 'r+')
      const lease = file.lease({ type: 'layout', exclusive: true, onRecall: () => undefined })
      return lease.then(
        () => 'granted',
        (error: { code: string }) => error.code,
      )
    })
    assert.equal(refused, 'EBUSY')
    await letGo(here)
    await change
    assert.equal((await pool.stat('/file')).size, 0)
  })

  test('of two exclusive leases that are tried at once one is granted', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    // Each sees the other's, which is published and not granted: both take their time between publishing, looking and giving up.
    const { table } = pool.fileSystem
    const publish = table.own.publish.bind(table.own)
    const theirs = other.run(async ({ pool: there }) => {
      const { table: slow } = there.fileSystem
      const publishLease = slow.own.publish.bind(slow.own)
      const release = slow.own.release.bind(slow.own)
      const pause = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      const file = await there.open('/file', 'r+')
      let pauses = 0
      slow.own.publish = (claim, runs) => {
        const record = publishLease(claim, runs)
        if (pauses++ < 2) pause()
        return record
      }
      slow.own.release = (record) => {
        if (pauses++ < 2) pause()
        release(record)
      }
      return file.lease({ type: 'layout', exclusive: true, onRecall: () => undefined }).then(
        () => 'granted',
        (error: { code: string }) => error.code,
      )
    })
    await using file = await pool.open('/file', 'r+')
    await until('theirs is there', async () => (await pool.leases()).length === 1)
    let publications = 0
    t.mock.method(table.own, 'publish', (...all: Parameters<typeof publish>) => {
      const record = publish(...all)
      if (publications++ === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
      return record
    })
    const ours = file.lease({ type: 'layout', exclusive: true, onRecall: () => undefined }).then(
      (lease) => lease,
      (error: { code: string }) => error.code,
    )
    const outcomes = [await ours, await theirs]
    t.mock.restoreAll()
    const [lease, refused] = typeof outcomes[0] === 'string' ? outcomes.toReversed() : outcomes
    assert.notEqual(lease, 'EBUSY', 'one of them has it')
    assert.equal(refused, 'EBUSY')
    assert.equal((await pool.leases()).length, 1)
    assert.ok(publications > 1, 'they met')
  })

  test('an exclusive lease waits for one whose process is stopped before it decides, bounded, and names it', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const stopped = await startProcess(t, pool)
    void stopped.run(async (here) => {
      const { own } = here.pool.fileSystem.table
      const file = await here.pool.open('/file', 'r+')
      const publish = own.publish.bind(own)
      own.publish = (claim, runs) => {
        publish(claim, runs)
        return here.hang()
      }
      await file.lease({ type: 'layout', onRecall: () => undefined })
    })
    await stopped.hung()
    await using file = await pool.open('/file', 'r+')
    const options: LeaseOptions = { type: 'layout', exclusive: true, onRecall: () => undefined }
    const { code, holders } = await refusal(file.lease({ ...options, timeoutMs: 60 }))
    assert.deepEqual([code, holders.map(({ pid, kind }) => [pid, kind])], ['ETIMEDOUT', [[stopped.pid, 'lease']]])
    const controller = new AbortController()
    const aborted = refusal(file.lease({ ...options, signal: controller.signal }))
    controller.abort()
    assert.equal((await aborted).name, 'AbortError')
    const waiting = file.lease(options)
    await stopped.kill()
    assert.equal((await waiting).state, 'held')
  })

  test('leases are listed with who, what and how', async (t) => {
    const pool = await temporaryPool(t)
    await pool.mkdir('/directory')
    await pool.writeFile('/directory/file', content)
    await pool.writeFile('/exclusive', content)
    await other.attach(pool)
    await holdLease(other, { path: '/directory/file', offset: 5, length: 7, breakTimeMs: 1, answer: 'nothing' })
    const here = hereWith(pool)
    await holdLease(here, { path: '/exclusive', exclusive: true, answer: 'nothing' })
    await pool.punchHole('/directory/file', 0, BLOCK)
    const listed = (await pool.leases()).toSorted((a, b) => (a.path! < b.path! ? -1 : 1))
    assert.deepEqual(
      listed.map(({ kind, pid, path, offset, length, isExclusive, isRevoked }) => {
        return { kind, pid, path, offset, length, isExclusive, isRevoked }
      }),
      [
        {
          kind: 'lease',
          pid: other.pid,
          path: '/directory/file',
          offset: 5,
          length: 7,
          isExclusive: undefined,
          isRevoked: true,
        },
        {
          kind: 'lease',
          pid: process.pid,
          path: '/exclusive',
          offset: 0,
          length: MAX_FILE_SIZE,
          isExclusive: true,
          isRevoked: undefined,
        },
      ],
    )
    assert.ok(listed.every(({ ageMs, command }) => (ageMs ?? -1) >= 0 && command !== ''))
    assert.equal((await pool.leases({ path: '/exclusive' })).length, 1)
    await assert.rejects(pool.leases({ path: '/none' }), { code: 'ENOENT' })
    await letGo(other)
    await letGo(here)
    assert.deepEqual(await pool.leases(), [])
  })

  test('a lease keeps the content of its file after close and unlink, and lets it go at its release', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await holdLease(other, { path: '/file', answer: 'release' })
    const ino = (await pool.stat('/file')).ino
    await using file = await pool.open('/file', 'r+')
    await other.run((here) => (here.kept['lease'] as { file: { close(): Promise<void> } }).file.close())
    await pool.unlink('/file')
    const [held] = await pool.leases()
    assert.deepEqual([held.inode, held.path], [ino, undefined])
    // A change of the file without a name asks as any other.
    await file.truncate(4 * BLOCK, soon)
    assert.deepEqual(
      (await recallsOf(other)).map(({ cause, offset }) => [cause, offset]),
      [['truncate', 4 * BLOCK]],
    )
    await file.close()
    await pool.writeFile('/file', content)
    await holdLease(other, { path: '/file', answer: 'nothing' })
    await other.run((here) => (here.kept['lease'] as { file: { close(): Promise<void> } }).file.close())
    await pool.unlink('/file')
    assert.equal((await pool.stats()).usedBytes, content.length, 'the lease has its file open')
    await letGo(other)
    await until('it goes', async () => (await pool.stats()).usedBytes === 0)
    await checkSound(pool)
  })

  test('pool.close() gives leases back, and changes that ask go on', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const closing = await startProcess(t, pool)
    await holdLease(closing, { path: '/file', answer: 'nothing' })
    const change = pool.truncate('/file', 0, soon)
    await until('it is told', async () => (await recallsOf(closing)).length === 1)
    await closing.run((here) => here.pool.close())
    await change
    assert.deepEqual([await pool.leases(), (await stateAt(closing)).state], [[], 'released'])
    await checkSound(pool)
  })

  test('wrong options are refused, and leave no lease', async (t) => {
    const pool = await temporaryPool(t, { leaseBreakTimeMs: 2000 })
    await pool.writeFile('/file', content)
    const file = await pool.open('/file', 'r')
    const onRecall = (): void => undefined
    const wrong: readonly [object, RegExp, string][] = [
      [{ onRecall }, /type/, 'TypeError'],
      [{ type: 'allocated', onRecall }, /type/, 'TypeError'],
      [{ type: 'layout' }, /onRecall/, 'TypeError'],
      [{ type: 'layout', onRecall: 'call me' }, /onRecall/, 'TypeError'],
      [{ type: 'layout', onRecall, exclusive: 1 }, /exclusive/, 'TypeError'],
      [{ type: 'layout', onRecall, offset: -1 }, /offset/, 'RangeError'],
      [{ type: 'layout', onRecall, offset: '0' }, /offset/, 'TypeError'],
      [{ type: 'layout', onRecall, length: 0 }, /length/, 'RangeError'],
      [{ type: 'layout', onRecall, length: 1.5 }, /length/, 'RangeError'],
      [{ type: 'layout', onRecall, breakTimeMs: 2001 }, /breakTimeMs.*2000/, 'RangeError'],
      [{ type: 'layout', onRecall, breakTimeMs: -1 }, /breakTimeMs/, 'RangeError'],
      [{ type: 'layout', onRecall, timeoutMs: -1 }, /timeoutMs/, 'RangeError'],
      [{ type: 'layout', onRecall, signal: {} }, /signal/, 'TypeError'],
    ]
    for (const [options, message, name] of wrong)
      await assert.rejects(file.lease(options as LeaseOptions), { name, message }, JSON.stringify(options))
    const lease = await file.lease({ type: 'layout', onRecall, offset: 10 })
    assert.deepEqual([lease.breakTimeMs, lease.offset, lease.length], [2000, 10, MAX_FILE_SIZE - 10])
    await assert.rejects(file.pin({ offset: 0, length: 20, mode: 'read', longTerm: true }), { code: 'EOPNOTSUPP' })
    const registered = { offset: 10, length: 20, mode: 'read', longTerm: true } as const
    await assert.rejects(file.pin({ ...registered, revocable: false }), { code: 'EINVAL' })
    file.pinSync(registered).release()
    await lease.release()
    await lease.release()
    lease.downgrade()
    assert.equal(lease.state, 'released')
    await file.close()
    await assert.rejects(file.lease({ type: 'layout', onRecall }), { code: 'EBADF' })
    assert.deepEqual(await pool.leases(), [])
  })
})
