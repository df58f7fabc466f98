/**
 * A host file system that goes down under a pool in use, for real: ext4 and XFS on loop devices are shut down as if the
 * power went (FS_IOC_SHUTDOWN without a flush of their journal), unmounted and mounted again, all on one boot.
 *
 * HOLDFAST_RUNS: how often for each (default 3).
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, openPool } from '../../src/index.ts'
import type { MountedType } from '../device/mounted.ts'
import { mountTemporary } from '../device/mounted.ts'
import { startProcess } from '../support/participant.ts'
import { findingsOf, Promised } from './remains.ts'
import { startWriter } from './start-writer.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 3)
const POOL_BYTES = 4 << 20

for (const type of ['ext4', 'xfs'] satisfies MountedType[]) {
  test(`${type} goes down under a pool in use: what was synced is there, and nothing else comes back`, async (t) => {
    const mounted = mountTemporary(type)
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const path = join(mounted.directory, 'pool')
    await (await createPool(path, { sizeBytes: POOL_BYTES })).close()
    let promises = 0
    for (let run = 0; run < RUNS; run++) {
      // Anew: what was promised in an earlier run was found, and removed.
      const promised = new Promised('/writer')
      const writer = await startWriter(path, promised)
      await sleep(100 + Math.random() * 600)
      const reason = shutDown(mounted.directory)
      if (reason === undefined) await sleep(50)
      await writer.kill()
      if (reason !== undefined) return t.skip(reason)
      mounted.remount()
      const pool = await openPool(path)
      try {
        assert.deepEqual(await findingsOf(pool, [promised]), [], `run ${run}`)
      } finally {
        await pool.close()
      }
      promises += promised.count
    }
    assert.ok(promises > 0, 'there was something to lose')
    t.diagnostic(`${RUNS} times, ${promises} syncs promised`)
  })
}

for (const type of ['ext4', 'xfs'] satisfies MountedType[]) {
  test(`a new pool on ${type} survives its host going down at once`, async (t) => {
    const mounted = mountTemporary(type)
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const path = join(mounted.directory, 'pool')
    const maker = await startProcess(t)
    await maker.run(async (here, to) => void (here.kept.pool = await here.createPool(to, { sizeBytes: 1 << 20 })), path)
    const reason = shutDown(mounted.directory)
    await maker.kill()
    if (reason !== undefined) return t.skip(reason)
    mounted.remount()
    await using pool = await openPool(path)
    await pool.writeFile('/file', 'content')
    assert.deepEqual(await pool.check(), [])
  })
}

/** Why it cannot be done here. */
function shutDown(directory: string): string | undefined {
  try {
    execFileSync('xfs_io', ['-x', '-c', 'shutdown', directory], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    })
    return undefined
  } catch (error) {
    return `the file system cannot be shut down: ${String(error)}`
  }
}
