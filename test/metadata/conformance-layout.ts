/** The part of the conformance suite about layouts: blocks that enter files. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { Run } from '../../src/units.ts'
import {
  create,
  everythingBusy,
  fileOf,
  flat,
  ino,
  LATER,
  made,
  nothing,
  NOW,
  range,
  releaseAll,
  unexpected,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

const runs = (list: readonly Run[]) => list.map(({ start, count }) => [start, count])

export function layoutConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: layouts`, () => {
    test('allocate fills the holes of a range and leaves what is mapped', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 2)
      await metadata.allocate({ ino: file, range: range(6, 8) }, nothing)
      const before = await metadata.layout(file)
      let prepared: readonly Run[] = []
      const after = await metadata.allocate({ ino: file, range: range(1, 7) }, (given) => (prepared = given))
      assert.deepEqual(await metadata.layout(file), after)
      assert.equal(after.inode.blocks, 8)
      assert.equal(
        after.extents.reduce((sum, { count }) => sum + count, 0),
        8,
      )
      for (const { fileBlock, deviceBlock } of before?.extents ?? []) {
        const extent = after.extents.findLast((one) => one.fileBlock <= fileBlock)
        assert.equal(extent?.deviceBlock, deviceBlock - (fileBlock - (extent?.fileBlock ?? 0)))
      }
      assert.equal(
        prepared.reduce((sum, { count }) => sum + count, 0),
        4,
      )
      assert.deepEqual(await metadata.allocate({ ino: file, range: range(0, 8) }, unexpected), after)
    })

    test('a file that grows block by block stays one extent', async (t) => {
      const { metadata } = await made(t, make)
      const file = (await create(metadata, 'a')).ino
      for (let block = 0; block < 20; block++)
        await metadata.allocate({ ino: file, range: range(block, block + 1) }, nothing)
      assert.deepEqual(flat((await metadata.layout(file))?.extents ?? []), [[0, 0, 20]])
    })

    test('two files that grow in turns stay in few extents by preallocation', async (t) => {
      const { metadata } = await made(t, make, 1024)
      const files = [(await create(metadata, 'a')).ino, (await create(metadata, 'b')).ino]
      for (let block = 0; block < 128; block++) {
        for (const file of files) {
          await metadata.allocate({ ino: file, range: range(block, block + 1), preallocate: 31 }, nothing)
        }
      }
      for (const file of files) {
        const layout = await metadata.layout(file)
        assert.equal(layout?.inode.blocks, 128)
        assert.ok((layout?.extents.length ?? 99) <= 4)
      }
    })

    test('preallocation never goes over a mapped block or to another place, nor takes more than an eighth of what is left', async (t) => {
      const { metadata } = await made(t, make, 68, 4)
      const file = (await create(metadata, 'a')).ino
      await metadata.allocate({ ino: file, range: range(5, 6) }, nothing)
      const near = await metadata.allocate({ ino: file, range: range(1, 3), preallocate: 100 }, nothing)
      assert.deepEqual(
        near.extents.map(({ fileBlock, count }) => [fileBlock, count]),
        [
          [1, 4],
          [5, 1],
        ],
      )
      const { free, reserve } = await metadata.space()
      assert.equal(free - reserve, 59)
      await metadata.allocate({ ino: file, range: range(8, 9), preallocate: 100 }, nothing)
      assert.equal((await metadata.space()).free, free - 1 - 7)
    })

    test('promise 7: allocation stops at the reserve with ENOSPC and changes nothing', async (t) => {
      const { metadata } = await made(t, make, 16, 4)
      const file = await fileOf(metadata, 'a', 10)
      const before = await metadata.layout(file)
      await assert.rejects(metadata.allocate({ ino: file, range: range(0, 13) }, unexpected), { code: 'ENOSPC' })
      assert.deepEqual(await metadata.layout(file), before)
      await metadata.allocate({ ino: file, range: range(0, 12) }, nothing)
      await assert.rejects(metadata.allocate({ ino: ino(999), range: range(0, 1) }, nothing), { code: 'ENOENT' })
    })

    test('promise 5: a prepare, apply or decide that throws leaves everything as it was', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 4)
      const before = [await metadata.layout(file), await metadata.space(), await metadata.freeRuns()]
      const error = new Error('no')
      const fails = () => {
        throw error
      }
      await assert.rejects(metadata.allocate({ ino: file, range: range(0, 9) }, fails), error)
      await assert.rejects(metadata.extend(file, LATER, fails), error)
      await assert.rejects(metadata.changeLayout({ ino: file, remove: [range(0, 9)], nowNs: LATER }, fails), error)
      await assert.rejects(metadata.reserve(3, fails), error)
      assert.deepEqual([await metadata.layout(file), await metadata.space(), await metadata.freeRuns()], before)
    })

    test('allocate takes the smallest hole of the pool that is large enough', async (t) => {
      const { metadata } = await made(t, make, 32)
      const files = []
      for (const [index, count] of [3, 1, 5, 1, 2, 1].entries()) files.push(await fileOf(metadata, `f${index}`, count))
      for (const index of [0, 2, 4]) {
        await metadata.changeLayout({ ino: files[index], remove: [range(0, 9)], nowNs: LATER }, everythingBusy)
      }
      await releaseAll(metadata)
      assert.deepEqual(runs(await metadata.freeRuns()), [
        [0, 3],
        [4, 5],
        [10, 2],
        [13, 19],
      ])
      const best = (await create(metadata, 'best')).ino
      const layout = await metadata.allocate({ ino: best, range: range(0, 4) }, nothing)
      assert.deepEqual(flat(layout.extents), [[0, 4, 4]])
      const large = (await create(metadata, 'large')).ino
      const pieces = await metadata.allocate({ ino: large, range: range(0, 24) }, nothing)
      assert.deepEqual(
        pieces.extents.map(({ count }) => count),
        [19, 3, 2],
      )
    })

    test('a file goes on right behind its last block even where a smaller hole would do', async (t) => {
      const { metadata } = await made(t, make, 32)
      const hole = await fileOf(metadata, 'hole', 2)
      const grows = await fileOf(metadata, 'grows', 3)
      await metadata.changeLayout({ ino: hole, remove: [range(0, 2)], nowNs: LATER }, everythingBusy)
      await releaseAll(metadata)
      const { extents } = await metadata.allocate({ ino: grows, range: range(3, 5) }, nothing)
      assert.deepEqual(flat(extents), [[0, 2, 5]])
    })

    test('extend shows the layout as it is and never makes a file smaller', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 2)
      const seen = await metadata.layout(file)
      const after = await metadata.extend(file, LATER, (layout) => {
        assert.deepEqual(layout, seen)
        return 100
      })
      assert.deepEqual([after.inode.size, after.inode.mtimeNs, after.inode.ctimeNs], [8192, LATER, LATER])
      assert.equal(after.inode.changeCount, (seen?.inode.changeCount ?? 0) + 1)
      assert.deepEqual(await metadata.layout(file), after)
      assert.deepEqual(await metadata.extend(file, NOW, () => undefined), after)
      assert.equal(
        (await metadata.extend(file, NOW, () => Number.MAX_SAFE_INTEGER)).inode.size,
        Number.MAX_SAFE_INTEGER,
      )
      await assert.rejects(
        metadata.extend(ino(999), NOW, () => 1),
        { code: 'ENOENT' },
      )
      await assert.rejects(metadata.extend(ROOT_INODE, NOW, unexpected), { code: 'EISDIR' })
    })
  })
}
