/** The part of the conformance suite about layout changes that move blocks, or put others in their place. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { LayoutChange } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import {
  create,
  everythingBusy,
  everythingSequestered,
  fileOf,
  flat,
  LATER,
  made,
  nothing,
  range,
  refused,
  unexpected,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

/** Blocks of the largest file. */
const MAX_BLOCKS = 2 ** 41

const shift = (from: number, by: number) => ({ from, by }) as LayoutChange['shift']
const collapse = (ino: InodeNumber, start: number, end: number, size: number): LayoutChange => ({
  ino,
  remove: [range(start, end)],
  shift: shift(end, start - end),
  size,
  nowNs: LATER,
})
const insert = (ino: InodeNumber, at: number, count: number, size?: number): LayoutChange => ({
  ino,
  remove: [],
  shift: shift(at, count),
  ...(size === undefined ? {} : { size }),
  nowNs: LATER,
})

export function movesConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: moves`, () => {
    test('collapse takes blocks out and closes the gap; what touches then is one extent', async (t) => {
      const { metadata } = await made(t, make, 32)
      const file = await fileOf(metadata, 'a', 10)
      const before = await metadata.layout(file)
      const { layout } = await metadata.changeLayout(collapse(file, 2, 5, 7 * 4096), (removed, inode, moved) => {
        assert.deepEqual(inode, before?.inode)
        assert.deepEqual([flat(removed), flat(moved)], [[[2, 2, 3]], [[5, 5, 5]]])
        return everythingBusy()
      })
      assert.deepEqual(flat(layout?.extents ?? []), [
        [0, 0, 2],
        [2, 5, 5],
      ])
      assert.deepEqual([layout?.inode.size, layout?.inode.blocks, layout?.inode.mtimeNs], [7 * 4096, 7, LATER])
      assert.deepEqual(await metadata.layout(file), layout)
      assert.equal((await metadata.space()).busy, 3)
    })

    test('insert moves what is behind and leaves a hole, and collapsing that makes one extent again', async (t) => {
      const { metadata } = await made(t, make, 32)
      const file = await fileOf(metadata, 'a', 4)
      const inserted = await metadata.changeLayout(insert(file, 1, 3, 7 * 4096), (removed, _, moved) => {
        assert.deepEqual([removed, flat(moved)], [[], [[1, 1, 3]]])
        return everythingBusy()
      })
      assert.deepEqual(flat(inserted.layout?.extents ?? []), [
        [0, 0, 1],
        [4, 1, 3],
      ])
      assert.deepEqual([inserted.layout?.inode.size, inserted.layout?.inode.blocks], [7 * 4096, 4])
      const { layout } = await metadata.changeLayout(collapse(file, 1, 4, 4 * 4096), (removed) => {
        assert.deepEqual(removed, [])
        return everythingBusy()
      })
      assert.deepEqual(flat(layout?.extents ?? []), [[0, 0, 4]])
      assert.equal((await metadata.space()).busy, 0)
    })

    test('a refused move, and one over blocks that stay, changes nothing', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 6)
      const before = await metadata.layout(file)
      const kept = await metadata.changeLayout(collapse(file, 1, 3, 0), refused)
      assert.deepEqual(kept, { committed: false, layout: before, lostAndFound: [] })
      const over = { ...collapse(file, 1, 3, 0), remove: [range(2, 3)] }
      await assert.rejects(metadata.changeLayout(over, unexpected), /over others/)
      await assert.rejects(
        metadata.changeLayout({ ...over, remove: [], shift: shift(0, -1) }, unexpected),
        /over others/,
      )
      assert.deepEqual(await metadata.layout(file), before)
    })

    test('what would lie beyond the largest file is EFBIG, and nobody is asked', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 2)
      const before = await metadata.layout(file)
      const code = 'EFBIG'
      await assert.rejects(metadata.changeLayout(insert(file, 1, MAX_BLOCKS - 1), unexpected), { code })
      await assert.rejects(metadata.changeLayout(insert(file, 1, 1, 2 ** 53), unexpected), { code })
      const fill = { range: range(MAX_BLOCKS, MAX_BLOCKS + 1), prepare: unexpected }
      await assert.rejects(metadata.changeLayout({ ino: file, remove: [], fill, nowNs: LATER }, unexpected), { code })
      const request = { ino: file, range: fill.range }
      await assert.rejects(metadata.allocate(request, unexpected), { code })
      assert.deepEqual(await metadata.layout(file), before)
      const far = await metadata.changeLayout(insert(file, 1, MAX_BLOCKS - 2, 2 ** 53 - 1), everythingBusy)
      assert.equal(far.layout?.extents[1].fileBlock, MAX_BLOCKS - 1)
      const other = (await create(metadata, 'b')).ino
      const last = await metadata.allocate(
        { ino: other, range: range(MAX_BLOCKS - 1, MAX_BLOCKS), preallocate: 9 },
        nothing,
      )
      assert.equal(last.inode.blocks, 1)
    })

    test('promise 6: fill puts free blocks where others left, and shows them before the commit', async (t) => {
      const { metadata } = await made(t, make, 16)
      const file = await fileOf(metadata, 'a', 6)
      let prepared: unknown
      const change: LayoutChange = {
        ino: file,
        remove: [range(2, 4)],
        fill: { range: range(1, 8), prepare: (runs) => (prepared = runs.map(({ start, count }) => [start, count])) },
        nowNs: LATER,
      }
      const { layout, lostAndFound } = await metadata.changeLayout(change, (removed) => {
        assert.deepEqual([flat(removed), prepared], [[[2, 2, 2]], undefined])
        return everythingSequestered(removed)
      })
      assert.deepEqual(prepared, [[6, 4]])
      assert.deepEqual([layout?.inode.blocks, layout?.inode.size, lostAndFound.length], [8, 6 * 4096, 1])
      assert.deepEqual(flat(layout?.extents ?? []), [
        [0, 0, 2],
        [2, 6, 2],
        [4, 4, 2],
        [6, 8, 2],
      ])
      assert.deepEqual(await metadata.layout(file), layout)
      const { free, mapped, busy, sequestered } = await metadata.space()
      assert.deepEqual([free, mapped, busy, sequestered], [6, 10, 0, 2])
    })

    test('promise 7: a fill that the reserve is in the way of is ENOSPC before anybody is asked', async (t) => {
      const { metadata } = await made(t, make, 16, 4)
      const file = await fileOf(metadata, 'a', 10)
      const before = [await metadata.layout(file), await metadata.freeRuns(), await metadata.space()]
      const fill = (end: number, prepare: () => void) => ({ range: range(0, end), prepare })
      const cut = { ino: file, remove: [range(0, 3)], nowNs: LATER }
      await assert.rejects(metadata.changeLayout({ ...cut, fill: fill(3, unexpected) }, unexpected), { code: 'ENOSPC' })
      const error = new Error('the host is full')
      const fails = () => {
        throw error
      }
      const less = { ...cut, remove: [range(0, 2)] }
      await assert.rejects(metadata.changeLayout({ ...less, fill: fill(2, fails) }, everythingBusy), error)
      assert.deepEqual([await metadata.layout(file), await metadata.freeRuns(), await metadata.space()], before)
      await metadata.changeLayout({ ...less, fill: fill(2, nothing) }, everythingBusy)
      assert.equal((await metadata.space()).free, 4)
    })

    test('everything at once: remove, then shift, then insert, then fill, then the size', async (t) => {
      const { metadata } = await made(t, make, 32)
      const file = await fileOf(metadata, 'a', 8)
      const [spare] = await metadata.reserve(1, nothing)
      const change: LayoutChange = {
        ino: file,
        remove: [range(1, 4)],
        shift: shift(4, -1),
        insert: [{ fileBlock: 1, deviceBlock: spare.start } as never],
        fill: { range: range(0, 8), prepare: nothing },
        size: 100,
        nowNs: LATER,
      }
      const { layout } = await metadata.changeLayout(change, everythingBusy)
      assert.deepEqual(flat(layout?.extents ?? []), [
        [0, 0, 1],
        [1, spare.start, 2],
        [3, 4, 4],
        [7, spare.start + 2, 1],
      ])
      assert.equal(layout?.inode.size, 100)
      const taken = { ...change, insert: [{ fileBlock: 3, deviceBlock: spare.start } as never], remove: [range(3, 4)] }
      await assert.rejects(metadata.changeLayout({ ...taken, shift: shift(4, -1) }, unexpected), /where nothing is/)
    })

    test('a change of a file of /lost+found keeps the counts', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 4)
      const cut = { ino: file, remove: [range(0, 4)], size: 0, nowNs: LATER }
      const { lostAndFound } = await metadata.changeLayout(cut, everythingSequestered)
      const fill = { range: range(0, 6), prepare: nothing }
      await metadata.changeLayout(
        { ino: lostAndFound[0].ino, remove: [range(1, 2)], fill, nowNs: LATER },
        everythingBusy,
      )
      assert.equal((await metadata.space()).sequestered, 6)
    })

    test('a size alone changes, up or down', async (t) => {
      const { metadata } = await made(t, make)
      const { ino: file } = await create(metadata, 'a')
      for (const size of [100, 50, 2 ** 53 - 1, 0]) {
        const { layout } = await metadata.changeLayout({ ino: file, remove: [], size, nowNs: LATER }, everythingBusy)
        assert.equal(layout?.inode.size, size)
      }
    })
  })
}
