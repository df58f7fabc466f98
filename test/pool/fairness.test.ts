/** Who waits for whom, and for whom not (promise 3): layout changes and pins of one file, in several processes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { File, Pool } from '../../src/index.ts'
import { BreakState } from '../../src/layout/format.ts'
import type { Doer } from '../support/lease-holder.ts'
import { hereWith } from '../support/lease-holder.ts'
import { startProcess } from '../support/participant.ts'
import { sharedProcess } from '../support/participants.ts'
import { stateOf, until } from '../support/pinned-content.ts'
import { goOn, stop } from '../support/stopping.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(4, 8)
const block = (index: number): Buffer => content.subarray(index * BLOCK, (index + 1) * BLOCK)

const changesOf = (pool: Pool, { ino }: File): number =>
  [...pool.fileSystem.table.breaks(ino as never, 0, Infinity, BreakState.waiting)].length

/** Has a change wait for what is pinned; resolves when it is in the queue. */
async function queue(pool: Pool, file: File, change: () => Promise<unknown>): Promise<{ isDone: Promise<unknown> }> {
  const before = changesOf(pool, file)
  const isDone = change()
  const isQueued = until('the change is in the queue', () => changesOf(pool, file) > before)
  await Promise.race([isQueued, isDone.then(() => assert.fail('it did not wait'))])
  return { isDone }
}

describe('changes that wait', async () => {
  const other = await sharedProcess()

  test('go in the order in which they came, in whatever process, when what they wait for ends', async (t) => {
    const pool = await temporaryPool(t)
    const elsewhere = await openedAgain(t, pool)
    await other.attach(pool)
    const truncate = (who: Doer) => who.run((there) => there.pool.truncate('/file', 2 * 4096, { busy: 'wait' }))
    const insert = (who: Doer) =>
      who.run(async (there) => {
        const file = await there.pool.open('/file', 'r+')
        await file.insertRange(0, 4096, { busy: 'wait' })
        await file.close()
      })
    const collapse = (who: Doer) =>
      who.run(async (there) => {
        const file = await there.pool.open('/file', 'r+')
        await file.collapseRange(0, 2 * 4096, { busy: 'wait' })
        await file.close()
      })
    const here = hereWith(pool)
    const there = hereWith(elsewhere)
    for (const [first, second, third] of [
      [here, other, there],
      [other, here, other],
      [there, there, here],
      [other, there, here],
      [here, other, other],
      [there, other, other],
    ]) {
      await pool.writeFile('/file', content)
      await using file = await pool.open('/file', 'r')
      const pin = await file.pin({ offset: 2 * BLOCK, length: BLOCK, mode: 'read' })
      const all = [
        await queue(pool, file, () => truncate(first)),
        await queue(pool, file, () => insert(second)),
        await queue(pool, file, () => collapse(third)),
      ]
      pin.release()
      await Promise.all(all.map(({ isDone }) => isDone))
      // Any other order leaves something else, or is EINVAL.
      assert.ok(block(1).equals(await pool.readFile('/file')))
    }
    await checkSound(pool)
  })

  test('do not wait for an earlier one that waits for pins which are not in their way, although their ranges overlap', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await using file = await pool.open('/file', 'r+')
    const pin = await file.pin({ offset: 5 * BLOCK, length: BLOCK, mode: 'read' })
    const earlier = await queue(pool, file, () =>
      other.run((there) => there.pool.truncate('/file', 0, { busy: 'wait', timeoutMs: 20_000 })),
    )
    const state = stateOf(earlier.isDone)
    for (let round = 0; round < 5; round++) await file.punchHole(round * BLOCK, BLOCK, { busy: 'wait', timeoutMs: 900 })
    assert.equal(state.isSettled, false)
    assert.ok(block(5).equals(pin.buffer))
    pin.release()
    await earlier.isDone
    assert.equal((await file.stat()).size, 0)
  })

  test('hold no change and no pin in another range, nor a change that does not wait', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    await other.attach(pool)
    await using file = await pool.open('/file', 'r+')
    const held = await file.pin({ offset: 5 * BLOCK, length: BLOCK, mode: 'read' })
    const waiting = [
      await queue(pool, file, () => other.run((there) => there.pool.truncate('/file', 5 * 4096, { busy: 'wait' }))),
      await queue(pool, file, () => other.run((there) => there.pool.truncate('/file', 4 * 4096, { busy: 'wait' }))),
    ]
    for (let round = 0; round < 20; round++) {
      using pin = await file.pin({ offset: (round % 4) * BLOCK, length: BLOCK, mode: 'read', timeoutMs: 400 })
      assert.equal(pin.buffer.length, BLOCK)
    }
    await file.punchHole(0, BLOCK, { busy: 'wait', timeoutMs: 400 })
    await file.punchHole(0, 2 * BLOCK, { busy: 'fail' })
    await assert.rejects(file.truncate(5 * BLOCK, { busy: 'fail' }), { code: 'EBUSY' })
    await file.punchHole(5 * BLOCK, BLOCK, { busy: 'sequester', timeoutMs: 400 })
    // What they waited for has left the file.
    await Promise.all(waiting.map(({ isDone }) => isDone))
    assert.equal((await file.stat()).size, 4 * BLOCK)
    assert.ok(block(5).equals(held.buffer))
    held.release()
    await checkSound(pool)
  })

  test('let the next one go when the one ahead could go and its process is stopped', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const stopped = await startProcess(t, pool)
    await using file = await pool.open('/file', 'r+')
    const pin = await file.pin({ offset: 2 * BLOCK, length: BLOCK, mode: 'read' })
    const first = await queue(pool, file, () =>
      stopped.run((there) => there.pool.truncate('/file', 2 * 4096, { busy: 'wait' })),
    )
    await stop(stopped)
    const second = await queue(pool, file, () => pool.truncate('/file', BLOCK, { busy: 'wait', timeoutMs: 20_000 }))
    pin.release()
    await second.isDone
    goOn(stopped)
    await first.isDone
    assert.equal((await file.stat()).size, 2 * BLOCK, 'the one that was stopped is done later, and grows it')
    await checkSound(pool)
  })

  test('end by their time, and name who came first, when that is all they wait for', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const stopped = await startProcess(t, pool)
    await using file = await pool.open('/file', 'r+')
    const pin = await file.pin({ offset: 2 * BLOCK, length: BLOCK, mode: 'read' })
    const first = await queue(pool, file, () =>
      stopped.run((there) => there.pool.truncate('/file', 2 * 4096, { busy: 'wait' })),
    )
    await stop(stopped)
    pin.release()
    await assert.rejects(pool.truncate('/file', BLOCK, { busy: 'wait', timeoutMs: 100 }), (error: Error) => {
      const { code, holders } = error as Error & { code: string; holders: { pid: number; kind: string }[] }
      assert.deepEqual([code, holders.map(({ pid, kind }) => [pid, kind])], ['ETIMEDOUT', [[stopped.pid, 'change']]])
      assert.match(error.message, /another layout change of the range came first/)
      return true
    })
    goOn(stopped)
    await first.isDone
  })

  test('are held by the pins alive when they began, and by none that came since, however many come', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const stormers = await Promise.all([startProcess(t, pool), startProcess(t, pool)])
    await other.attach(pool)
    await using file = await pool.open('/file', 'r+')
    const alive = await Promise.all(
      [0, 1, 2].map((index) => file.pin({ offset: index * BLOCK, length: 2 * BLOCK, mode: 'read' })),
    )
    const change = await queue(pool, file, () =>
      other.run((there) => there.pool.punchHole('/file', 0, 4 * 4096, { busy: 'wait' })),
    )
    const state = stateOf(change.isDone)
    // Each keeps sixty pins of the range on their way, without end.
    const storms = stormers.map((stormer) =>
      stormer.run(async (there) => {
        const theirs = await there.pool.open('/file', 'r')
        there.kept['isOver'] = false
        let granted = 0
        there.kept['granted'] = () => granted
        const chase = async (lane: number): Promise<void> => {
          while (there.kept['isOver'] === false) {
            const pin = await theirs.pin({ offset: (lane % 4) * 4096, length: 4096, mode: 'read' })
            granted++
            await new Promise((resolve) => setImmediate(resolve))
            pin.release()
          }
        }
        await Promise.all(Array.from({ length: 60 }, (_, lane) => chase(lane)))
      }),
    )
    const grantedSoFar = (): Promise<number[]> =>
      Promise.all(stormers.map((stormer) => stormer.run((there) => (there.kept['granted'] as () => number)())))
    await until('the storm queues', async () =>
      (
        await Promise.all(stormers.map((one) => one.run((there) => there.pool.fileSystem.table.own.words.load(5))))
      ).every((waits) => waits === 60),
    )
    for (const pin of alive.slice(0, 2)) pin.release()
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.deepEqual([state.isSettled, await grantedSoFar()], [false, [0, 0]])
    alive[2].release()
    await change.isDone
    await until('the storm goes on', async () => (await grantedSoFar()).every((count) => count > 0))
    // And the next change gets through the storm at full strength.
    await other.run((there) => there.pool.punchHole('/file', 0, 4 * 4096, { busy: 'wait', timeoutMs: 20_000 }))
    for (const stormer of stormers) await stormer.run((there) => void (there.kept['isOver'] = true))
    await Promise.all(storms)
    await checkSound(pool)
  })
})
