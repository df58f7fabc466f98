/** The part of the conformance suite about kinds of inodes, several names, none, and the last one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LOST_AND_FOUND_INODE, ROOT_INODE, SYMLINK_MAX } from '../../src/metadata/metadata.ts'
import type { CreateRequest, InodeKind, Metadata } from '../../src/metadata/metadata.ts'
import type { Extent, InodeNumber } from '../../src/units.ts'
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
  NOW,
  orphaned,
  range,
  refused,
  unexpected,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

const plain: CreateRequest = { parent: ROOT_INODE, name: 'a', kind: 'file', mode: 0o644, uid: 7, gid: 8, nowNs: NOW }
const link = (metadata: Metadata, inode: InodeNumber, name: string, parent: InodeNumber = ROOT_INODE) =>
  metadata.link({ ino: inode, parent, name, nowNs: LATER })
const named = (name: string, parent: InodeNumber = ROOT_INODE) => ({ parent, name, nowNs: LATER })

export function linksConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: kinds and links`, () => {
    test('a symlink keeps its target, and its size is the bytes of it', async (t) => {
      const { metadata } = await made(t, make)
      const target = `../${'ä'.repeat(2046)}`
      const inode = await metadata.create({ ...plain, kind: 'symlink', target })
      assert.deepEqual([inode.kind, inode.size, inode.target, inode.nlink], ['symlink', SYMLINK_MAX, target, 1])
      assert.deepEqual(await metadata.lookup(ROOT_INODE, 'a'), inode)
      assert.deepEqual(await metadata.layout(inode.ino), { inode, extents: [] })
      assert.equal((await metadata.space()).files, 0)
    })

    test('targets that no symlink can have are refused', async (t) => {
      const { metadata } = await made(t, make)
      const symlink = (target: string) => metadata.create({ ...plain, kind: 'symlink', target })
      await assert.rejects(symlink(''), { code: 'ENOENT', syscall: 'symlink' })
      await assert.rejects(symlink('ä'.repeat(2048)), { code: 'ENAMETOOLONG' })
      await assert.rejects(symlink('a\0'), { code: 'EINVAL' })
      await assert.rejects(symlink('\ud800'), { code: 'EINVAL' })
    })

    test('every kind has a name of its kind, no content, and goes with its last name', async (t) => {
      const { metadata } = await made(t, make)
      const kinds = ['symlink', 'fifo', 'socket', 'character', 'block'] as const satisfies InodeKind[]
      for (const kind of kinds) {
        const rdev = kind === 'character' || kind === 'block' ? 0xffff_ffff : undefined
        const target = kind === 'symlink' ? 'x' : undefined
        const inode = await metadata.create({ ...plain, kind, rdev, target })
        assert.deepEqual([inode.kind, inode.rdev, inode.blocks], [kind, rdev ?? 0, 0])
        assert.deepEqual((await metadata.entries(ROOT_INODE))[0], { name: 'a', ino: inode.ino, kind })
        await assert.rejects(metadata.allocate({ ino: inode.ino, range: range(0, 1) }, unexpected), { code: 'EINVAL' })
        await assert.rejects(metadata.extend(inode.ino, NOW, unexpected), { code: 'EINVAL' })
        const more = await link(metadata, inode.ino, 'b')
        assert.deepEqual([more.nlink, more.ctimeNs], [2, LATER])
        const first = await metadata.unlink(named('a'), unexpected)
        assert.deepEqual([first.isGone, first.inode?.nlink], [false, 1])
        const last = await metadata.unlink(named('b'), unexpected)
        assert.deepEqual([last.isGone, last.committed, last.inode?.ino], [true, true, inode.ino])
        assert.equal(await metadata.inode(inode.ino), undefined)
      }
    })

    test('a file with several names lives until the last one goes, and only then is anybody asked', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      const file = await fileOf(metadata, 'a', 2)
      const linked = await link(metadata, file, 'b', d.ino)
      assert.deepEqual([linked.nlink, linked.ctimeNs, linked.mtimeNs], [2, LATER, NOW])
      assert.deepEqual([(await metadata.inode(d.ino))?.mtimeNs, (await metadata.inode(d.ino))?.nlink], [LATER, 2])
      assert.ok(['/a', '/d/b'].includes((await metadata.pathOf(file)) ?? ''))
      assert.equal((await metadata.unlink(named('a'), unexpected)).inode?.nlink, 1)
      assert.equal(await metadata.pathOf(file), '/d/b')
      assert.ok((await metadata.unlink(named('b', d.ino), everythingBusy)).isGone)
      assert.equal((await metadata.space()).files, 0)
    })

    test('link refuses taken names, directories, /lost+found, and what is gone', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      const file = await fileOf(metadata, 'f', 2)
      const { lostAndFound } = await metadata.changeLayout(
        { ino: file, remove: [range(0, 2)], size: 0, nowNs: LATER },
        everythingSequestered,
      )
      await assert.rejects(link(metadata, file, 'f'), { code: 'EEXIST', syscall: 'link', path: 'f' })
      await assert.rejects(link(metadata, file, 'd'), { code: 'EEXIST' })
      await assert.rejects(link(metadata, d.ino, 'x'), { code: 'EPERM' })
      await assert.rejects(link(metadata, d.ino, 'x', d.ino), { code: 'EPERM' })
      await assert.rejects(link(metadata, d.ino, 'f'), { code: 'EEXIST' })
      await assert.rejects(link(metadata, file, 'x', LOST_AND_FOUND_INODE), { code: 'EPERM' })
      await assert.rejects(link(metadata, lostAndFound[0].ino, 'x'), { code: 'EPERM' })
      await assert.rejects(link(metadata, ino(999), 'x'), { code: 'ENOENT' })
      await assert.rejects(link(metadata, file, 'x', ino(999)), { code: 'ENOENT' })
      await assert.rejects(link(metadata, file, 'x', file), { code: 'ENOTDIR' })
      await assert.rejects(link(metadata, file, '.'), { code: 'EINVAL' })
      await assert.rejects(link(metadata, file, 'x'.repeat(256)), { code: 'ENAMETOOLONG' })
      assert.equal((await metadata.inode(file))?.nlink, 1)
    })

    test('a file without a name is an orphan that may get one; an orphan that had one may not', async (t) => {
      const { metadata } = await made(t, make)
      const before = await metadata.inode(ROOT_INODE)
      let claimed: InodeNumber | undefined
      const request = { ...plain, name: undefined }
      const inode = await metadata.create(request, (number) => (claimed = number))
      assert.deepEqual([inode.nlink, claimed], [0, inode.ino])
      assert.deepEqual(await metadata.inode(ROOT_INODE), before)
      assert.deepEqual(await metadata.orphans(), [inode.ino])
      assert.equal(await metadata.pathOf(inode.ino), undefined)
      await metadata.allocate({ ino: inode.ino, range: range(0, 1) }, nothing)
      assert.equal((await link(metadata, inode.ino, 'named')).nlink, 1)
      assert.deepEqual(await metadata.orphans(), [])
      await metadata.unlink(named('named'), orphaned)
      await assert.rejects(link(metadata, inode.ino, 'again'), { code: 'ENOENT' })
      await assert.rejects(metadata.create({ ...request, parent: LOST_AND_FOUND_INODE }), { code: 'EPERM' })
      await assert.rejects(metadata.create({ ...request, parent: inode.ino }), { code: 'ENOTDIR' })
    })

    test('a claim sees what nobody else does, and nothing is made when it throws', async (t) => {
      const subject = await made(t, make)
      const other = await subject.openAgain()
      const seen: unknown[] = []
      const inode = await subject.metadata.create(plain, (number) => {
        seen.push(subject.metadata.layoutNow?.(number)?.inode.ino, other.layoutNow?.(number))
      })
      assert.deepEqual(seen, [inode.ino, undefined])
      const error = new Error('no')
      const fails = () => {
        throw error
      }
      await assert.rejects(subject.metadata.create({ ...plain, name: 'b' }, fails), error)
      await assert.rejects(subject.metadata.create({ ...plain, name: undefined }, fails), error)
      assert.equal(await subject.metadata.lookup(ROOT_INODE, 'b'), undefined)
      assert.deepEqual([await subject.metadata.orphans(), (await subject.metadata.space()).files], [[], 1])
      await assert.rejects(subject.metadata.create(plain, unexpected), { code: 'EEXIST' })
    })

    test('what is made takes the policies of its directory, and its group where the directory says so', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      await metadata.setAttributes(d.ino, { mode: 0o2775, gid: 42, busy: 'wait', dax: 'never', nowNs: LATER })
      const within = { ...plain, parent: d.ino }
      const file = await metadata.create({ ...within, mode: 0o644 })
      assert.deepEqual([file.mode, file.uid, file.gid, file.busy, file.dax], [0o644, 7, 42, 'wait', 'never'])
      const unnamed = await metadata.create({ ...within, name: undefined })
      assert.deepEqual([unnamed.gid, unnamed.busy, unnamed.dax], [42, 'wait', 'never'])
      const fifo = await metadata.create({ ...within, name: 'fifo', kind: 'fifo' })
      assert.deepEqual([fifo.mode, fifo.gid, fifo.busy, fifo.dax], [0o644, 42, undefined, undefined])
      const e = await metadata.create({ ...within, name: 'e', kind: 'directory', mode: 0o700 })
      assert.deepEqual([e.mode, e.gid, e.busy, e.dax], [0o2700, 42, 'wait', 'never'])
      assert.equal((await metadata.create(plain)).gid, 8)
    })

    test('promise 5: the last name and the content it takes along go in one step, or neither', async (t) => {
      const { metadata } = await made(t, make, 16)
      const file = await fileOf(metadata, 'a', 4)
      await metadata.setXattr(file, 'user.a', new Uint8Array(3), { mode: 'set', nowNs: NOW })
      const before = await metadata.layout(file)
      const kept = await metadata.unlink(named('a'), refused)
      assert.deepEqual(kept, { committed: false, inode: before?.inode, isGone: false, lostAndFound: [] })
      const error = new Error('no')
      await assert.rejects(
        metadata.unlink(named('a'), () => {
          throw error
        }),
        error,
      )
      assert.deepEqual(await metadata.layout(file), before)
      assert.deepEqual(await metadata.lookup(ROOT_INODE, 'a'), before?.inode)
      const half = [{ fileBlock: 1, deviceBlock: 1, count: 2 }] as unknown as Extent[]
      const done = await metadata.unlink(named('a'), (extents, inode) => {
        assert.deepEqual([flat(extents), inode], [[[0, 0, 4]], before?.inode])
        return { commit: true, sequester: half }
      })
      assert.deepEqual(
        [done.committed, done.isGone, done.inode?.nlink, done.inode?.ctimeNs, done.lostAndFound.length],
        [true, true, 0, LATER, 1],
      )
      assert.equal(await metadata.inode(file), undefined)
      const [entry] = await metadata.lostAndFound()
      assert.deepEqual([entry.originInode, entry.originName, flat(entry.extents)], [file, 'a', [[0, 1, 2]]])
      const { busy, sequestered, files } = await metadata.space()
      assert.deepEqual([busy, sequestered, files], [2, 2, 1])
    })
  })
}
