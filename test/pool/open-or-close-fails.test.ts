/** An open or a close that fails half way tells why, and leaves nothing of the participant behind. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { DATA_START } from '../../src/device/label.ts'
import { createPool } from '../../src/index.ts'
import { LockByte, poolDirectory } from '../../src/pool/pool-directory.ts'
import { SharedTable } from '../../src/pool/shared-table.ts'
import type { Participant } from '../support/participant.ts'
import { startProcess } from '../support/participant.ts'
import { sharedProcess } from '../support/participants.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'

const SIZE_BYTES = 4 << 20
/** So many that housekeeping looks at the log after their removal. */
const ORPHANS = 70
/** Housekeeping comes every 200 ms. */
const SOME_HOUSEKEEPING_MS = 600

/** Descriptors and mappings that a process has of the pool. */
function heldBy({ pid }: Participant, path: string): string[] {
  const descriptors = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
  const mappings = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  return [...descriptors, ...mappings].filter((held) => held.includes(path))
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)]
  } catch {
    return [] // closed since it was listed
  }
}

/** Not through a pool: this process must have none of it open. */
function setFileCount(path: string, count: number): void {
  const db = new DatabaseSync(join(path, 'meta.db'), { timeout: 10_000 })
  db.prepare('UPDATE space SET files = ?').run(count)
  db.close()
}

/** Which of the first slots is attached, and which is locked, as this participant sees it. */
const slotsSeenBy = (participant: Participant): Promise<(readonly [isAttached: boolean, isLocked: boolean])[]> =>
  participant.run((here) => {
    const { table } = here.pool.fileSystem
    const attached = new Set(table.attached())
    return [0, 1, 2].map((slot) => [attached.has(slot), table.liveness.isAlive(slot)] as const)
  })

const ONLY_THE_FIRST = [
  [true, true],
  [false, false],
  [false, false],
]

describe('an open or a close that fails', async () => {
  const witness = await sharedProcess()
  const failing = await sharedProcess()

  /** Makes a pool in which the witness has the first slot; in the second one somebody died who had removed files open. */
  async function poolWithOrphans(t: TestContext): Promise<string> {
    const path = join(temporaryDirectory(t), 'pool')
    await (await createPool(path, { sizeBytes: SIZE_BYTES })).close()
    await witness.run((here, to) => here.attach(to), path)
    const dying = await startProcess(t)
    await dying.run(
      async (here, to, orphans) => {
        await here.attach(to)
        for (let i = 0; i < orphans; i++) {
          await here.pool.writeFile(`/${i}`, 'x')
          await here.pool.open(`/${i}`, 'r')
          await here.pool.unlink(`/${i}`)
        }
      },
      path,
      ORPHANS,
    )
    await dying.kill()
    return path
  }

  /** Opens the pool, which must fail; then nothing of it is left, also after a while. */
  async function failToOpen(path: string, code: string): Promise<void> {
    await assert.rejects(
      failing.run(async (here, to) => void (await here.openPool(to)), path),
      { code },
    )
    assert.deepEqual(heldBy(failing, path), [])
    await pause(SOME_HOUSEKEEPING_MS)
    // A housekeeping that went on would have ended the process.
    assert.equal(await failing.run(() => 'alive'), 'alive')
    assert.deepEqual(heldBy(failing, path), [])
  }

  async function openAndCheck(path: string): Promise<void> {
    const findings = await failing.run(async (here, to) => {
      await using pool = await here.openPool(to)
      return [(await pool.stats()).files, await pool.check()]
    }, path)
    assert.deepEqual(findings, [0, []])
  }

  test('an open that fails at an early step leaves nothing of its participant', async (t) => {
    const path = await poolWithOrphans(t)
    truncateSync(join(path, 'device'), SIZE_BYTES / 2)
    await failToOpen(path, 'EUCLEAN')
    assert.deepEqual(await slotsSeenBy(witness), ONLY_THE_FIRST)
    truncateSync(join(path, 'device'), DATA_START + SIZE_BYTES)
    await openAndCheck(path)
  })

  for (const isAlone of [true, false]) {
    const where = isAlone ? 'alone in the pool' : 'beside another participant'
    test(`an open that fails at its last step, ${where}, leaves nothing of its participant`, async (t) => {
      const path = await poolWithOrphans(t)
      if (isAlone) await witness.run((here) => here.pool.close())
      // With the last orphan the count would become negative, which the tables refuse.
      setFileCount(path, ORPHANS - 1)
      await failToOpen(path, 'EUCLEAN')
      setFileCount(path, 1)
      if (isAlone) await witness.run((here, to) => here.attach(to), path)
      assert.deepEqual(await slotsSeenBy(witness), ONLY_THE_FIRST)
      await openAndCheck(path)
    })
  }

  test('a close that cannot make everything durable says so, and leaves nothing of its participant', async (t) => {
    const path = await poolWithOrphans(t)
    const closing = await startProcess(t)
    await closing.run(async (here, to) => {
      await here.attach(to)
      here.kept.file = await here.pool.open('/file', 'w')
      await here.kept.file.write('content')
    }, path)
    // To sync the log for the first time it must be opened.
    execFileSync('prlimit', ['--pid', String(closing.pid), '--nofile=3:'])
    await assert.rejects(
      closing.run((here) => here.pool.close()),
      { code: 'EMFILE' },
    )
    assert.deepEqual(heldBy(closing, path), [])
    assert.deepEqual(await slotsSeenBy(witness), ONLY_THE_FIRST)
    assert.equal(await witness.run((here) => here.pool.readFile('/file', 'utf8')), 'content')
  })
})

test('a lock of a pin table that was closed is refused: its descriptor may be that of another by then', async (t) => {
  const directory = poolDirectory(temporaryDirectory(t))
  mkdirSync(directory.pins)
  const left = new SharedTable(directory)
  const lock = left.lock(LockByte.reclaim)
  left.close()
  const present = new SharedTable(directory)
  t.after(() => present.close())
  const own = present.lock(LockByte.reclaim)
  assert.ok(own.tryLock())
  assert.throws(() => lock.unlock(), { code: 'EBADF' })
  assert.throws(() => lock.tryLock(), { code: 'EBADF' })
})
