/** The part of the conformance suite about space and about two openers of one store. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { BlockCount } from '../../src/units.ts'
import {
  create,
  everythingBusy,
  everythingSequestered,
  fileOf,
  LATER,
  made,
  nothing,
  range,
  unexpected,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

export function spaceConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: space`, () => {
    test('promise 11: free, mapped and busy add up to the device', async (t) => {
      const { metadata } = await made(t, make, 64)
      const file = await fileOf(metadata, 'a', 10)
      await metadata.reserve(3, nothing)
      await metadata.changeLayout({ ino: file, remove: [range(0, 4)], nowNs: LATER }, everythingBusy)
      assert.deepEqual(await metadata.space(), {
        blockCount: 64,
        free: 51,
        mapped: 6,
        busy: 7,
        sequestered: 0,
        files: 1,
        reserve: 0,
      })
    })

    test('promise 7: reserve may use the reserve, to the last block', async (t) => {
      const { metadata } = await made(t, make, 8, 8)
      const file = await create(metadata, 'a')
      await assert.rejects(metadata.allocate({ ino: file.ino, range: range(0, 1) }, nothing), { code: 'ENOSPC' })
      let prepared = 0
      const taken = await metadata.reserve(8, (runs) => (prepared = runs.reduce((sum, { count }) => sum + count, 0)))
      assert.equal(prepared, 8)
      assert.deepEqual(new Set(taken.map(({ start }) => Number(start))), new Set(Array(8).keys()))
      await assert.rejects(metadata.reserve(1, unexpected), { code: 'ENOSPC' })
    })

    test('released blocks merge with their free neighbours, in whatever order', async (t) => {
      const { metadata } = await made(t, make, 8)
      const taken = (await metadata.reserve(8, nothing)).toSorted((a, b) => a.start - b.start)
      const release = (...blocks: number[]) => metadata.release(blocks.map((block) => taken[block].id))
      const free = async () => (await metadata.freeRuns()).map(({ start, count }) => [start, count])
      await release(1, 5)
      assert.deepEqual(await free(), [
        [1, 1],
        [5, 1],
      ])
      await release(2)
      await release(4)
      assert.deepEqual(await free(), [
        [1, 2],
        [4, 2],
      ])
      await release(3)
      assert.deepEqual(await free(), [[1, 5]])
      await release(7, 0, 6)
      assert.deepEqual(await free(), [[0, 8]])
    })

    test('a release that comes twice frees nothing twice', async (t) => {
      const { metadata } = await made(t, make, 8)
      const [{ id }] = await metadata.reserve(1, nothing)
      await metadata.release([id, id])
      const [{ id: next }] = await metadata.reserve(1, nothing)
      assert.notEqual(next, id)
      await metadata.release([id, 999])
      assert.equal((await metadata.space()).busy, 1)
    })

    test('busy extents come oldest first, and no more than asked for', async (t) => {
      const { metadata } = await made(t, make, 8)
      await metadata.reserve(5, nothing)
      const ids = (await metadata.busyExtents()).map(({ id }) => id)
      assert.deepEqual(
        ids,
        ids.toSorted((a, b) => a - b),
      )
      assert.deepEqual(
        (await metadata.busyExtents({ limit: 2 })).map(({ id }) => id),
        ids.slice(0, 2),
      )
    })

    test('busy extents are told page by page, also to who frees them', async (t) => {
      const { metadata } = await made(t, make, 8)
      await metadata.reserve(5, nothing)
      const ids = (await metadata.busyExtents()).map(({ id }) => id)
      const page = { after: ids[1], limit: 2 }
      for (const extents of [await metadata.busyExtents(page), await metadata.busyExtentsToFree(page)]) {
        assert.deepEqual(
          extents.map(({ id }) => id),
          ids.slice(2, 4),
        )
      }
      assert.deepEqual(await metadata.busyExtents({ after: ids[4] }), [])
    })

    test('mapped runs are merged over files, ascending', async (t) => {
      const { metadata } = await made(t, make, 16)
      await fileOf(metadata, 'a', 3)
      const file = await fileOf(metadata, 'b', 4)
      await fileOf(metadata, 'c', 2)
      await metadata.changeLayout({ ino: file, remove: [range(1, 2)], nowNs: LATER }, everythingBusy)
      assert.deepEqual(
        (await metadata.mappedRuns()).map(({ start, count }) => [start, count]),
        [
          [0, 4],
          [5, 4],
        ],
      )
    })

    test('promise 11: tenancies say of each block once what it is used for, in order, from and to any block', async (t) => {
      const { metadata } = await made(t, make, 32)
      await fileOf(metadata, 'a', 4)
      const file = await fileOf(metadata, 'b', 8)
      await metadata.changeLayout({ ino: file, remove: [range(2, 4)], nowNs: LATER }, everythingBusy)
      await metadata.changeLayout({ ino: file, remove: [range(6, 8)], nowNs: LATER }, everythingSequestered)
      const all = await metadata.tenancies({ start: 0, end: 32 })
      const inWords = ({ start, count, ...rest }: (typeof all)[number]) =>
        `${start}+${count} ${rest.use === 'file' ? `${rest.isLost ? 'lost' : 'file'} ${rest.fileBlock}` : rest.use}`
      assert.deepEqual(all.map(inWords), [
        '0+4 file 0',
        '4+2 file 0',
        '6+2 busy',
        '8+2 file 4',
        '10+2 lost 0',
        '12+20 free',
      ])
      assert.equal(all[1].use === 'file' && all[1].ino, file)
      const usesOf = (some: typeof all) =>
        some.flatMap((each) => Array.from({ length: each.count }, (_, i) => `${each.start + i} ${each.use}`))
      for (let start = 0; start < 32; start++) {
        for (const end of [start + 1, Math.min(32, start + 5), 32]) {
          const some = await metadata.tenancies({ start, end })
          assert.deepEqual(usesOf(some), usesOf(all).slice(start, end))
          const first = some[0]
          if (first.use === 'file' && start === 9) assert.equal(first.fileBlock, 5)
        }
      }
      assert.deepEqual(await metadata.tenancies({ start: 40, end: 50 }), [])
    })

    test('tenancies in portions are the same as at once', async (t) => {
      const { metadata } = await made(t, make, 64)
      for (let i = 0; i < 6; i++) await fileOf(metadata, `f${i}`, 3)
      await metadata.reserve(5, nothing)
      const all = await metadata.tenancies({ start: 2, end: 64 })
      for (const limit of [1, 2, 3, 7]) {
        const portions = []
        for (let start = 2; start < 64;) {
          const portion = await metadata.tenancies({ start, end: 64, limit })
          assert.ok(portion.length > 0 && portion.length <= limit)
          portions.push(...portion)
          start = portion.at(-1)!.start + portion.at(-1)!.count
        }
        assert.deepEqual(portions, all)
      }
    })

    test('a pool grows by free blocks and never shrinks', async (t) => {
      const { metadata } = await made(t, make, 8)
      await metadata.grow(20 as BlockCount)
      assert.equal(metadata.properties.blockCount, 20)
      assert.deepEqual(await metadata.freeRuns(), [{ start: 0, count: 20 }])
      await metadata.grow(10 as BlockCount)
      assert.equal((await metadata.space()).blockCount, 20)
    })

    test('promise 7: the reserve grows with the pool, for everybody at once', async (t) => {
      const subject = await made(t, make, 512, 4)
      const other = await subject.openAgain()
      await subject.metadata.grow(2048 as BlockCount)
      const { reserve, blockCount } = await other.space()
      assert.deepEqual([reserve, blockCount, subject.metadata.properties.reserveBlocks], [16, 2048, 16])
      const file = await create(other, 'a')
      await assert.rejects(other.allocate({ ino: file.ino, range: range(0, 2033) }, unexpected), { code: 'ENOSPC' })
      await other.allocate({ ino: file.ino, range: range(0, 2032) }, nothing)
      await subject.metadata.grow(2176 as BlockCount)
      assert.equal((await other.space()).reserve, 17)
      const large = await made(t, make, 512, 100)
      await large.metadata.grow(1024 as BlockCount)
      assert.equal((await large.metadata.space()).reserve, 100)
    })

    test('a pool of 1 TiB is made and used at once', async (t) => {
      const { metadata } = await made(t, make, 2 ** 28)
      const file = await create(metadata, 'a')
      const layout = await metadata.allocate({ ino: file.ino, range: range(0, 2 ** 28) }, nothing)
      assert.equal(layout.extents[0].count, 2 ** 28)
    })

    test('everybody sees a change at once, and it is there after closing', async (t) => {
      const subject = await made(t, make)
      const other = await subject.openAgain()
      const file = await fileOf(subject.metadata, 'a', 2)
      assert.deepEqual(await other.layout(file), await subject.metadata.layout(file))
      await subject.metadata.sync()
      await subject.metadata.checkpoint()
      await other.close()
      const third = await subject.openAgain()
      assert.deepEqual(third.properties, subject.metadata.properties)
      assert.deepEqual(await third.layout(file), await subject.metadata.layout(file))
    })

    test('syncs that come together all resolve', async (t) => {
      const { metadata } = await made(t, make)
      for (let round = 0; round < 3; round++) {
        await create(metadata, `f${round}`)
        await Promise.all(Array.from({ length: 10 }, () => metadata.sync()))
      }
    })
  })
}
