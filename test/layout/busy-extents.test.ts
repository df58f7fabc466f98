import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Device } from '../../src/device/device.ts'
import type { Reclaiming } from '../../src/layout/busy-extents.ts'
import { reclaimBusyExtents } from '../../src/layout/busy-extents.ts'
import type { BusyExtent, BusyPage, Metadata } from '../../src/metadata/metadata.ts'
import { claimOf, run, World } from './world.ts'

/** Busy extents in a list, and a record of what is done to them in which order. */
function reclaiming(extents: readonly { id: number; start: number; count: number }[]) {
  const world = new World()
  const { table } = world.join()
  const log: string[] = []
  let busy = extents as readonly BusyExtent[]
  let isLocked = false
  const pageOf = ({ after = 0, limit }: BusyPage): readonly BusyExtent[] =>
    busy.filter(({ id }) => id > after).slice(0, limit)
  const subject = {
    world,
    table,
    log,
    /** Called while the log is synced: what others do meanwhile. */
    meanwhile: (): void => {},
    /** Throws when the metadata contradict themselves about busy blocks. */
    refuse: (): void => {},
    leave: (id: number): void => {
      busy = busy.filter((extent) => extent.id !== id)
    },
    get isLocked() {
      return isLocked
    },
    work: {
      table,
      metadata: {
        busyExtents: async (page: BusyPage) => pageOf(page),
        busyExtentsToFree: async (page: BusyPage) => {
          subject.refuse()
          return pageOf(page)
        },
        sync: async () => {
          log.push('sync')
          subject.meanwhile()
        },
        release: async (ids: readonly number[]) => {
          log.push(`release ${ids.join(' ')}`)
          busy = busy.filter((extent) => !ids.includes(extent.id))
        },
      } as unknown as Metadata,
      device: {
        discard: ({ start, count }) => void log.push(`discard ${start}+${count}`),
        flush: async () => void log.push('flush'),
      } as Device,
      reclaimLock: {
        tryLock: () => !isLocked && (isLocked = true),
        unlock: () => {
          isLocked = false
        },
      },
    } satisfies Reclaiming,
  }
  return subject
}

test('promise 6: a busy extent is durable, then punched, then flushed, then free', async () => {
  const { work, log } = reclaiming([
    { id: 1, start: 10, count: 2 },
    { id: 2, start: 12, count: 3 },
    { id: 4, start: 30, count: 1 },
  ])
  assert.equal(await reclaimBusyExtents(work), 6)
  assert.deepEqual(log, ['sync', 'discard 10+5', 'discard 30+1', 'flush', 'release 1 2 4'])
})

test('promise 1: a busy extent that is claimed is neither punched nor freed', async () => {
  const { work, log, table } = reclaiming([
    { id: 1, start: 10, count: 2 },
    { id: 2, start: 12, count: 3 },
  ])
  const record = table.own.publish(claimOf({ ino: 7 }), [run(14)])
  assert.equal(await reclaimBusyExtents(work), 2)
  assert.deepEqual(log, ['sync', 'discard 10+2', 'flush', 'release 1'])
  table.own.release(record)
  assert.equal(await reclaimBusyExtents(work), 3)
})

test('promise 1: a reserved block that becomes part of a file while a pass runs is not punched', async () => {
  const subject = reclaiming([{ id: 1, start: 10, count: 1 }])
  const other = subject.world.join().table
  const record = other.own.publish(claimOf({ ino: 7, kind: 0x20 }), [run(10)])
  subject.meanwhile = () => {
    // The change of the other commits: the block is the file's, its claim not needed any more.
    subject.leave(1)
    other.own.release(record)
  }
  assert.equal(await reclaimBusyExtents(subject.work), 0)
  assert.deepEqual(subject.log, ['sync'])
})

test('promise 1: busy extents are freed however many older ones are held', async () => {
  const held = Array.from({ length: 9000 }, (_, i) => ({ id: i + 1, start: 2 * i, count: 1 }))
  const idle = [
    { id: 9001, start: 20_000, count: 5 },
    { id: 9002, start: 20_005, count: 2 },
  ]
  const { work, log, table } = reclaiming([...held, ...idle])
  const record = table.own.publish(claimOf({ ino: 7 }), [{ ...run(0), count: 18_000 as never }])
  assert.equal(await reclaimBusyExtents(work), 7)
  assert.deepEqual(
    log.filter((step) => step !== 'sync'),
    ['discard 20000+7', 'flush', 'release 9001 9002'],
  )
  table.own.release(record)
  assert.equal(await reclaimBusyExtents(work), 9000)
})

test('one participant at a time reclaims, and a pass that fails gives the lock back', async () => {
  const subject = reclaiming([{ id: 1, start: 10, count: 1 }])
  subject.work.reclaimLock.tryLock()
  assert.equal(await reclaimBusyExtents(subject.work), undefined)
  assert.deepEqual(subject.log, [])
  subject.work.reclaimLock.unlock()
  subject.meanwhile = () => {
    throw new Error('EIO')
  }
  await assert.rejects(reclaimBusyExtents(subject.work), /EIO/)
  assert.equal(subject.isLocked, false)
  assert.deepEqual(subject.log, ['sync'])
})

test('promise 1: when the metadata contradict themselves about a busy block, nothing is punched and nothing freed', async () => {
  const subject = reclaiming([
    { id: 1, start: 10, count: 1 },
    { id: 2, start: 20, count: 1 },
  ])
  subject.refuse = () => {
    throw new Error('EUCLEAN')
  }
  await assert.rejects(reclaimBusyExtents(subject.work), /EUCLEAN/)
  assert.deepEqual(subject.log, ['sync'])
  assert.equal(subject.isLocked, false)
})
