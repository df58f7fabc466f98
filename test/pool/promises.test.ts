/** Promises 2, 3, 6, 8, 9, 10 and 11 through the public face, with several processes where the promise is about them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Holder } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { sharedProcess } from '../support/participants.ts'
import { checkSound, fillPool, stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(2, 16)
const WAITERS = 5

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 1))
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

describe('promises', async () => {
  const other = await sharedProcess()

  describe('promise 2: no false pin', () => {
    test('a pin taken after a change in another process shows the blocks that are the file’s now, whatever was cached here', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      await other.attach(pool)
      await using file = await pool.open('/file', 'r+')
      file.pinSync({ offset: 0, length: 16 * BLOCK, mode: 'read' }).release()
      for (let round = 1; round <= 20; round++) {
        await other.run(async (here, owner) => {
          await here.pool.truncate('/file', 0)
          await here.pool.reap()
          // Other files take the blocks that were this one's, and it gets others.
          await here.pool.writeFile(`/taken-${owner}`, here.data.stamped(owner, 16))
          await here.pool.writeFile('/file', here.data.stamped(1000 + owner, 16))
        }, round)
        const isHot = round % 2 === 0
        const range = { offset: 3 * BLOCK, length: 5 * BLOCK, mode: 'write', revocable: !isHot } as const
        using pin = isHot ? file.pinSync(range) : await file.pin(range)
        const expected = stamped(1000 + round, 16).subarray(3 * BLOCK, 8 * BLOCK)
        assert.ok(expected.equals(Buffer.concat(pin.buffers)), `round ${round}`)
        pin.buffers[0]?.fill(round)
        const seen = await other.run(async (here) => (await here.pool.readFile('/file'))[3 * 4096])
        assert.equal(seen, round, 'it is the block the others see')
        const taken = await other.run((here, owner) => here.pool.readFile(`/taken-${owner}`), round)
        assert.ok(stamped(round, 16).equals(taken))
      }
    })

    test('a pin past the end that another process made is refused, and one within it granted, at once', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      await other.attach(pool)
      await using file = await pool.open('/file', 'r')
      file.pinSync({ offset: 15 * BLOCK, length: BLOCK, mode: 'read' }).release()
      await other.run((here) => here.pool.truncate('/file', 100))
      assert.throws(() => file.pinSync({ offset: 0, length: 101, mode: 'read' }), { code: 'ERANGE' })
      await assert.rejects(file.pin({ offset: 15 * BLOCK, length: 1, mode: 'read' }), { code: 'ERANGE' })
      file.pinSync({ offset: 0, length: 100, mode: 'read' }).release()
      await other.run((here) => here.pool.truncate('/file', 200_000))
      using pin = file.pinSync({ offset: 100, length: 190_000, mode: 'read' })
      assert.ok(pin.buffers.every(isZero))
    })
  })

  test('promise 2: a hole and an end that were cached here are not believed after another process filled them', async (t) => {
    const pool = await temporaryPool(t)
    await other.attach(pool)
    await using file = await pool.open('/file', 'w+')
    await file.truncate(8 * BLOCK)
    file.pinSync({ offset: 0, length: 8 * BLOCK, mode: 'read' }).release()
    await other.run(async (here) => {
      // Left open: a close gives back what was allocated ahead, and that is a layout change.
      here.kept.file = await here.pool.open('/file', 'r+')
      await here.kept.file.write(here.data.stamped(6, 12), { position: 0 })
    })
    const expected = stamped(6, 12)
    const pins = [
      file.pinSync({ offset: 100, length: 5 * BLOCK, mode: 'read' }),
      file.pinSync({ offset: 100, length: 5 * BLOCK, mode: 'read', revocable: false }),
      await file.pin({ offset: 9 * BLOCK, length: 3 * BLOCK, mode: 'read' }),
    ]
    for (const pin of pins) {
      assert.ok(
        expected.subarray(pin.offset, pin.offset + pin.length).equals(Buffer.concat(pin.buffers)),
        `${pin.offset}`,
      )
      pin.release()
    }
    const read = Buffer.alloc(12 * BLOCK)
    await file.read(read, { position: 0 })
    assert.ok(expected.equals(read))
  })

  describe('promise 3: no starvation', () => {
    test('a change that waits gets through a storm of short pins by two processes, while pins elsewhere in the file and copies go on', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const storms = await Promise.all([startProcess(t, pool), startProcess(t, pool)])
      // Each takes the next pin before it gives the one before back: without queueing the range is never idle.
      const storm = storms.map((stormer) =>
        stormer.run(async (here) => {
          const file = await here.pool.open('/file', 'r')
          let pin = await file.pin({ offset: 8 * 4096, length: 4096, mode: 'read' })
          here.kept['isOver'] = false
          let waits = 0
          let count = 0
          while (here.kept['isOver'] === false) {
            const next = file.pin({ offset: 8 * 4096, length: 4096, mode: 'read', timeoutMs: 20_000 })
            let isGranted = false
            void next.then(
              () => (isGranted = true),
              () => (isGranted = true),
            )
            await new Promise((resolve) => setImmediate(resolve))
            // Queued behind a change: only then it gives its own back first, as every I/O ends some time.
            if (!isGranted) {
              waits++
              pin.release()
              pin = await next.catch(() => undefined as never)
              if (pin === undefined) break
            } else {
              pin.release()
              pin = await next
            }
            count++
          }
          if (pin?.isHeld) pin.release()
          return { count, waits }
        }),
      )
      await using file = await pool.open('/file', 'r+')
      // Not by the table: a pin is listed before it is granted, and one that is taken back again queues for the first time.
      for (const stormer of storms) await until(() => stormer.run((here) => here.kept['isOver'] === false))
      for (let round = 0; round < 5; round++) {
        const change = file.punchHole(8 * BLOCK, BLOCK, { busy: 'wait', timeoutMs: 10_000 })
        using elsewhere = await file.pin({ offset: 2 * BLOCK, length: BLOCK, mode: 'read', timeoutMs: 1000 })
        assert.ok(content.subarray(2 * BLOCK, 3 * BLOCK).equals(elsewhere.buffer))
        await change
        await file.write(content.subarray(0, BLOCK), { position: 8 * BLOCK })
      }
      for (const stormer of storms) await stormer.run((here) => void (here.kept['isOver'] = true))
      for (const { count, waits } of await Promise.all(storm))
        assert.ok(count > 0 && waits > 0, `${count} pins, ${waits} queued`)
      await checkSound(pool)
    })

    test('while a change waits, pins of its range queue, pins elsewhere, copying reads and writes of the range, appends and allocations go ahead', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      await other.attach(pool)
      await using file = await pool.open('/file', 'r+')
      const held = await file.pin({ offset: 8 * BLOCK, length: BLOCK, mode: 'read' })
      const change = other.run((here) => here.pool.punchHole('/file', 8 * 4096, 2 * 4096, { busy: 'wait' }))
      await until(() => [...pool.fileSystem.table.breaks(file.ino as never, 0, Infinity, 3)].length > 0)
      let isQueuedGranted = false
      const queued = file.pin({ offset: 9 * BLOCK, length: BLOCK, mode: 'read' }).then((pin) => {
        isQueuedGranted = true
        return pin
      })
      using before = await file.pin({ offset: 0, length: 8 * BLOCK, mode: 'write', timeoutMs: 500 })
      using behind = await file.pin({ offset: 10 * BLOCK, length: BLOCK, mode: 'read', timeoutMs: 500 })
      assert.equal(before.length + behind.length, 9 * BLOCK)
      const data = Buffer.alloc(BLOCK)
      await file.read(data, { position: 8 * BLOCK, timeoutMs: 500 })
      assert.ok(content.subarray(8 * BLOCK, 9 * BLOCK).equals(data))
      await file.write(data.fill(9), { position: 9 * BLOCK, timeoutMs: 500 })
      await pool.writeFile('/file', 'appended', { flags: 'a', timeoutMs: 500 })
      await file.allocate(20 * BLOCK, BLOCK, { timeoutMs: 500 })
      assert.equal(isQueuedGranted, false)
      held.release()
      await change
      using pin = await queued
      assert.ok(isZero(pin.buffer), 'it sees what the change made')
    })
  })

  describe('promise 6: no stale data', () => {
    test('blocks that were full of other data read as zeros wherever they enter a file', async (t) => {
      for (const on of ['tmpfs', 'disk'] as const) {
        const pool = await temporaryPool(t, { on })
        await fillPool(pool)
        for (const name of await pool.readdir('/full')) await pool.unlink(`/full/${name}`)
        await using file = await pool.open('/file', 'w+')
        await file.allocate(0, 2 << 20)
        assert.ok(isZero(await pool.readFile('/file')), 'allocated and not written')
        using pin = await file.pin({ offset: 0, length: 2 << 20, mode: 'write' })
        assert.ok(pin.buffers.every(isZero))

        await using sparse = await pool.open('/sparse', 'w+')
        await sparse.write('x', { position: 10 * BLOCK + 7 })
        await sparse.truncate(30 * BLOCK)
        await sparse.write('y', { position: 20 * BLOCK + 100 })
        const expected = Buffer.alloc(30 * BLOCK)
        expected.write('x', 10 * BLOCK + 7)
        expected.write('y', 20 * BLOCK + 100)
        assert.ok(expected.equals(await pool.readFile('/sparse')))
        using hole = await sparse.pin({ offset: 2 * BLOCK, length: 9 * BLOCK, mode: 'write' })
        assert.ok(expected.subarray(2 * BLOCK, 11 * BLOCK).equals(Buffer.concat(hole.buffers)))
        await checkSound(pool)
      }
    })

    test('what is cut off inside of a block never comes back when the file grows: by truncate, write, append, allocate', async (t) => {
      const pool = await temporaryPool(t)
      const grow: Record<string, (path: string) => Promise<unknown>> = {
        truncate: (path) => pool.truncate(path, 3 * BLOCK),
        write: async (path) => {
          await using file = await pool.open(path, 'r+')
          await file.write(Buffer.alloc(1), { position: 3 * BLOCK - 1 })
        },
        append: (path) => pool.writeFile(path, Buffer.alloc(3 * BLOCK - 100), { flags: 'a' }),
        allocate: async (path) => {
          await using file = await pool.open(path, 'r+')
          await file.allocate(BLOCK, 2 * BLOCK)
        },
      }
      for (const [name, by] of Object.entries(grow)) {
        const path = `/${name}`
        await pool.writeFile(path, content)
        await pool.truncate(path, 100)
        await by(path)
        const expected = Buffer.alloc(3 * BLOCK)
        content.copy(expected, 0, 0, 100)
        assert.ok(expected.equals(await pool.readFile(path)), name)
      }
    })

    test('what an appender that was killed in mid-append left behind the end reads as zeros when the file grows', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', 'begin')
      const appender = await startProcess(t, pool)
      void appender.run(async (here) => {
        const file = await here.pool.open('/file', 'r+')
        // Between the allocation and the commit of the append: the data is in the blocks, the size is not set.
        const fs = here.pool.fileSystem
        await file.write(Buffer.alloc(50_000, 1), { position: 5 })
        await fs.metadata.extend(file.ino as never, 0n, (layout) => {
          for (const { deviceBlock, count } of layout.extents) {
            const bytes = new Uint8Array(fs.device.map({ start: deviceBlock, count }))
            bytes.fill(0xab, 50_005)
          }
          return here.hang()
        })
      })
      await appender.hung()
      await appender.kill()
      assert.equal((await pool.stat('/file')).size, 50_005)
      assert.ok((await pool.stat('/file')).blocks * 512 > 50_005 + BLOCK, 'it had allocated ahead')
      await pool.truncate('/file', 80_000)
      const expected = Buffer.alloc(80_000)
      expected.write('begin')
      expected.fill(1, 5, 50_005)
      assert.ok(expected.equals(await pool.readFile('/file')))
      await checkSound(pool)
    })
  })

  describe('promise 8: no use after release', () => {
    test('released views have length 0, retain covers until the last release, and revoking by close takes the views', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const again = await openedAgain(t, pool)
      await using file = await pool.open('/file', 'r')
      const pin = await file.pin({ offset: 10, length: 3 * BLOCK, mode: 'read' })
      const view = pin.buffer
      const part = view.subarray(5, 10)
      const whole = new Uint8Array(view.buffer)
      pin.retain()
      pin.release()
      assert.deepEqual([view.length, part.length, pin.isHeld], [3 * BLOCK, 5, true])
      await assert.rejects(
        again.truncate('/file', 0, { busy: 'fail' }),
        { code: 'EBUSY' },
        'retained: the blocks are busy',
      )
      pin.release()
      assert.deepEqual([view.length, part.length, whole.length, pin.isHeld], [0, 0, 0, false])
      assert.deepEqual(pin.buffers, [])
      for (const use of [() => pin.buffer, () => pin.retain(), () => pin.release()]) {
        assert.throws(use, { code: 'ESTALE' })
      }
      await assert.rejects(pin.writeTo(process.stdout), { code: 'ESTALE' })
      pin[Symbol.dispose]()

      const one = await file.pin({ offset: 0, length: 10, mode: 'read' })
      const two = await file.pin({ offset: 0, length: 10, mode: 'read' })
      const views = [one.buffer, two.buffer]
      one.release()
      assert.deepEqual(
        views.map((bytes) => bytes.length),
        [0, 10],
        'each view is taken away by itself',
      )
      await pool.close({ force: true })
      assert.deepEqual(
        views.map((bytes) => bytes.length),
        [0, 0],
      )
      assert.equal((await again.pins()).length, 1, 'revoking takes the view, not the protection')
      await assert.rejects(again.truncate('/file', 0, { busy: 'fail' }), { code: 'EBUSY' })
      two.release()
      assert.throws(() => two.release(), { code: 'ESTALE' })
      assert.deepEqual(await again.pins(), [])
      assert.equal((await again.stats()).participants, 1)
      await again.truncate('/file', 0, { busy: 'fail' })
    })
  })

  describe('promise 8: no use after release (holes and copies)', () => {
    test('the zeros of a hole and the copies of a pool without direct access have length 0 after release as well', async (t) => {
      const pool = await temporaryPool(t)
      await using file = await pool.open('/file', 'w+')
      await file.truncate(3 * BLOCK)
      await file.write(content.subarray(0, BLOCK), { position: BLOCK })
      await file.configure({ dax: 'always' })
      const pin = await file.pin({ offset: 0, length: 3 * BLOCK, mode: 'read' })
      const hole = await file.pin({ offset: 0, length: 10, mode: 'read' })
      const views = [...pin.buffers, ...hole.buffers]
      assert.deepEqual(
        views.map((view) => view.length),
        [BLOCK, BLOCK, BLOCK, 10],
      )
      pin.release()
      hole.release()
      assert.deepEqual(
        views.map((view) => view.length),
        [0, 0, 0, 0],
      )

      await pool.configure('/file', { dax: 'never' })
      await using again = await pool.open('/file', 'r+')
      const copy = await again.pin({ offset: BLOCK, length: 10, mode: 'write' })
      const view = copy.buffer
      view.fill(0x77)
      assert.equal((await pool.stats()).pins, 0, 'a copy pins nothing')
      await pool.truncate('/file', BLOCK + 5, { busy: 'fail' })
      copy.release()
      assert.equal(view.length, 0)
      const expected = Buffer.alloc(BLOCK + 5)
      expected.fill(0x77, BLOCK)
      assert.ok(expected.equals(await pool.readFile('/file')), 'written back as far as the file still goes')
    })

    test('closing a pool by force writes its copies back and lets go of everything', async (t) => {
      const pool = await temporaryPool(t, { dax: 'never' })
      const again = await openedAgain(t, pool)
      await pool.writeFile('/file', content)
      const file = await pool.open('/file', 'r+')
      const pin = await file.pin({ offset: 0, length: 10, mode: 'write' })
      pin.buffer.fill(0x55)
      await pool.close({ force: true })
      assert.equal((await again.stats()).participants, 1)
      assert.ok((await again.readFile('/file')).subarray(0, 10).every((byte) => byte === 0x55))
      // A rejection that nobody handles would end the process here.
      await new Promise((resolve) => setTimeout(resolve, 20))
      await checkSound(again)
    })
  })

  describe('promise 9: all-or-nothing pins', () => {
    test('a pin over many runs that queues and is given up leaves nothing pinned, and one that is granted has every run', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', '')
      await pool.writeFile('/between', '')
      await using file = await pool.open('/file', 'r+')
      await using between = await pool.open('/between', 'r+')
      // One block each by turns: every block is a run of its own.
      const RUNS = 40
      for (let run = 0; run < RUNS; run++) {
        await file.truncate((run + 1) * BLOCK)
        await file.allocate(run * BLOCK, BLOCK)
        await file.write(Buffer.alloc(BLOCK, run + 1), { position: run * BLOCK })
        await between.allocate(run * BLOCK, BLOCK)
      }
      await other.attach(pool)
      const whole = { offset: 100, length: RUNS * BLOCK - 200, mode: 'read' } as const
      const held = await file.pin({ offset: 30 * BLOCK, length: BLOCK, mode: 'read' })
      const change = other.run((here) => here.pool.punchHole('/file', 30 * 4096, 4096, { busy: 'wait' }))
      await until(() => [...pool.fileSystem.table.breaks(file.ino as never, 0, Infinity, 3)].length > 0)
      await assert.rejects(file.pin({ ...whole, timeoutMs: 30 }), { code: 'ETIMEDOUT' })
      assert.throws(() => file.pinSync(whole), { code: 'EAGAIN' })
      assert.equal((await pool.pins()).length, 1, 'only the one held')
      await file.punchHole(0, 20 * BLOCK, { busy: 'fail', timeoutMs: 500 })
      held.release()
      await change
      using pin = await file.pin(whole)
      const expected = Buffer.alloc(RUNS * BLOCK)
      for (let run = 20; run < RUNS; run++) if (run !== 30) expected.fill(run + 1, run * BLOCK, (run + 1) * BLOCK)
      assert.ok(expected.subarray(100, RUNS * BLOCK - 100).equals(Buffer.concat(pin.buffers)))
      assert.ok(pin.buffers.length > 10)
      assert.throws(() => pin.buffer, { code: 'EINVAL' })
      for (let run = 20; run < RUNS; run++) {
        if (run === 30) continue
        const punch = other.run((here, at) => here.pool.punchHole('/file', at, 4096, { busy: 'fail' }), run * BLOCK)
        await assert.rejects(punch, { code: 'EBUSY' }, `run ${run} is pinned`)
      }
    })
  })

  describe('promise 10: no self-deadlock', () => {
    test('reading into and writing from a pinned range of the same file completes while a change of another process waits for the pin', async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      await other.attach(pool)
      await using file = await pool.open('/file', 'r+')
      const pin = await file.pin({ offset: 4 * BLOCK, length: 4 * BLOCK, mode: 'write' })
      const change = other.run((here) => here.pool.truncate('/file', 0, { busy: 'wait' }))
      await until(() => [...pool.fileSystem.table.breaks(file.ino as never, 0, Infinity, 3)].length > 0)
      const options = { timeoutMs: 500 }
      const read = await file.read(pin.buffer, { position: 0, ...options })
      assert.equal(read.bytesRead, 4 * BLOCK)
      assert.ok(content.subarray(0, 4 * BLOCK).equals(pin.buffer))
      await file.write(pin.buffer, { position: 8 * BLOCK, ...options })
      await file.write(pin.buffer, { position: 15 * BLOCK, ...options })
      await using append = await pool.open('/file', 'a')
      await append.write(pin.buffer, options)
      const actual = await pool.readFile('/file')
      for (const at of [0, 4, 8, 15, 19]) {
        assert.ok(content.subarray(0, 4 * BLOCK).equals(actual.subarray(at * BLOCK, (at + 4) * BLOCK)), `block ${at}`)
      }
      pin.release()
      await change
      assert.equal((await file.stat()).size, 0)
    })
  })

  describe('promise 11: visible', () => {
    test('every pinned, busy and sequestered byte is counted and listed with its holder, at each step', async (t) => {
      const pool = await temporaryPool(t)
      const counts = async (): Promise<number[]> => {
        await checkSound(pool)
        const stats = await pool.stats()
        assert.equal(
          stats.sequesteredBytes - stats.sequesteredHeldBytes + stats.freeBytes + stats.busyBytes - stats.reserveBytes,
          stats.availableBytes,
        )
        return [
          stats.pins,
          stats.pinnedBytes,
          stats.usedBytes / BLOCK,
          stats.busyBytes / BLOCK,
          stats.sequesteredBytes / BLOCK,
          stats.sequesteredHeldBytes / BLOCK,
        ]
      }
      assert.deepEqual(await counts(), [0, 0, 0, 0, 0, 0])
      await pool.writeFile('/file', content)
      assert.deepEqual(await counts(), [0, 0, 16, 0, 0, 0])
      await other.attach(pool)
      await other.run(async (here) => {
        await using file = await here.pool.open('/file', 'r+')
        here.kept.pin = await file.pin({ offset: 4096 + 10, length: 4096, mode: 'write' })
      })
      assert.deepEqual(await counts(), [1, BLOCK, 16, 0, 0, 0])
      await using file = await pool.open('/file', 'r')
      const own = file.pinSync({ offset: 0, length: 1, mode: 'read' })
      assert.deepEqual(await counts(), [2, BLOCK + 1, 16, 0, 0, 0])
      const shown = (holder: Holder): unknown[] => [
        holder.pid,
        holder.threadId,
        holder.kind,
        holder.mode,
        holder.path,
        holder.offset,
        holder.length,
      ]
      const theirs = [other.pid, 0, 'pin', 'write', '/file', BLOCK + 10, BLOCK]
      assert.deepEqual(
        new Set((await pool.pins({ path: '/file' })).map(shown)),
        new Set([theirs, [process.pid, 0, 'pin', 'read', '/file', 0, 1]]),
      )
      await pool.writeFile('/none', 'x')
      assert.deepEqual(await pool.pins({ path: '/none' }), [])
      await pool.unlink('/none')
      own.release()
      await pool.reap()

      await pool.truncate('/file', 0)
      assert.deepEqual(await counts(), [1, BLOCK, 0, 14, 2, 2])
      const [lost, ...more] = await pool.lostAndFound.list()
      assert.deepEqual([lost?.originName, lost?.offset, lost?.length, more], ['file', BLOCK, 2 * BLOCK, []])
      assert.deepEqual(
        lost?.holders.map((holder) => [holder.pid, holder.offset]),
        [[other.pid, BLOCK + 10]],
      )
      assert.ok(Math.abs(Date.now() - (lost?.sinceMs ?? 0)) < 60_000)
      assert.deepEqual(await pool.readdir('/lost+found'), [lost?.name])
      await assert.rejects(
        pool.lostAndFound.reclaim(lost?.name),
        (error: Error & { code: string; holders: Holder[] }) => {
          assert.deepEqual([error.code, error.holders[0]?.pid], ['EBUSY', other.pid])
          return true
        },
      )
      assert.deepEqual(await pool.reap(), { participants: 0, blocks: 14 })
      assert.deepEqual(await counts(), [1, BLOCK, 0, 0, 2, 2])
      await other.run((here) => here.kept.pin.release())
      assert.deepEqual(await counts(), [0, 0, 0, 0, 2, 0])
      assert.deepEqual((await pool.lostAndFound.list())[0]?.holders, [])
      assert.equal(await pool.lostAndFound.reclaim(lost?.name), 2 * BLOCK)
      assert.deepEqual(await counts(), [0, 0, 0, 0, 0, 0])
      assert.equal(pool.fileSystem.table.own.words.load(WAITERS), 0)
    })
  })
})
