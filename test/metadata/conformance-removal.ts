/** The part of the conformance suite about blocks that leave files: busy, or in /lost+found. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LOST_AND_FOUND_INODE } from '../../src/metadata/metadata.ts'
import type { LayoutChange } from '../../src/metadata/metadata.ts'
import type { Extent, Run } from '../../src/units.ts'
import {
  create,
  everythingBusy,
  everythingSequestered,
  fileOf,
  flat,
  ino,
  LATER,
  made,
  nothing,
  orphaned,
  range,
  refused,
  releaseAll,
  unexpected,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

const runs = (list: readonly Run[]) => list.map(({ start, count }) => [start, count])

export function removalConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: removals`, () => {
    test('blocks allocated in a file of /lost+found count as sequestered', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 2)
      const cut = { ino: file, remove: [range(0, 2)], size: 0, nowNs: LATER }
      const { lostAndFound } = await metadata.changeLayout(cut, everythingSequestered)
      await metadata.allocate({ ino: lostAndFound[0].ino, range: range(0, 5) }, nothing)
      await metadata.allocate({ ino: file, range: range(0, 1) }, nothing)
      assert.equal((await metadata.space()).sequestered, 5)
    })

    test('promise 1: blocks that leave a file are busy, not free, until they are released', async (t) => {
      const { metadata } = await made(t, make, 16)
      const file = await fileOf(metadata, 'a', 10)
      const result = await metadata.changeLayout(
        { ino: file, remove: [range(2, 4), range(8, Number.MAX_SAFE_INTEGER)], size: 8 * 4096, nowNs: LATER },
        (removed, inode) => {
          assert.equal(inode.ino, file)
          assert.deepEqual(flat(removed), [
            [2, 2, 2],
            [8, 8, 2],
          ])
          return { commit: true, sequester: [] }
        },
      )
      assert.ok(result.committed)
      assert.deepEqual(flat(result.layout?.extents ?? []), [
        [0, 0, 2],
        [4, 4, 4],
      ])
      const { inode } = result.layout!
      assert.deepEqual([inode.size, inode.blocks, inode.mtimeNs, inode.ctimeNs], [8 * 4096, 6, LATER, LATER])
      assert.deepEqual(await metadata.layout(file), result.layout)
      assert.deepEqual(runs(await metadata.busyExtents()), [
        [2, 2],
        [8, 2],
      ])
      assert.deepEqual(runs(await metadata.freeRuns()), [[10, 6]])
      const other = (await create(metadata, 'b')).ino
      await assert.rejects(metadata.allocate({ ino: other, range: range(0, 7) }, nothing), { code: 'ENOSPC' })
      await releaseAll(metadata)
      await metadata.allocate({ ino: other, range: range(0, 10) }, nothing)
    })

    test('a refused decision changes nothing', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 4)
      const before = await metadata.layout(file)
      const result = await metadata.changeLayout({ ino: file, remove: [range(0, 4)], size: 0, nowNs: LATER }, refused)
      assert.deepEqual(result, { committed: false, layout: before, lostAndFound: [] })
      assert.deepEqual(await metadata.layout(file), before)
      const gone = await metadata.changeLayout({ ino: ino(999), remove: [], nowNs: LATER }, unexpected)
      assert.deepEqual(gone, { committed: false, layout: undefined, lostAndFound: [] })
    })

    test('onlyIfOrphan leaves a file that has a name', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 4)
      const change: LayoutChange = { ino: file, remove: [], deleteInode: true, onlyIfOrphan: true, nowNs: LATER }
      assert.equal((await metadata.changeLayout(change, unexpected)).committed, false)
      assert.equal((await metadata.layout(file))?.inode.blocks, 4)
      await assert.rejects(metadata.changeLayout({ ...change, onlyIfOrphan: false }, everythingBusy), /only an orphan/)
    })

    test('sequestered blocks move to files of /lost+found, one for each run, with the owner and mode of the file', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'secret', 8)
      const sequester = [
        { fileBlock: 1, deviceBlock: 1, count: 2 },
        { fileBlock: 5, deviceBlock: 5, count: 1 },
      ] as unknown as Extent[]
      const change = { ino: file, remove: [range(0, 8)], size: 0, nowNs: LATER }
      const { lostAndFound } = await metadata.changeLayout(change, () => ({ commit: true, sequester }))
      assert.deepEqual(
        lostAndFound.map((entry) => entry.name),
        [`${file}-4096-12288`, `${file}-20480-24576`],
      )
      assert.deepEqual(new Set(await metadata.entries(LOST_AND_FOUND_INODE)), new Set(lostAndFound))
      const layout = await metadata.layout(lostAndFound[0].ino)
      const { inode } = layout!
      assert.deepEqual(flat(layout!.extents), [[0, 1, 2]])
      assert.deepEqual(
        [inode.size, inode.blocks, inode.mode, inode.uid, inode.gid, inode.nlink],
        [8192, 2, 0o640, 1000, 100, 1],
      )
      const entry = (await metadata.lostAndFound())[0]
      assert.deepEqual(
        [entry.ino, entry.originInode, entry.originName, entry.offset, entry.length, entry.sinceMs],
        [inode.ino, file, 'secret', 4096, 8192, Number(LATER / 1_000_000n)],
      )
      assert.deepEqual(entry.extents, layout!.extents)
      assert.deepEqual(await metadata.space(), {
        blockCount: 64,
        free: 56,
        mapped: 3,
        busy: 5,
        sequestered: 3,
        files: 3,
        reserve: 0,
      })
    })

    test('a name in /lost+found that is taken gets a number', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 2)
      const names: string[] = []
      for (let round = 0; round < 3; round++) {
        await metadata.allocate({ ino: file, range: range(0, 2) }, nothing)
        const change = { ino: file, remove: [range(0, 2)], nowNs: LATER }
        const { lostAndFound } = await metadata.changeLayout(change, everythingSequestered)
        names.push(...lostAndFound.map((entry) => entry.name))
      }
      assert.deepEqual(names, [`${file}-0-8192`, `${file}-0-8192~2`, `${file}-0-8192~3`])
    })

    test('an orphan deleted while its blocks are in use leaves them in /lost+found under its last name', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'video', 4)
      await metadata.unlink({ parent: ino(1), name: 'video', nowNs: LATER }, orphaned)
      const half = [{ fileBlock: 0, deviceBlock: 0, count: 2 }] as unknown as Extent[]
      const change = { ino: file, remove: [], deleteInode: true, onlyIfOrphan: true, nowNs: LATER }
      const result = await metadata.changeLayout(change, () => ({ commit: true, sequester: half }))
      assert.equal(result.layout, undefined)
      assert.equal(await metadata.inode(file), undefined)
      const [entry] = await metadata.lostAndFound()
      assert.deepEqual([entry.originInode, entry.originName, entry.length], [file, 'video', 8192])
      assert.deepEqual(runs(await metadata.busyExtents()), [[2, 2]])
    })

    test('a file of /lost+found is deleted with its name and its row', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 4)
      const cut = { ino: file, remove: [range(0, 4)], size: 0, nowNs: LATER }
      const { lostAndFound } = await metadata.changeLayout(cut, everythingSequestered)
      const reclaim = { ino: lostAndFound[0].ino, remove: [], deleteInode: true, nowNs: LATER }
      assert.ok((await metadata.changeLayout(reclaim, everythingBusy)).committed)
      assert.deepEqual(await metadata.entries(LOST_AND_FOUND_INODE), [])
      assert.deepEqual(await metadata.lostAndFound(), [])
      const { busy, sequestered, files } = await metadata.space()
      assert.deepEqual([busy, sequestered, files], [4, 0, 1])
    })

    test('what is not removed cannot be sequestered', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 4)
      for (const [fileBlock, deviceBlock, count] of [
        [0, 0, 3],
        [0, 1, 1],
        [3, 3, 1],
      ]) {
        const sequester = [{ fileBlock, deviceBlock, count }] as unknown as Extent[]
        const change = { ino: file, remove: [range(0, 2)], nowNs: LATER }
        await assert.rejects(
          metadata.changeLayout(change, () => ({ commit: true, sequester })),
          /only extents that leave/,
        )
      }
    })

    test('a reserved block takes the place of one that leaves, in the same change', async (t) => {
      const { metadata } = await made(t, make, 16)
      const file = await fileOf(metadata, 'a', 4)
      const [spare] = await metadata.reserve(1, nothing)
      const change = {
        ino: file,
        remove: [range(2, 3)],
        insert: [{ fileBlock: 2, deviceBlock: spare.start } as never],
        nowNs: LATER,
      }
      const { layout } = await metadata.changeLayout(change, everythingSequestered)
      assert.deepEqual(flat(layout?.extents ?? []), [
        [0, 0, 2],
        [2, spare.start, 1],
        [3, 3, 1],
      ])
      assert.deepEqual(await metadata.busyExtents(), [])
      assert.equal(layout?.inode.blocks, 4)
      await assert.rejects(metadata.changeLayout(change, everythingBusy), { code: 'EUCLEAN' })
      const elsewhere = { ...change, remove: [range(0, 1)] }
      await assert.rejects(metadata.changeLayout(elsewhere, everythingBusy), /where blocks were removed/)
    })
  })
}
