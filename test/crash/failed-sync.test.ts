/**
 * A failed sync (docs/internals/durability.md): nothing that may be lost is promised by anybody any more, until everybody
 * has left and the pool was opened afresh; what was promised before is there.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Device } from '../../src/device/device.ts'
import { systemError } from '../../src/errors.ts'
import { createPool, openPool } from '../../src/index.ts'
import type { Pool } from '../../src/index.ts'
import { openPoolOn } from '../../src/pool/open-pool.ts'
import type { Foundations } from '../../src/pool/foundations.ts'
import { FILES } from '../../src/pool/foundations.ts'
import { startProcess } from '../support/participant.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { failingSyncs } from './watched-syncs.ts'

const broken = (syscall: string): Error => systemError('EIO', 'the disk is broken by a test', { syscall })

/** Foundations whose device fails in one method. */
function failing(method: 'flush' | 'flushRun', isFailing: () => boolean): Foundations {
  const openDevice: Foundations['openDevice'] = (path, blockCount) => {
    const device = FILES.openDevice(path, blockCount)
    const fails = {
      flush: () => Promise.reject(broken('fdatasync')),
      flushRun: () => {
        throw broken('msync')
      },
    }
    return new Proxy<Device>(device, {
      get: (target, name) => {
        if (name === method && isFailing()) return fails[method]
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
    })
  }
  return { ...FILES, openDevice }
}

async function prepared(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'pool')
  await using pool = await createPool(path, { sizeBytes: 1 << 20 })
  await pool.writeFile('/file', Buffer.alloc(20_000, 1))
  await pool.sync()
  return path
}

const EIO = { code: 'EIO' }

/** Nobody gets anything promised: neither who was told, nor another process, nor who comes now. */
async function checkStopped(pool: Pool, other: Awaited<ReturnType<typeof startProcess>>): Promise<void> {
  await assert.rejects(pool.sync(), EIO)
  await assert.rejects(pool.writeFile('/file', 'x'), EIO)
  await assert.rejects(pool.reap(), EIO)
  await assert.rejects(pool.rename('/file', '/other'), EIO)
  await assert.rejects(
    other.run((here) => here.pool.sync()),
    EIO,
  )
  await assert.rejects(
    other.run((here) => here.kept.file.sync()),
    EIO,
  )
  await assert.rejects(
    other.run((here) => here.pool.mkdir('/directory')),
    EIO,
  )
  await assert.rejects(openPool(pool.path), EIO)
  await assert.rejects(pool.close(), EIO)
}

async function checkAfresh(path: string): Promise<void> {
  await using pool = await openPool(path)
  assert.deepEqual(await pool.check(), [])
  assert.deepEqual(await pool.readFile('/file'), Buffer.alloc(20_000, 1))
  await pool.writeFile('/file', 'y')
  await pool.sync()
  const { busyBytes, sequesteredBytes } = await pool.reap().then(() => pool.stats())
  assert.deepEqual([busyBytes, sequesteredBytes], [0, 0])
}

describe('after a failed sync nobody is promised anything until the pool is opened afresh:', () => {
  const ways: Record<string, (pool: Pool) => Promise<unknown>> = {
    'file.sync, of the device': async (pool) => {
      await using file = await pool.open('/file', 'r+')
      await file.sync()
    },
    'pool.sync, of the device': (pool) => pool.sync(),
    'a reclaim pass': async (pool) => {
      await pool.writeFile('/gone', Buffer.alloc(9000))
      await pool.unlink('/gone')
      await pool.reap()
    },
    'growing the pool': (pool) => pool.grow(2 << 20),
  }
  for (const [name, action] of Object.entries(ways)) {
    test(name, async (t) => {
      const path = await prepared(t)
      let isFailing = false
      const pool = await openPoolOn(
        failing('flush', () => isFailing),
        path,
      )
      const other = await startProcess(t, pool)
      await other.run(async (here) => void (here.kept.file = await here.pool.open('/file', 'r+')))
      isFailing = true
      await assert.rejects(action(pool), EIO)
      // The disk is well again, as the next call of fdatasync would say; what was lost is lost.
      isFailing = false
      await checkStopped(pool, other)
      await other.kill()
      await checkAfresh(path)
    })
  }

  test('an edge copy that cannot be flushed', async (t) => {
    const path = await prepared(t)
    let isFailing = false
    const pool = await openPoolOn(
      failing('flushRun', () => isFailing),
      path,
    )
    const other = await startProcess(t, pool)
    await other.run(async (here) => void (here.kept.file = await here.pool.open('/file', 'r+')))
    isFailing = true
    await assert.rejects(pool.punchHole('/file', 100, 9000), EIO)
    isFailing = false
    await checkStopped(pool, other)
    await other.kill()
    await checkAfresh(path)
  })

  test('a sync of the log', async (t) => {
    const path = await prepared(t)
    const pool = await openPool(path)
    const other = await startProcess(t, pool)
    await other.run(async (here) => void (here.kept.file = await here.pool.open('/file', 'r+')))
    {
      using _failing = await failingSyncs(join(path, 'meta.db-wal'), () => broken('fdatasync'))
      await assert.rejects(pool.sync(), EIO)
    }
    await checkStopped(pool, other)
    assert.ok(existsSync(join(path, 'meta.db-wal')), 'the log is kept')
    await other.kill()
    await checkAfresh(path)
  })

  test('a checkpoint', async (t) => {
    const path = await prepared(t)
    const pool = await openPool(path)
    {
      using _failing = await failingSyncs(join(path, 'meta.db-wal'), () => broken('fdatasync'))
      await assert.rejects(pool.fileSystem.metadata.checkpoint(), EIO)
    }
    await assert.rejects(pool.sync(), EIO)
    await assert.rejects(pool.close(), EIO)
    assert.ok(existsSync(join(path, 'meta.db-wal')), 'the last connection has not moved the log')
    await checkAfresh(path)
  })
})

test('a sync that cannot begin stops nobody', async (t) => {
  const path = await prepared(t)
  await using pool = await openPool(path)
  {
    const noMemory = (): Error => systemError('ENOMEM', 'there is no memory', { syscall: 'open' })
    using _failing = await failingSyncs(join(path, 'meta.db-wal'), noMemory)
    await assert.rejects(pool.sync(), { code: 'ENOMEM' })
  }
  await pool.writeFile('/file', 'z')
  await pool.sync()
})
