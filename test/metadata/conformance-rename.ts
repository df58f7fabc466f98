/** The part of the conformance suite about rename: its modes, and what becomes of what it replaces. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { DecideLastName, Metadata, RenameMode } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import {
  create,
  everythingBusy,
  everythingSequestered,
  fileOf,
  LATER,
  made,
  orphaned,
  refused,
  unexpected,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

type Place = readonly [parent: InodeNumber, name: string]

const rename = (
  metadata: Metadata,
  [fromParent, fromName]: Place,
  [toParent, toName]: Place,
  mode?: RenameMode,
  decide: DecideLastName = unexpected,
) => metadata.rename({ fromParent, fromName, toParent, toName, mode, nowNs: LATER }, decide)

const links = async (metadata: Metadata, inode: InodeNumber) => (await metadata.inode(inode))?.nlink
const root = (name: string): Place => [ROOT_INODE, name]

export function renameConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: rename`, () => {
    test('promise 5: the file that is replaced is an orphan, goes with its content, or the rename does not happen', async (t) => {
      const { metadata } = await made(t, make, 16)
      const moved = await fileOf(metadata, 'a', 1)
      const first = await fileOf(metadata, 'b', 2)
      const before = await metadata.layout(first)
      const kept = await rename(metadata, root('a'), root('b'), 'replace', refused)
      assert.deepEqual(kept, { committed: false, inode: before?.inode, isGone: false, lostAndFound: [] })
      assert.equal((await metadata.lookup(ROOT_INODE, 'a'))?.ino, moved)
      assert.deepEqual(await metadata.layout(first), before)
      const loss = await rename(metadata, root('a'), root('b'), undefined, (extents, inode) => {
        assert.deepEqual([extents, inode], [before?.extents, before?.inode])
        return 'orphan'
      })
      assert.deepEqual([loss.committed, loss.isGone, loss.inode?.ino, loss.inode?.nlink], [true, false, first, 0])
      assert.deepEqual(await metadata.orphans(), [first])
      const second = await fileOf(metadata, 'c', 3)
      const gone = await rename(metadata, root('b'), root('c'), 'replace', everythingSequestered)
      assert.deepEqual(
        [gone.committed, gone.isGone, gone.inode?.ino, gone.lostAndFound.length],
        [true, true, second, 1],
      )
      assert.equal((await metadata.lostAndFound())[0].originName, 'c')
      assert.equal(await metadata.inode(second), undefined)
      assert.equal((await metadata.lookup(ROOT_INODE, 'c'))?.ino, moved)
    })

    test('a name of several that is replaced is one less, and nobody is asked', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a')
      const b = await create(metadata, 'b')
      await metadata.link({ ino: b.ino, parent: ROOT_INODE, name: 'c', nowNs: LATER })
      const loss = await rename(metadata, root('a'), root('c'))
      assert.deepEqual([loss.isGone, loss.inode?.ino, loss.inode?.nlink], [false, b.ino, 1])
      await metadata.link({ ino: a.ino, parent: ROOT_INODE, name: 'd', nowNs: LATER })
      for (const mode of ['replace', 'exchange'] as const) {
        const none = await rename(metadata, root('c'), root('d'), mode)
        assert.deepEqual(none, { committed: true, inode: undefined, isGone: false, lostAndFound: [] })
      }
      assert.equal(await links(metadata, a.ino), 2)
    })

    test('a symlink that is replaced just goes, and can replace a file', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a')
      const s = await create(metadata, 's', 'symlink')
      const loss = await rename(metadata, root('a'), root('s'))
      assert.deepEqual([loss.isGone, loss.inode?.ino], [true, s.ino])
      await create(metadata, 's2', 'symlink')
      assert.equal((await rename(metadata, root('s2'), root('s'), 'replace', everythingBusy)).inode?.ino, a.ino)
      assert.deepEqual((await metadata.entries(ROOT_INODE)).at(-1)?.kind, 'symlink')
    })

    test('noReplace leaves what is there, whatever it is', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a')
      await create(metadata, 'd', 'directory')
      await metadata.link({ ino: a.ino, parent: ROOT_INODE, name: 'b', nowNs: LATER })
      for (const target of ['b', 'd']) {
        await assert.rejects(rename(metadata, root('a'), root(target), 'noReplace'), {
          code: 'EEXIST',
          syscall: 'rename',
          path: 'a',
          dest: target,
        })
      }
      await assert.rejects(rename(metadata, root('none'), root('b'), 'noReplace'), { code: 'ENOENT' })
      assert.equal((await rename(metadata, root('a'), root('new'), 'noReplace')).inode, undefined)
      assert.equal((await metadata.lookup(ROOT_INODE, 'new'))?.ino, a.ino)
    })

    test('exchange swaps two names of any kinds, and link counts with directories', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      const e = await create(metadata, 'e', 'directory')
      const sub = await create(metadata, 'sub', 'directory', d.ino)
      const file = await create(metadata, 'file', 'file', e.ino)
      const loss = await rename(metadata, [d.ino, 'sub'], [e.ino, 'file'], 'exchange')
      assert.deepEqual(loss, { committed: true, inode: undefined, isGone: false, lostAndFound: [] })
      assert.deepEqual(await metadata.entries(d.ino), [{ name: 'sub', ino: file.ino, kind: 'file' }])
      assert.deepEqual(await metadata.entries(e.ino), [{ name: 'file', ino: sub.ino, kind: 'directory' }])
      assert.deepEqual([await links(metadata, d.ino), await links(metadata, e.ino)], [2, 3])
      assert.equal(await metadata.pathOf(sub.ino), '/e/file')
      const times = [file.ino, sub.ino, d.ino, e.ino].map(async (one) => (await metadata.inode(one))?.ctimeNs)
      assert.deepEqual(await Promise.all(times), [LATER, LATER, LATER, LATER])
      const other = await create(metadata, 'other', 'directory', d.ino)
      await rename(metadata, [d.ino, 'other'], [e.ino, 'file'], 'exchange')
      assert.deepEqual([await links(metadata, d.ino), await links(metadata, e.ino)], [3, 3])
      assert.equal(await metadata.pathOf(other.ino), '/e/file')
      await rename(metadata, root('d'), root('e'), 'exchange')
      assert.equal(await metadata.pathOf(d.ino), '/e')
      await assert.rejects(rename(metadata, root('d'), root('none'), 'exchange'), { code: 'ENOENT' })
    })

    test('nothing is exchanged with its own ancestor, nor with anything of /lost+found', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a', 'directory')
      const b = await create(metadata, 'b', 'directory', a.ino)
      await create(metadata, 'c', 'directory', b.ino)
      await create(metadata, 'f', 'file', b.ino)
      for (const inner of ['c', 'f']) {
        await assert.rejects(rename(metadata, root('a'), [b.ino, inner], 'exchange'), { code: 'EINVAL' })
        await assert.rejects(rename(metadata, [b.ino, inner], root('a'), 'exchange'), { code: 'EINVAL' })
      }
      await assert.rejects(rename(metadata, root('a'), root('lost+found'), 'exchange'), { code: 'EBUSY' })
      await assert.rejects(rename(metadata, root('lost+found'), root('a'), 'exchange'), { code: 'EBUSY' })
      await assert.rejects(rename(metadata, root('a'), [LOST_AND_FOUND_INODE, 'x'], 'exchange'), { code: 'EPERM' })
    })

    test('what has the source in it is not empty, for a file too', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a', 'directory')
      const b = await create(metadata, 'b', 'directory', a.ino)
      await create(metadata, 'f', 'file', b.ino)
      await assert.rejects(rename(metadata, [b.ino, 'f'], root('a'), 'replace', orphaned), { code: 'ENOTEMPTY' })
      await assert.rejects(rename(metadata, [a.ino, 'b'], root('a')), { code: 'ENOTEMPTY' })
    })
  })
}
