/**
 * Promise 5, across processes: a layout change whose process is killed, at each step or at random, has happened or has
 * not; nobody is blocked by its remains, nothing leaks, and pinned blocks stay what they are.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { File, Pool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import type { Here } from '../support/participant-main.ts'
import { checkFilled, checkSound, fillPool, stamped } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(9, 12)
const CUT_AT = 3 * BLOCK + 1000
const PUNCH = { offset: 2 * BLOCK + 50, length: 3 * BLOCK }

const CHANGES: Record<string, { run(here: Here): Promise<void>; after: Buffer | undefined }> = {
  truncate: { run: (here) => here.pool.truncate('/file', 3 * 4096 + 1000), after: content.subarray(0, CUT_AT) },
  punch: {
    run: (here) => here.pool.punchHole('/file', 2 * 4096 + 50, 3 * 4096),
    after: Buffer.from(content).fill(0, PUNCH.offset, PUNCH.offset + PUNCH.length),
  },
  unlink: { run: (here) => here.pool.unlink('/file'), after: undefined },
  'rename over': { run: (here) => here.pool.rename('/other', '/file'), after: Buffer.from('other') },
}

/** Where the process dies: before or after a step of `breakLayout`, by the name of what it calls then. */
const STEPS = [
  ['after', 'table', 'publishBreak'],
  ['after', 'metadata', 'reserve'],
  ['after', 'device', 'flushRun'],
  ['inside', 'metadata', 'changeLayout'],
  ['after', 'metadata', 'changeLayout'],
  ['after', 'table', 'advanceGeneration'],
  ['after', 'table', 'takeBreakBack'],
] as const
/** The operation of the metadata that commits the change. */
const commitOf = (change: string): string =>
  change === 'unlink' ? 'unlink' : change === 'rename over' ? 'rename' : 'changeLayout'
const isOfName = (change: string): boolean => commitOf(change) !== 'changeLayout'
/** Which of them each change comes to. A name takes whole blocks along. */
const isOnTheWay = (change: string, step: string): boolean =>
  !isOfName(change) || (step !== 'reserve' && step !== 'flushRun')

function dieAt(here: Here, when: string, part: string, step: string): void {
  const owner = (here.pool.fileSystem as unknown as Record<string, Record<string, (...all: unknown[]) => unknown>>)[
    part
  ]
  const original = owner[step].bind(owner)
  const die = (): void => void process.kill(process.pid, 'SIGKILL')
  owner[step] = (...all) => {
    if (when === 'inside') {
      const [change, decide, ...more] = all as [unknown, (...seen: unknown[]) => unknown, ...unknown[]]
      return original(
        change,
        (...seen: unknown[]) => {
          const decision = decide(...seen)
          die()
          return decision
        },
        ...more,
      )
    }
    const result = original(...all)
    if (result instanceof Promise) return result.finally(die)
    die()
    return result
  }
}

async function contentOf(pool: Pool): Promise<Buffer | undefined> {
  return (await pool.exists('/file')) ? pool.readFile('/file') : undefined
}

const isSame = (a: Buffer | undefined, b: Buffer | undefined): boolean =>
  a === undefined || b === undefined ? a === b : a.equals(b)

/** What a pin from the cache shows at once, or the code of the refusal. */
function pinnedNow(file: File, range: { offset: number; length: number; mode: 'read' }): Buffer | string {
  try {
    using pin = file.pinSync(range)
    return Buffer.from(pin.buffer)
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** Everything is old or new, nobody is blocked, nothing leaks. */
async function checkRemains(pool: Pool, name: string, timeoutMs: number): Promise<'old' | 'new'> {
  const now = await contentOf(pool)
  const { after } = CHANGES[name]
  const isOld = isSame(now, content)
  assert.ok(isOld || isSame(now, after), 'old or new, whole')
  assert.deepEqual(await pool.check(), [])
  if (now !== undefined) {
    await using file = await pool.open('/file', 'r+')
    using pin = await file.pin({ offset: 0, length: now.length, mode: 'read', timeoutMs })
    assert.ok(now.equals(Buffer.concat(pin.buffers)))
    await file.write(now.subarray(0, 1), { position: 0, timeoutMs })
  }
  return isOld ? 'old' : 'new'
}

async function prepared(t: TestContext): Promise<Pool> {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', content)
  await pool.writeFile('/other', 'other')
  return pool
}

describe('promise 5: all or nothing', () => {
  for (const name of Object.keys(CHANGES)) {
    for (const [when, part, step] of STEPS) {
      if (!isOnTheWay(name, step)) continue
      test(`${name} killed ${when} ${step} is seen whole or not at all, and leaves nothing behind`, async (t) => {
        const pool = await prepared(t)
        await using file = await pool.open('/file', 'r+')
        const pin = await file.pin({ offset: 2 * BLOCK + 100, length: 4 * BLOCK, mode: 'read' })
        if (isOfName(name)) await file.close()
        const pinned = content.subarray(pin.offset, pin.offset + pin.length)
        const breaker = await startProcess(t, pool)
        await breaker.run(dieAt, when, part, step === 'changeLayout' ? commitOf(name) : step)
        await assert.rejects(breaker.run(CHANGES[name].run), /gone/, 'it was killed on the way')
        await breaker.kill()

        // Whoever comes across the dead one takes its break out; a cached layout must not outlive that.
        assert.equal((await pool.pins()).length, 1)
        const cached = { offset: 4 * BLOCK, length: 10, mode: 'read' } as const
        const seen = isOfName(name) ? undefined : pinnedNow(file, cached)
        const outcome = await checkRemains(pool, name, 5000)
        if (seen !== undefined) {
          const wanted = (outcome === 'old' ? content : CHANGES[name].after)?.subarray(
            cached.offset,
            cached.offset + 10,
          )
          assert.ok(wanted?.length === 0 ? seen === 'ERANGE' : wanted?.equals(seen as Buffer), String(seen))
        }
        const hasCommitted =
          (step === 'changeLayout' && when === 'after') || step === 'advanceGeneration' || step === 'takeBreakBack'
        assert.equal(outcome, hasCommitted ? 'new' : 'old')
        assert.ok(pinned.equals(Buffer.concat(pin.buffers)), 'pinned bytes are as they were')
        await pool.reap()
        await fillPool(pool)
        assert.ok(pinned.equals(Buffer.concat(pin.buffers)), 'nobody got the pinned blocks')
        pin.release()
        await checkFilled(pool)
        for (const path of await pool.readdir('/full')) await pool.unlink(`/full/${path}`)
        await pool.lostAndFound.reclaim()
        await checkSound(pool)
        const stats = await pool.stats()
        const mapped = (await pool.exists('/file')) ? (await pool.stat('/file')).blocks * 512 : 0
        const other = (await pool.exists('/other')) ? (await pool.stat('/other')).blocks * 512 : 0
        assert.deepEqual(
          [stats.usedBytes, stats.busyBytes, stats.sequesteredBytes, stats.participants],
          [mapped + other, 0, 0, 1],
          'nothing leaks',
        )
      })
    }
  }

  test('changes killed at random moments leave old or new files, a sound pool, and no block behind', async (t) => {
    for (let round = 0; round < 6; round++) {
      const pool = await prepared(t)
      const breaker = await startProcess(t, pool)
      void breaker.run(async (here) => {
        for (;;) {
          await here.pool.truncate('/file', 3 * 4096 + 1000)
          await here.pool.truncate('/file', 12 * 4096)
          await here.pool.punchHole('/file', 100, 5000)
          await here.pool.writeFile('/file', 'new')
          await here.pool.writeFile('/other', Buffer.alloc(50_000, 1))
          await here.pool.rename('/other', '/file')
        }
      })
      await new Promise((resolve) => setTimeout(resolve, 3 + Math.random() * 30))
      await breaker.kill()
      assert.deepEqual(await pool.check(), [])
      await pool.writeFile('/file', content, { timeoutMs: 5000 })
      assert.ok(content.equals(await pool.readFile('/file')))
      await pool.reap()
      await pool.unlink('/other').catch(() => undefined)
      await pool.lostAndFound.reclaim()
      await checkSound(pool)
      const { usedBytes, busyBytes, sequesteredBytes } = await pool.stats()
      assert.deepEqual([usedBytes, busyBytes, sequesteredBytes], [content.length, 0, 0])
    }
  })
})
