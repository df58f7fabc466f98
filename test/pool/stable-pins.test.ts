/**
 * Stable pins: their bytes do not change while they are held, whoever writes, and no writer waits for them (promise 10).
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const SIZE = 8 * BLOCK
const old = (size = SIZE): Buffer => Buffer.alloc(size, 'old!')
const fresh = (size: number): Buffer => Buffer.alloc(size, 'new.')

async function prepared(t: Parameters<typeof temporaryPool>[0]): Promise<Pool> {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', old())
  return pool
}

/** Bytes in files, and busy; what a pool takes. */
async function taken(pool: Pool): Promise<number> {
  const { usedBytes, busyBytes, sequesteredBytes } = await pool.stats()
  return usedBytes + busyBytes + sequesteredBytes
}

async function untilTaken(pool: Pool, bytes: number): Promise<void> {
  for (let tries = 0; (await taken(pool)) !== bytes; tries++) {
    assert.ok(tries < 300, `the pool takes ${await taken(pool)} bytes, not ${bytes}`)
    await pause(50)
  }
}

describe('promise 10: who writes never waits for a stable pin, whose bytes stay', () => {
  const range = { offset: BLOCK + 100, length: 2 * BLOCK, mode: 'read', stable: true } as const
  const writes: Record<string, (pool: Pool) => Promise<unknown>> = {
    'write over all of it': (pool) => pool.writeFile('/file', fresh(SIZE), { flags: 'r+' }),
    'write of one byte': async (pool) => {
      await using file = await pool.open('/file', 'r+')
      await file.write('X', { position: BLOCK + 150 })
    },
    'write that grows the file from within': async (pool) => {
      await using file = await pool.open('/file', 'r+')
      await file.write(fresh(2 * SIZE), { position: 2 * BLOCK })
    },
    'write pin': async (pool) => {
      await using file = await pool.open('/file', 'r+')
      using pin = await file.pin({ offset: BLOCK, length: BLOCK, mode: 'write', timeoutMs: 20_000 })
      pin.buffer.fill(87)
    },
    'write pin beside it in the same block': async (pool) => {
      await using file = await pool.open('/file', 'r+')
      using pin = await file.pin({ offset: BLOCK, length: 100, mode: 'write', timeoutMs: 20_000 })
      pin.buffer.fill(87)
    },
    truncate: (pool) => pool.truncate('/file', BLOCK),
    punch: (pool) => pool.punchHole('/file', 0, SIZE),
    'unlink and another file': async (pool) => {
      await pool.unlink('/file')
      await pool.writeFile('/other', fresh(SIZE))
    },
  }
  for (const [name, write] of Object.entries(writes)) {
    test(`${name}, by this process and by another`, async (t) => {
      for (const byOther of [false, true]) {
        const pool = await prepared(t)
        const writer = byOther ? await openedAgain(t, pool) : pool
        await using file = await pool.open('/file', 'r')
        const pin = await file.pin(range)
        const expected = await writer.readFile('/file')
        await write(writer)
        assert.ok(old(2 * BLOCK).equals(Buffer.concat(pin.buffers)), 'the bytes stay')
        if (name.startsWith('write')) {
          const now = await pool.readFile('/file')
          assert.ok(!now.equals(expected), 'the file has the write')
        }
        pin.release()
        assert.deepEqual(await pool.check(), [])
      }
    })
  }

  test('only the blocks that are held are copied, once', async (t) => {
    const pool = await prepared(t)
    await using file = await pool.open('/file', 'r+')
    const before = await taken(pool)
    const pin = await file.pin({ offset: BLOCK, length: BLOCK, mode: 'read', stable: true })
    await file.write(fresh(SIZE), { position: 0 })
    await file.write(fresh(SIZE), { position: 0 })
    assert.equal(await taken(pool), before + BLOCK)
    assert.ok(fresh(SIZE).equals(await pool.readFile('/file')))
    assert.ok(old(BLOCK).equals(pin.buffer))
    pin.release()
    await untilTaken(pool, before)
  })

  test('200 overwrites of 200 KiB take the space of the pin, and give it back after its release', async (t) => {
    const pool = await temporaryPool(t)
    const size = 200 * 1024
    await pool.writeFile('/file', old(size))
    const before = await taken(pool)
    await using file = await pool.open('/file', 'r+')
    const pin = await file.pin({ offset: 0, length: size, mode: 'read', stable: true })
    for (let i = 0; i < 200; i++) await file.write(Buffer.alloc(size, i), { position: 0 })
    assert.equal(await taken(pool), 2 * before)
    assert.ok(old(size).equals(Buffer.concat(pin.buffers)))
    pin.release()
    await untilTaken(pool, before)
    assert.deepEqual(await pool.check(), [])
  })

  test('the space comes back by itself when the holder is killed', async (t) => {
    const pool = await prepared(t)
    const before = await taken(pool)
    const holder = await startProcess(t, pool)
    await holder.run(async (here) => {
      const file = await here.pool.open('/file', 'r')
      await file.pin({ offset: 0, length: 8 * 4096, mode: 'read', stable: true })
    })
    await pool.writeFile('/file', fresh(SIZE), { flags: 'r+' })
    assert.equal(await taken(pool), 2 * before)
    await holder.kill()
    await untilTaken(pool, before)
  })
})

describe('a stable pin waits for who writes to its blocks', () => {
  test("under 'fail' it is refused, and names the holder", async (t) => {
    const pool = await prepared(t)
    await using file = await pool.open('/file', 'r+')
    using writer = await file.pin({ offset: BLOCK, length: 10, mode: 'write' })
    const options = { offset: BLOCK + 50, length: 10, mode: 'read', stable: true } as const
    await assert.rejects(file.pin({ ...options, busy: 'fail' }), (error: { code: string; holders: unknown[] }) => {
      assert.equal(error.code, 'EBUSY')
      assert.equal(error.holders.length, 1)
      return true
    })
    await assert.rejects(file.pin({ ...options, timeoutMs: 50 }), { code: 'ETIMEDOUT' })
    const controller = new AbortController()
    const aborted = file.pin({ ...options, signal: controller.signal })
    controller.abort()
    await assert.rejects(aborted, { name: 'AbortError' })
    // Nothing of the refused ones is left: writes go in place.
    const space = await taken(pool)
    await file.write('x', { position: BLOCK + 55 })
    assert.equal(await taken(pool), space)
    writer.buffer.fill(119)
  })

  test('otherwise until they let go, in any process; a writer that comes meanwhile does not wait', async (t) => {
    const pool = await prepared(t)
    const other = await openedAgain(t, pool)
    await using file = await pool.open('/file', 'r+')
    await using theirs = await other.open('/file', 'r+')
    const writer = await theirs.pin({ offset: 0, length: BLOCK, mode: 'write' })
    let isStable = false
    const waiting = file.pin({ offset: 0, length: 2 * BLOCK, mode: 'read', stable: true }).then((pin) => {
      isStable = true
      return pin
    })
    await theirs.write(fresh(BLOCK), { position: BLOCK })
    await pause(20)
    assert.equal(isStable, false)
    writer.buffer.fill(87)
    writer.release()
    using pin = await waiting
    const seen = Buffer.from(pin.buffer)
    assert.ok(seen.subarray(0, BLOCK).equals(Buffer.alloc(BLOCK, 'W')))
    await theirs.write(old(SIZE), { position: 0 })
    assert.ok(seen.equals(pin.buffer))
  })

  test('mistakes are refused', async (t) => {
    const pool = await prepared(t)
    await using file = await pool.open('/file', 'r+')
    await assert.rejects(file.pin({ offset: 0, length: 1, mode: 'write', stable: true }), { code: 'EINVAL' })
    assert.throws(() => file.pinSync({ offset: 0, length: 1, mode: 'read', stable: true }), { code: 'EAGAIN' })
    await assert.rejects(file.pin({ offset: SIZE, length: 1, mode: 'read', stable: true }), { code: 'ERANGE' })
    using stable = await file.pin({ offset: 0, length: 1, mode: 'read', stable: true })
    assert.throws(() => file.pinSync({ offset: 0, length: 1, mode: 'write' }), { code: 'EAGAIN' })
    assert.equal(stable.length, 1)
  })
})

test('snapshots are whole while two processes write: no stable pin ever changes or shows half a write', async (t) => {
  const pool = await temporaryPool(t)
  const size = 4 * BLOCK
  await pool.writeFile('/file', Buffer.alloc(size, 1))
  const writers = [await startProcess(t, pool), await startProcess(t, pool)]
  const running = writers.map((writer, which) =>
    writer.run(async (here, first) => {
      await using file = await here.pool.open('/file', 'r+')
      for (let i = 0; i < 150; i++) {
        const value = 1 + ((i * 2 + first) % 250)
        if (i % 3 === 0) {
          using pin = await file.pin({ offset: 0, length: 4 * 4096, mode: 'write' })
          for (const buffer of pin.buffers) buffer.fill(value)
        } else {
          await file.write(Buffer.alloc(4 * 4096, value), { position: 0 })
        }
      }
    }, which),
  )
  let isOver = false
  const finished = Promise.all(running).then(() => (isOver = true))
  await using file = await pool.open('/file', 'r')
  let snapshots = 0
  while (!isOver || snapshots < 20) {
    using pin = await file.pin({ offset: 0, length: size, mode: 'read', stable: true })
    const first = Buffer.concat(pin.buffers)
    await pause(1)
    assert.ok(first.equals(Buffer.concat(pin.buffers)), 'a stable pin changed')
    snapshots++
  }
  await finished
  assert.deepEqual(await pool.check(), [])
})
