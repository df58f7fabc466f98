/**
 * Promise 7 on a host that has room for so many blocks more, for every number from none to enough: each allocation of a
 * workload, in the device and in the log of the metadata, is once the one that there is no space for. In a process of its own,
 * which a signal would end.
 *
 * HOLDFAST_RUNS=1: every number. Default: every fifth.
 *
 * The reserve, by which freeing goes on, is gone: it has tests of its own (test/pool/no-space.test.ts).
 */
import assert from 'node:assert/strict'
import { closeSync, fsyncSync, ftruncateSync, openSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openPool } from '../../src/index.ts'
import { allocateSpaceWhole } from '../../src/platform/file-space.ts'
import { mountTemporary } from '../device/mounted.ts'
import type { MountedType } from '../device/mounted.ts'
import { startProcess } from '../support/participant.ts'
import type { Here } from '../support/participant-main.ts'
import { stamped } from '../support/stamps.ts'

const BLOCK = 4096
const STEP = process.env['HOLDFAST_RUNS'] === undefined ? 5 : 1
const SYNCED = stamped(7, 50)

/** Takes all that the host has but `room` blocks. */
function leave(directory: string, room: number): void {
  const fd = openSync(join(directory, 'filler'), 'w')
  let taken = 0
  for (let size = 2 ** 26; size >= BLOCK;) {
    try {
      allocateSpaceWhole(fd, taken, size)
      taken += size
    } catch {
      size /= 2
    }
  }
  // What lies past the end is given back only when the end moves down.
  ftruncateSync(fd, taken)
  ftruncateSync(fd, taken - room * BLOCK)
  fsyncSync(fd)
  closeSync(fd)
}

/** Something of everything that needs space. Returns what was refused. */
async function work(here: Here): Promise<string[]> {
  const { pool } = here
  const refused: string[] = []
  const step = async (name: string, action: () => Promise<unknown>): Promise<void> => {
    try {
      await action()
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      refused.push(`${name}: ${code ?? message}`)
    }
  }
  const write = async (path: string, position: number, length: number): Promise<void> => {
    const file = await pool.open(path, (await pool.exists(path)) ? 'r+' : 'w+')
    try {
      const data = new Uint8Array(length).fill(7)
      for (let done = 0; done < length;) {
        done += (await file.write(data, { offset: done, position: position + done })).bytesWritten
      }
    } finally {
      await file.close()
    }
  }
  const old = await pool.open('/old', 'r+')
  const pin = await old.pin({ offset: 5000, length: 9000, mode: 'write' })
  await step('append', () => write('/new', 0, 5000))
  await step('write on', () => write('/new', 5000, 30_000))
  await step('truncate', () => old.truncate(9000))
  await step('punch', () => old.punchHole(1000, 6000))
  pin.release()
  await step('copy on write', async () => {
    const stable = await old.pin({ offset: 0, length: 5000, mode: 'read', stable: true })
    try {
      await write('/old', 2000, 1000)
    } finally {
      stable.release()
    }
  })
  await step('zero', () => old.zeroRange(3000, 10_000))
  await step('insert', () => old.insertRange(4096, 4096))
  await step('collapse', () => old.collapseRange(4096, 4096))
  await step('a long attribute', () => pool.setXattr('/old', 'user.x', Buffer.alloc(40_000)))
  await step('names', async () => {
    for (let i = 0; i < 10; i++) await pool.mkdir(`/directory with a long name ${i}`)
  })
  await step('rename', () => pool.rename('/synced', '/synced too'))
  await step('rename back', () => pool.rename('/synced too', '/synced').catch(() => undefined))
  await step('close', () => old.close())
  await step('unlink', () => pool.unlink('/old'))
  await step('write again', () => write('/again', 0, 60_000))
  await step('sync', () => pool.sync())
  return refused
}

for (const type of ['tmpfs', 'ext4'] satisfies MountedType[]) {
  test(`promise 7: whichever allocation a full ${type} has no space for, it is ENOSPC and the pool is sound`, (t) =>
    survive(t, type))
}

async function survive(t: TestContext, type: MountedType): Promise<void> {
  // Before the mounting: it is killed before that is undone.
  const user = await startProcess(t)
  const host = mountTemporary(type)
  if (typeof host === 'string') return t.skip(host)
  t.after(() => host.release())
  const path = join(host.directory, 'pool')
  const refusedWhere = new Set<string>()
  let room = 0
  for (let untouched = 0; untouched < 2; room += STEP) {
    await user.run(
      async (here, to, synced) => {
        await (await here.createPool(to, { sizeBytes: 2 << 20 })).close()
        await here.attach(to)
        await here.pool.writeFile('/synced', synced)
        await here.pool.writeFile('/old', synced)
        await here.pool.sync()
      },
      path,
      SYNCED,
    )
    // With it there would be room after all.
    truncateSync(join(path, 'reserve'))
    leave(host.directory, room)
    const refused = await user.run(work)
    rmSync(join(host.directory, 'filler'))
    for (const what of refused) refusedWhere.add(what)
    assert.deepEqual(
      refused.filter((what) => !what.endsWith(': ENOSPC')),
      [],
      `with ${room} blocks`,
    )
    untouched = refused.length === 0 ? untouched + 1 : 0
    await user.run(async (here) => {
      await here.pool.writeFile('/after', 'there is space again')
      await here.pool.close()
    })
    await using pool = await openPool(path)
    assert.deepEqual(await pool.check(), [], `with ${room} blocks`)
    assert.ok(SYNCED.equals(await pool.readFile((await pool.exists('/synced')) ? '/synced' : '/synced too')))
    assert.equal(await pool.readFile('/after', 'utf8'), 'there is space again')
    for (const name of ['/new', '/again']) {
      if (!(await pool.exists(name))) continue
      const content = await pool.readFile(name)
      assert.ok(
        content.every((byte) => byte === 7),
        `promise 6: ${name} with ${room} blocks`,
      )
    }
    await pool.close()
    rmSync(path, { recursive: true })
  }
  t.diagnostic(
    `up to ${room} blocks of room; refused: ${[...refusedWhere].map((what) => what.split(':')[0]).join(', ')}`,
  )
  assert.ok(refusedWhere.size >= 5, [...refusedWhere].join())
}
