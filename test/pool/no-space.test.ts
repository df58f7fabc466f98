/** Promise 7: a pool that is full, and a host that is full, answer ENOSPC, never a signal; freeing works on. */
import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemError } from '../../src/errors.ts'
import { createPool } from '../../src/index.ts'
import type { Run } from '../../src/units.ts'
import { mountTemporary } from '../device/mounted.ts'
import type { MountedType } from '../device/mounted.ts'
import { checkFilled, checkSound, fillPool, stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

/** Takes every byte the host has left, down to the last. */
function fillHost(directory: string): string {
  const path = join(directory, 'filler')
  const fd = openSync(path, 'w')
  for (let size = 1 << 20; size >= 1; size >>= 1) {
    try {
      for (;;) writeSync(fd, Buffer.alloc(size, 1))
    } catch (error) {
      assert.equal((error as { code: string }).code, 'ENOSPC')
    }
  }
  closeSync(fd)
  return path
}

describe('promise 7: no SIGBUS', () => {
  test('a full pool refuses to grow anything, changes nothing then, and truncate, punch, unlink and rename give space back', async (t) => {
    const pool = await temporaryPool(t)
    await using sparse = await pool.open('/sparse', 'w+')
    await sparse.truncate(100 * BLOCK)
    await fillPool(pool)
    const before = await pool.stats()
    assert.equal(before.freeBytes, before.reserveBytes)
    await assert.rejects(sparse.pin({ offset: 0, length: BLOCK, mode: 'write' }), { code: 'ENOSPC', syscall: 'pin' })
    await assert.rejects(sparse.write('x', { position: 0 }), { code: 'ENOSPC', syscall: 'write' })
    await assert.rejects(sparse.allocate(0, BLOCK), { code: 'ENOSPC' })
    await assert.rejects(sparse.allocate(200 * BLOCK, BLOCK), { code: 'ENOSPC' })
    using zeros = await sparse.pin({ offset: 0, length: 100 * BLOCK, mode: 'read' })
    assert.ok(
      zeros.buffers.every((view) => view.every((byte) => byte === 0)),
      'a hole is read from no block',
    )
    assert.equal((await sparse.stat()).size, 100 * BLOCK)
    assert.deepEqual({ ...(await pool.stats()), pins: 0, pinnedBytes: 0 }, before)
    await checkFilled(pool)

    const [first = '', second = '', third = ''] = await pool.readdir('/full')
    await pool.truncate(`/full/${first}`, 100)
    await pool.punchHole(`/full/${second}`, 10, 5 * BLOCK)
    await pool.writeFile('/small', 'small')
    await pool.rename('/small', `/full/${third}`)
    await pool.unlink(`/full/${third}`)
    for (const name of [first, second]) await pool.unlink(`/full/${name}`)
    await checkFilled(pool)
    await sparse.allocate(0, 50 * BLOCK)
    await checkSound(pool)
  })

  test('an allocation of several runs that fails gives the host back what it got until then', async (t) => {
    const pool = await temporaryPool(t)
    const KIB = 1024
    await pool.writeFile('/holed', Buffer.alloc(2048 * KIB, 1))
    for (let at = 0; at < 2048; at += 512) await pool.punchHole('/holed', at * KIB, 256 * KIB)
    await pool.reap()
    await using file = await pool.open('/file', 'w')
    const { device } = pool.fileSystem
    const before = await pool.stats()
    const got: Run[] = []
    const allocate = device.allocate.bind(device)
    t.mock.method(device, 'allocate', (run: Run) => {
      if (got.length === 2) throw systemError('ENOSPC', 'the host is full', { syscall: 'fallocate' })
      got.push(run)
      allocate(run)
    })
    const discard = t.mock.method(device, 'discard')
    await assert.rejects(file.allocate(0, before.freeBytes - before.reserveBytes), { code: 'ENOSPC' })
    assert.equal(got.length, 2)
    assert.deepEqual(
      discard.mock.calls.map((call) => call.arguments[0]),
      got,
    )
    assert.deepEqual(await pool.stats(), before)
  })

  test('a write that runs out of space says how much it wrote, and that is there', async (t) => {
    const pool = await temporaryPool(t)
    await using file = await pool.open('/file', 'w+')
    const data = stamped(1, 2000)
    const { bytesWritten } = await file.write(data)
    assert.ok(bytesWritten > 0 && bytesWritten < data.length, `${bytesWritten}`)
    assert.ok(data.subarray(0, bytesWritten).equals(await pool.readFile('/file')))
    await assert.rejects(pool.writeFile('/file', data), { code: 'ENOSPC' })
    await checkSound(pool)
  })

  for (const type of ['tmpfs', 'ext4'] satisfies MountedType[]) {
    test(`on a full host (${type}) everything that needs space is ENOSPC, and what frees works: truncate, unaligned punch over a pin, unlink`, async (t) => {
      const mounted = mountTemporary(type)
      if (typeof mounted === 'string') return t.skip(mounted)
      t.after(() => mounted.release())
      const pool = await createPool(join(mounted.directory, 'pool'), { sizeBytes: 24 << 20 })
      try {
        await pool.writeFile('/file', stamped(1, 256))
        await pool.writeFile('/other', stamped(2, 256))
        await pool.writeFile('/gone', stamped(3, 16))
        await pool.sync()
        await using file = await pool.open('/file', 'r+')
        await using sparse = await pool.open('/sparse', 'w+')
        await sparse.truncate(4 << 20)
        const filler = fillHost(mounted.directory)
        assert.ok(statfsSync(mounted.directory).bfree * BLOCK < 3 << 20)

        await assert.rejects(sparse.allocate(0, 4 << 20), { code: 'ENOSPC' })
        await assert.rejects(sparse.pin({ offset: 0, length: 4 << 20, mode: 'write' }), { code: 'ENOSPC' })
        const written = await sparse.write(Buffer.alloc(4 << 20, 1), { position: 0 }).catch((error: Error) => error)
        assert.ok(
          'code' in written ? written.code === 'ENOSPC' : (written as { bytesWritten: number }).bytesWritten < 4 << 20,
        )
        assert.ok(stamped(1, 256).equals(await pool.readFile('/file')))
        await file.write(Buffer.alloc(256 * BLOCK, 7), { position: 0 })
        using pin = await file.pin({ offset: 0, length: 256 * BLOCK, mode: 'write' })
        for (const view of pin.buffers) view.fill(8)

        await file.punchHole(10 * BLOCK + 5, 3 * BLOCK)
        await file.truncate(100 * BLOCK + 5)
        const expected = Buffer.alloc(100 * BLOCK + 5, 8)
        expected.fill(0, 10 * BLOCK + 5, 13 * BLOCK + 5)
        assert.ok(expected.equals(await pool.readFile('/file')))
        await pool.unlink('/gone')
        await pool.truncate('/other', 0)
        pin.release()
        await pool.lostAndFound.reclaim()
        await sparse.write(Buffer.alloc(200 * BLOCK, 3), { position: 0 })
        rmSync(filler)
        await checkSound(pool)
      } finally {
        await pool.close({ force: true })
      }
    })
  }

  test('space that another participant freed, and whoever died had pinned, is found before ENOSPC is said', async (t) => {
    const pool = await temporaryPool(t)
    const elsewhere = await openedAgain(t, pool)
    for (let round = 0; round < 5; round++) {
      await using file = await pool.open('/file', 'w+')
      await file.allocate(0, 3 << 20)
      await elsewhere.unlink('/file')
    }
    await checkSound(pool)
  })
})
