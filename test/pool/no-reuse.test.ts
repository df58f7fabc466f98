/** Promise 1, across processes: whatever takes a pinned block out of its file, nobody else gets it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BusyPolicy } from '../../src/index.ts'
import type { Here } from '../support/participant-main.ts'
import { sharedProcess } from '../support/participants.ts'
import { checkFilled, checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const BLOCKS = 24
const PINNED = { offset: 4 * BLOCK, length: 12 * BLOCK }
const content = stamped(999, BLOCKS)
const pinnedContent = content.subarray(PINNED.offset, PINNED.offset + PINNED.length)

type Change = (here: Here, busy: BusyPolicy) => Promise<unknown>
const CHANGES: Record<string, Change> = {
  'truncate to nothing': (here, busy) => here.pool.truncate('/pinned', 0, { busy, timeoutMs: 30 }),
  'truncate to the middle of a pinned block': (here, busy) =>
    here.pool.truncate('/pinned', 6 * 4096 + 100, { busy, timeoutMs: 30 }),
  'punch of pinned blocks': (here, busy) =>
    here.pool.punchHole('/pinned', 5 * 4096 + 7, 4 * 4096, { busy, timeoutMs: 30 }),
  unlink: (here, busy) => here.pool.unlink('/pinned', { busy, timeoutMs: 30 }),
  'rename over': async (here, busy) => {
    await here.pool.writeFile('/other', '')
    await here.pool.rename('/other', '/pinned', { busy, timeoutMs: 30 })
  },
  'open with O_TRUNC': async (here, busy) => {
    await using _ = await here.pool.open('/pinned', 'w', { busy, timeoutMs: 30 })
  },
}
const REFUSALS = { fail: 'EBUSY', wait: 'ETIMEDOUT' } as const

describe('promise 1: no reuse', { concurrency: 1 }, async () => {
  const other = await sharedProcess()

  for (const on of ['tmpfs', 'disk'] as const) {
    for (const [name, change] of Object.entries(CHANGES)) {
      for (const busy of ['fail', 'wait', 'sequester'] as const) {
        if (on === 'disk' && busy !== 'sequester') continue
        test(`a block pinned here keeps its bytes after ${name} in another process (${busy}, ${on}), and late writes hit no other file`, async (t) => {
          const pool = await temporaryPool(t, { on })
          await pool.writeFile('/pinned', content)
          const file = await pool.open('/pinned', 'r+')
          const pin = await file.pin({ ...PINNED, mode: 'write' })
          await file.close()
          await other.attach(pool)

          const done = other.run(change, busy)
          if (busy === 'sequester') {
            await done
          } else {
            await assert.rejects(
              done,
              (error: NodeJS.ErrnoException & { holders: { pid: number; mode: string }[] }) => {
                assert.equal(error.code, REFUSALS[busy])
                assert.deepEqual(
                  error.holders.map((holder) => [holder.pid, holder.mode]),
                  [[process.pid, 'write']],
                )
                return true
              },
            )
            assert.ok(content.equals(await pool.readFile('/pinned')), 'nothing has changed')
          }
          await other.run((here) => here.data.fillPool(here.pool))
          assert.ok(pinnedContent.equals(Buffer.concat(pin.buffers)), 'the pinned bytes are as they were')
          for (const view of pin.buffers) view.fill(0xee)
          await checkFilled(pool)
          await checkSound(pool)
          const held = (await pool.stats()).pinnedBytes
          assert.equal(held, PINNED.length)

          pin.release()
          await other.run((here) => here.data.fillPool(here.pool))
          await checkFilled(pool)
          await checkSound(pool)
          const { pins, freeBytes, reserveBytes, busyBytes, sequesteredBytes } = await pool.stats()
          assert.deepEqual([pins, busyBytes, sequesteredBytes], [0, 0, 0])
          assert.equal(freeBytes, reserveBytes, 'everything released could be used')
          await other.run((here) => here.pool.close())
        })
      }
    }
  }

  test('the last close, in another process, of a file unlinked while its blocks are pinned gives them to no new file', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/pinned', content)
    await other.attach(pool)
    await other.run(async (here) => {
      here.kept.file = await here.pool.open('/pinned', 'r')
    })
    const file = await pool.open('/pinned', 'r+')
    const pin = await file.pin({ ...PINNED, mode: 'write' })
    await file.close()
    await pool.unlink('/pinned')
    await checkSound(pool)
    assert.equal((await pool.lostAndFound.list()).length, 0, 'still open over there')
    await other.run((here) => here.kept.file.close())
    assert.equal((await pool.lostAndFound.list()).length, 1)
    await other.run((here) => here.data.fillPool(here.pool))
    assert.ok(pinnedContent.equals(Buffer.concat(pin.buffers)))
    for (const view of pin.buffers) view.fill(0xee)
    await checkFilled(pool)
    const [lost] = await pool.lostAndFound.list()
    assert.deepEqual([lost?.originName, lost?.offset, lost?.length], ['pinned', PINNED.offset, PINNED.length])
    assert.ok(
      (await pool.lostAndFound.read(lost?.name ?? '')).every((byte) => byte === 0xee),
      'late data is readable',
    )
    pin.release()
    await checkSound(pool)
  })
})
