/**
 * Layout leases whose holder does not answer: silent, stopped, killed, failing, gone. The change goes on, and promises 1
 * and 8 hold: what a revoked holder has pinned is taken from its sight, not from its protection.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BusyPolicy, Pool } from '../../src/index.ts'
import { Slot } from '../../src/layout/format.ts'
import { Random } from '../stress/random.ts'
import {
  BREAK_TIME_AND_MORE_MS,
  hereWith,
  holdLease,
  letGo,
  letTimePass,
  pinForLong,
  recallsOf,
  stateAt,
} from '../support/lease-holder.ts'
import type { Participant } from '../support/participant.ts'
import { startProcess } from '../support/participant.ts'
import { sharedProcess } from '../support/participants.ts'
import { SEED } from '../support/seed.ts'
import { stateOf, until } from '../support/pinned-content.ts'
import { checkFilled, checkSound, fillPool, stamped } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const BLOCKS = 8
const content = stamped(99, BLOCKS)
const PINNED = { offset: BLOCK, length: 4 * BLOCK }
const pinnedContent = content.subarray(PINNED.offset, PINNED.offset + PINNED.length)
/** The pool's break time where somebody is going to be revoked. */
const SHORT = { leaseBreakTimeMs: 150 }
/** Well below the break time of all other pools. */
const soon = { timeoutMs: 25_000 } as const
const POLICIES: readonly BusyPolicy[] = ['fail', 'wait', 'sequester']

/** Revokes a silent lease on the whole file, and takes its pinned blocks out of the file, as the policy has it. */
async function revokeAndTruncate(pool: Pool, busy: BusyPolicy): Promise<void> {
  if (busy === 'fail') {
    await assert.rejects(pool.truncate('/file', 0, { busy }), { code: 'EBUSY' })
    // Who fails asks nobody; from another's asking on the pins are fenced off for it, too.
    await pool.punchHole('/file', 7 * BLOCK, BLOCK, { busy: 'wait' })
  }
  await pool.truncate('/file', 0, { busy })
}

/** The whole pool is written anew, but for the blocks that the holder has pinned, and these are what they were. */
async function nothingIsReused(pool: Pool, expected = pinnedContent): Promise<void> {
  await fillPool(pool)
  const lost = await pool.lostAndFound.list()
  assert.deepEqual(
    lost.map(({ offset, length }) => [offset, length]),
    [[PINNED.offset, PINNED.length]],
  )
  assert.ok(expected.equals(await pool.lostAndFound.read(lost[0].name)), 'promise 1: the pinned blocks')
  await assert.rejects(pool.lostAndFound.reclaim(lost[0].name), { code: 'EBUSY' })
  await checkFilled(pool)
  await checkSound(pool)
}

const other = await sharedProcess()

describe('a holder that does not answer', () => {
  for (const busy of POLICIES) {
    for (const end of ['release', 'death'] as const) {
      test(`promises 1 and 8: under '${busy}' the change goes on after the break time, and the blocks stay until ${end}`, async (t) => {
        const pool = await temporaryPool(t, SHORT)
        await pool.writeFile('/file', content)
        const holder = end === 'death' ? await startProcess(t, pool) : other
        if (holder === other) await other.attach(pool)
        await holdLease(holder, { path: '/file', answer: 'nothing' })
        assert.equal(await pinForLong(holder, PINNED), 'granted')
        const began = Date.now()
        await revokeAndTruncate(pool, busy)
        assert.ok(Date.now() - began >= SHORT.leaseBreakTimeMs, 'not before its time')
        await until('it finds itself revoked', async () => (await stateAt(holder)).state === 'revoked')
        assert.deepEqual((await stateAt(holder)).views, [0])
        assert.equal(await pinForLong(holder, { offset: 0, length: 1 }), 'ESTALE')
        assert.equal((await pool.leases({ path: '/file' }))[0].isRevoked, true)
        await nothingIsReused(pool)
        assert.equal((await pool.stats()).sequesteredHeldBytes, PINNED.length)
        await (end === 'death' ? holder.kill() : letGo(holder))
        await until('nothing is held', async () => (await pool.stats()).sequesteredHeldBytes === 0)
        await using file = await pool.open('/new', 'wx')
        await file.allocate(0, PINNED.length)
        assert.deepEqual([await pool.leases(), (await pool.lostAndFound.list()).length], [[], 0])
        await checkSound(pool)
      })
    }

    test(`promise 1: under '${busy}' a stopped holder keeps its blocks, and finds itself revoked when it goes on`, async (t) => {
      const pool = await temporaryPool(t, SHORT)
      await pool.writeFile('/file', content)
      const holder = await startProcess(t, pool)
      await holdLease(holder, { path: '/file', answer: 'release' })
      assert.equal(await pinForLong(holder, { ...PINNED, mode: 'write' }), 'granted')
      process.kill(holder.pid, 'SIGSTOP')
      await revokeAndTruncate(pool, busy)
      assert.equal((await pool.leases({ path: '/file' }))[0].isRevoked, true)
      await nothingIsReused(pool)
      process.kill(holder.pid, 'SIGCONT')
      await until('it finds itself revoked', async () => (await stateAt(holder)).state === 'revoked')
      assert.deepEqual([(await stateAt(holder)).views, await recallsOf(holder)], [[0], []])
      assert.equal(await pinForLong(holder, { offset: 0, length: 1 }), 'ESTALE')
      await checkFilled(pool)
      assert.equal((await pool.stats()).sequesteredHeldBytes, PINNED.length)
      await letGo(holder)
      assert.equal((await pool.stats()).sequesteredHeldBytes, 0)
      await checkSound(pool)
    })
  }

  for (const busy of POLICIES) {
    for (const how of ['unlink', 'rename over'] as const) {
      test(`promise 4: ${how} under '${busy}' is not held by what a revoked holder has pinned`, async (t) => {
        const pool = await temporaryPool(t, SHORT)
        await pool.writeFile('/file', content)
        await other.attach(pool)
        await holdLease(other, { path: '/file', answer: 'nothing' })
        assert.equal(await pinForLong(other, PINNED), 'granted')
        await pool.punchHole('/file', 7 * BLOCK, BLOCK, { busy: 'wait' })
        await pool.writeFile('/new', 'new')
        await (how === 'unlink' ? pool.unlink('/file', { busy }) : pool.rename('/new', '/file', { busy }))
        // The lease keeps the file open, and its release lets it go.
        await fillPool(pool)
        await checkFilled(pool)
        assert.deepEqual(
          (await pool.pins()).map(({ offset, length }) => ({ offset, length })),
          [PINNED],
        )
        const { usedBytes } = await pool.stats()
        await letGo(other)
        await until('its blocks go', async () => (await pool.stats()).usedBytes <= usedBytes - PINNED.length)
        await checkSound(pool)
      })
    }
  }

  test("a long-term pin of a pool with dax 'never' needs a lease as well, and goes with it", async (t) => {
    const pool = await temporaryPool(t, { ...SHORT, dax: 'never' })
    await pool.writeFile('/file', content)
    await using file = await pool.open('/file', 'r+')
    const range = { offset: BLOCK, length: BLOCK, mode: 'read', longTerm: true } as const
    await assert.rejects(file.pin(range), { code: 'EOPNOTSUPP' })
    const lease = await file.lease({ type: 'layout', onRecall: () => undefined })
    using pin = await file.pin(range)
    const { buffer } = pin
    assert.ok(content.subarray(BLOCK, 2 * BLOCK).equals(buffer))
    await other.attach(pool)
    await other.run((there) => there.pool.truncate('/file', 0))
    await until('it is revoked', () => lease.state === 'revoked')
    assert.deepEqual([buffer.length, pin.buffers.length], [0, 0])
    await assert.rejects(file.pin(range), { code: 'ESTALE' })
    await lease.release()
  })

  test('a revoked lease stands in nobody’s way, a new one is held', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await holdLease(other, { path: '/file', answer: 'nothing', breakTimeMs: 1, name: 'revoked' })
    await pool.punchHole('/file', 0, BLOCK, { busy: 'wait' })
    const before = (await recallsOf(other, 'revoked')).length
    await holdLease(other, { path: '/file', answer: 'release' })
    assert.equal(await pinForLong(other, PINNED), 'granted')
    await pool.punchHole('/file', 7 * BLOCK, BLOCK, soon)
    assert.deepEqual([(await recallsOf(other)).length, (await recallsOf(other, 'revoked')).length], [1, before])
    await letGo(other, 'revoked')
    await letGo(other)
  })

  test('a lease may shorten the break time, and a break time of 0 is no time', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await holdLease(other, { path: '/file', answer: 'nothing', breakTimeMs: 100, name: 'short' })
    await holdLease(other, { path: '/file', answer: 'release', breakTimeMs: 0, name: 'none' })
    await pool.truncate('/file', 0, soon)
    for (const name of ['short', 'none'])
      await until(`${name} is revoked`, async () => (await stateAt(other, name)).state === 'revoked')
    assert.deepEqual(await recallsOf(other, 'none'), [])
    await letGo(other, 'short')
    await letGo(other, 'none')
  })

  for (const answer of ['throw', 'reject'] as const) {
    test(`an onRecall that fails (${answer}) is a warning, and the change goes on at the deadline`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const holder = await startProcess(t, pool)
      await holder.run((here) => {
        process.removeAllListeners('warning')
        process.on('warning', ({ message }) => {
          here.kept['warning'] = message
        })
      })
      await holdLease(holder, { path: '/file', answer })
      const change = pool.truncate('/file', 0)
      const warned = (): Promise<unknown> => holder.run((here) => here.kept['warning'])
      await until('it is warned', async () => (await warned()) === 'the holder cannot answer')
      assert.equal((await pool.stat('/file')).size, content.length)
      letTimePass(t, pool, BREAK_TIME_AND_MORE_MS)
      await change
      await until('it finds itself revoked', async () => (await stateAt(holder)).state === 'revoked')
      await letGo(holder)
    })
  }

  test('an onRecall may close its pool', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const holder = await startProcess(t, pool)
    await holdLease(holder, { path: '/file', answer: 'close the pool' })
    await pool.truncate('/file', 0, soon)
    assert.equal((await recallsOf(holder)).length, 1)
    await until('it has left', async () => (await pool.stats()).participants === 1)
    assert.equal((await stateAt(holder)).state, 'released')
    await checkSound(pool)
  })
})

/** Lets a participant get stuck at a point of its lease's life, its thread blocked. */
async function hangAt(holder: Participant, point: 'publish' | 'grant' | 'recall' | 'release'): Promise<void> {
  await holder.run(async (here, where) => {
    const { table } = here.pool.fileSystem
    const file = await here.pool.open('/file', 'r+')
    const stuck = (): never => here.hang()
    if (where === 'publish') table.own.publish = stuck
    if (where === 'grant') table.own.grant = stuck
    const lease = file.lease({ type: 'layout', onRecall: () => (where === 'recall' ? stuck() : undefined) })
    // Not awaited before the answer is sent: who hangs sends none.
    if (where === 'publish' || where === 'grant') return
    here.kept['lease'] = { file, lease: await lease, recalls: [], pins: [] }
    here.kept.pin = await file.pin({ offset: 4096, length: 4 * 4096, mode: 'read', longTerm: true })
    if (where !== 'release') return
    table.own.release = stuck
    setImmediate(() => void (here.kept['lease'] as { lease: { release(): Promise<void> } }).lease.release())
  }, point)
}

describe('kill -9 of', () => {
  for (const point of ['publish', 'grant', 'recall', 'release'] as const) {
    test(`a holder at its ${point} lets the change go on, and frees what it had pinned`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const holder = await startProcess(t, pool)
      const isStuck = hangAt(holder, point).catch(() => undefined)
      if (point === 'recall') await isStuck
      else await holder.hung()
      const change = pool.truncate('/file', 0, { ...soon, busy: 'wait' })
      const state = stateOf(change)
      if (point === 'recall') await holder.hung()
      // The count of leases went up before the record is there, and there is none to wait for.
      if (point !== 'publish')
        await until('the change waits', () => pool.fileSystem.table.own.words.load(Slot.waiters) > 0)
      if (point === 'publish') await change
      else assert.equal(state.isSettled, false)
      await holder.kill()
      await change
      assert.deepEqual([await pool.leases(), await pool.pins(), (await pool.stats()).sequesteredBytes], [[], [], 0])
      await checkSound(pool)
    })
  }

  for (const what of ['while it recalls', 'after it revoked'] as const) {
    test(`a change ${what} leaves the layout as it was, and the lease ${what === 'while it recalls' ? 'held' : 'revoked'}`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const here = hereWith(pool)
      const breakTimeMs = what === 'after it revoked' ? 50 : 30_000
      await holdLease(here, { path: '/file', answer: 'nothing', breakTimeMs })
      const changing = await startProcess(t, pool)
      if (what === 'after it revoked')
        await changing.run(({ pool: there, hang }) => {
          there.fileSystem.table.endRecall = hang
        })
      void changing.run((there) => there.pool.truncate('/file', 0)).catch(() => undefined)
      if (what === 'while it recalls') await until('it is told', async () => (await stateAt(here)).state === 'recalled')
      else await changing.hung()
      await changing.kill()
      const expected = what === 'while it recalls' ? 'held' : 'revoked'
      await until(`it is ${expected}`, async () => (await stateAt(here)).state === expected)
      assert.equal(await pinForLong(here, PINNED), expected === 'held' ? 'granted' : 'ESTALE')
      assert.ok(content.equals(await pool.readFile('/file')))
      await letGo(here)
      // The next change asks anew.
      await other.attach(pool)
      await holdLease(here, { path: '/file', answer: 'release' })
      await other.run((there) => there.pool.truncate('/file', 0, { timeoutMs: 25_000 }))
      assert.equal((await recallsOf(here)).length, 1)
      await letGo(here)
      await checkSound(pool)
    })
  }

  test('whoever was about to ring leaves the holder of a lease not deaf', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const here = hereWith(pool)
    await holdLease(here, { path: '/file', answer: 'release' })
    const changing = await startProcess(t, pool)
    void changing
      .run(({ pool: there, hang }) => {
        // Between the word that says so and the ring itself.
        there.fileSystem.table.bells.ring = hang
        return there.truncate('/file', 0)
      })
      .catch(() => undefined)
    await changing.hung()
    await changing.kill()
    await until('it has answered or heard', async () => (await stateAt(here)).state !== 'recalled')
    await other.attach(pool)
    if ((await pool.leases()).length === 0) await holdLease(here, { path: '/file', answer: 'release' })
    await other.run((there) => there.pool.truncate('/file', 0, { timeoutMs: 25_000 }))
    assert.equal((await pool.stat('/file')).size, 0)
    await letGo(here)
  })

  test('a holder of coming and going leases, at any moment, never keeps a change, a block or a lease', async (t) => {
    const pool = await temporaryPool(t)
    t.diagnostic(`HOLDFAST_SEED=${SEED}`)
    const random = new Random(SEED)
    for (let round = 0; round < 4; round++) {
      await pool.writeFile('/file', content)
      const holder = await startProcess(t, pool)
      await holder.run(async (here, range) => {
        const file = await here.pool.open('/file', 'r+')
        const hold = async (): Promise<void> => {
          const lease = await file.lease({ type: 'layout', onRecall: (_, asked) => asked.release() })
          const pin = await file.pin({ ...range, mode: 'read', longTerm: true }).catch(() => undefined)
          await new Promise((resolve) => setImmediate(resolve))
          pin?.release()
          await lease.release()
        }
        here.kept['end'] = (async () => {
          for (;;) await hold()
        })()
      }, PINNED)
      let isAlive = true
      for (let changes = 1 + random.below(12); changes > 0 || isAlive; changes--) {
        const busy = random.chance(0.5) ? 'wait' : 'sequester'
        const offset = random.below(BLOCKS) * BLOCK
        const change = pool.punchHole('/file', offset, BLOCK, { ...soon, busy })
        if (changes === 1) {
          await new Promise((resolve) => setTimeout(resolve, random.below(4)))
          process.kill(holder.pid, 'SIGKILL')
          isAlive = false
        }
        await change
      }
      await holder.kill()
      await pool.truncate('/file', 0, { busy: 'wait', ...soon })
      assert.deepEqual([await pool.leases(), await pool.pins()], [[], []])
      assert.equal((await pool.stats()).sequesteredHeldBytes, 0)
      await checkSound(pool)
    }
  })

  test('a holder leaves no lease to the next owner of its slot, revoked or not', async (t) => {
    const pool = await temporaryPool(t, SHORT)
    await pool.writeFile('/file', content)
    let slot: number | undefined
    for (const end of ['held', 'revoked', 'held'] as const) {
      const holder = await startProcess(t, pool)
      const own = await holder.run((here) => here.pool.fileSystem.table.own.index)
      assert.equal(own, (slot ??= own), 'the slot of the one before')
      assert.deepEqual(await pool.leases(), [])
      await pool.truncate('/file', 5 * BLOCK, { busy: 'fail' })
      await pool.writeFile('/file', content)
      await holdLease(holder, { path: '/file', answer: 'nothing' })
      assert.deepEqual([(await stateAt(holder)).state, (await pool.leases())[0].isRevoked], ['held', undefined])
      assert.equal(await pinForLong(holder, PINNED), 'granted')
      if (end === 'revoked') {
        await pool.punchHole('/file', 7 * BLOCK, BLOCK)
        assert.equal((await pool.leases())[0].isRevoked, true)
      }
      await holder.kill()
    }
    assert.deepEqual([await pool.leases(), await pool.pins()], [[], []])
    await checkSound(pool)
  })
})
