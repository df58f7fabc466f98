/** The part of the conformance suite about names and attributes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import { create, everythingBusy, everythingSequestered, fileOf, ino, LATER, made, NOW, orphaned } from './subject.ts'
import type { MakeMetadata } from './subject.ts'

const unlink = (metadata: Metadata, name: string, parent: InodeNumber = ROOT_INODE) =>
  metadata.unlink({ parent, name, nowNs: LATER }, orphaned)
const removeDirectory = (metadata: Metadata, name: string, parent: InodeNumber = ROOT_INODE) =>
  metadata.removeDirectory({ parent, name, nowNs: LATER })
const rename = (
  metadata: Metadata,
  fromName: string,
  toName: string,
  fromParent: InodeNumber = ROOT_INODE,
  toParent: InodeNumber = fromParent,
) => metadata.rename({ fromParent, fromName, toParent, toName, nowNs: LATER }, orphaned)
const names = async (metadata: Metadata, directory: InodeNumber = ROOT_INODE) =>
  (await metadata.entries(directory)).map(({ name }) => name)
const links = async (metadata: Metadata, inode: InodeNumber) => (await metadata.inode(inode))?.nlink

export function namesConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: names`, () => {
    test('a new pool has a root of mode 0755 and a /lost+found of mode 0700', async (t) => {
      const { metadata } = await made(t, make)
      const root = await metadata.inode(ROOT_INODE)
      const lost = await metadata.lookup(ROOT_INODE, 'lost+found')
      assert.deepEqual([root?.kind, root?.mode, root?.nlink], ['directory', 0o755, 3])
      assert.deepEqual([lost?.ino, lost?.kind, lost?.mode, lost?.nlink], [LOST_AND_FOUND_INODE, 'directory', 0o700, 2])
    })

    test('a created file has the attributes asked for, times to the nanosecond, and is found again', async (t) => {
      const { metadata } = await made(t, make)
      const inode = await create(metadata, 'report.txt')
      assert.deepEqual(await metadata.lookup(ROOT_INODE, 'report.txt'), inode)
      assert.deepEqual(await metadata.inode(inode.ino), inode)
      assert.deepEqual(
        [inode.kind, inode.mode, inode.uid, inode.gid, inode.nlink, inode.size, inode.blocks, inode.busy, inode.dax],
        ['file', 0o640, 1000, 100, 1, 0, 0, undefined, undefined],
      )
      for (const time of [inode.atimeNs, inode.mtimeNs, inode.ctimeNs, inode.birthtimeNs]) assert.equal(time, NOW)
      const root = await metadata.inode(ROOT_INODE)
      assert.equal(root?.mtimeNs, NOW)
      assert.equal((await metadata.space()).files, 1)
    })

    test('an inode number is never used again', async (t) => {
      const { metadata } = await made(t, make)
      const first = await create(metadata, 'a', 'directory')
      await removeDirectory(metadata, 'a')
      const second = await create(metadata, 'a', 'directory')
      assert.ok(second.ino > first.ino)
    })

    test('create refuses a taken name, a parent that is gone or a file, and /lost+found', async (t) => {
      const { metadata } = await made(t, make)
      const file = await create(metadata, 'a')
      await assert.rejects(create(metadata, 'a'), { code: 'EEXIST', syscall: 'open', path: 'a' })
      await assert.rejects(create(metadata, 'a', 'directory'), { code: 'EEXIST', syscall: 'mkdir' })
      await assert.rejects(create(metadata, 'b', 'file', ino(999)), { code: 'ENOENT' })
      await assert.rejects(create(metadata, 'b', 'file', file.ino), { code: 'ENOTDIR' })
      await assert.rejects(create(metadata, 'b', 'file', LOST_AND_FOUND_INODE), { code: 'EPERM' })
      assert.equal((await metadata.space()).files, 1)
    })

    test('names that no file can have are refused, a name of 255 bytes is not', async (t) => {
      const { metadata } = await made(t, make)
      for (const bad of ['', '.', '..', 'a/b', 'a\0b', '\ud800']) {
        await assert.rejects(create(metadata, bad), { code: 'EINVAL' }, JSON.stringify(bad))
      }
      await assert.rejects(create(metadata, 'ä'.repeat(128)), { code: 'ENAMETOOLONG' })
      await create(metadata, 'ä'.repeat(127) + 'x')
      await assert.rejects(rename(metadata, 'ä'.repeat(127) + 'x', '..'), { code: 'EINVAL' })
    })

    test('entries come in byte order of UTF-8, page by page, without gap or repetition', async (t) => {
      const { metadata } = await made(t, make)
      // U+FF5E sorts after U+1F600 by UTF-16 and before it by UTF-8.
      const all = ['Z', 'a', 'b', 'é', '\uff5e', '\u{1f600}', '...', 'lost']
      for (const one of all) await create(metadata, one)
      const sorted = [...all, 'lost+found'].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      assert.deepEqual(await names(metadata), sorted)
      const paged: string[] = []
      for (let after = ''; ; after = paged.at(-1) ?? '') {
        const page = await metadata.entries(ROOT_INODE, { after, limit: 2 })
        paged.push(...page.map((entry) => entry.name))
        if (page.length < 2) break
      }
      assert.deepEqual(paged, sorted)
    })

    test('pathOf names the way from the root, nameOf the last step of it; an orphan has none', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a', 'directory')
      const b = await create(metadata, 'b', 'directory', a.ino)
      const c = await create(metadata, 'c', 'file', b.ino)
      assert.equal(await metadata.pathOf(ROOT_INODE), '/')
      assert.equal(await metadata.pathOf(c.ino), '/a/b/c')
      assert.equal(await metadata.nameOf(ROOT_INODE), undefined)
      assert.deepEqual({ ...(await metadata.nameOf(c.ino)) }, { parent: b.ino, name: 'c' })
      await unlink(metadata, 'c', b.ino)
      assert.deepEqual([await metadata.pathOf(c.ino), await metadata.nameOf(c.ino)], [undefined, undefined])
    })

    test('an unlinked file is an orphan that keeps its content until it is deleted', async (t) => {
      const { metadata } = await made(t, make)
      const file = await fileOf(metadata, 'a', 3)
      const { inode: orphan, isGone } = await unlink(metadata, 'a')
      assert.deepEqual([orphan?.ino, orphan?.nlink, orphan?.ctimeNs, isGone], [file, 0, LATER, false])
      assert.equal(await metadata.lookup(ROOT_INODE, 'a'), undefined)
      assert.deepEqual(await metadata.orphans(), [file])
      assert.equal((await metadata.layout(file))?.extents[0]?.count, 3)
      const change = { ino: file, remove: [], deleteInode: true, onlyIfOrphan: true, nowNs: LATER }
      const result = await metadata.changeLayout(change, everythingBusy)
      assert.deepEqual(result, { committed: true, layout: undefined, lostAndFound: [] })
      assert.deepEqual(await metadata.orphans(), [])
      assert.equal(await metadata.inode(file), undefined)
    })

    test('unlink refuses directories, missing names, and what is in /lost+found', async (t) => {
      const { metadata } = await made(t, make)
      await create(metadata, 'd', 'directory')
      const file = await fileOf(metadata, 'f', 1)
      await assert.rejects(unlink(metadata, 'd'), { code: 'EISDIR' })
      await assert.rejects(unlink(metadata, 'nothing'), { code: 'ENOENT', syscall: 'unlink' })
      await assert.rejects(unlink(metadata, 'x', file), { code: 'ENOTDIR' })
      await assert.rejects(unlink(metadata, 'lost+found'), { code: 'EISDIR' })
      const change = { ino: file, remove: [{ start: 0, end: 1 } as never], size: 0, nowNs: LATER }
      const { lostAndFound } = await metadata.changeLayout(change, everythingSequestered)
      await assert.rejects(unlink(metadata, lostAndFound[0].name, LOST_AND_FOUND_INODE), { code: 'EPERM' })
    })

    test('only an empty directory can be removed, and never /lost+found', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      await create(metadata, 'f', 'file', d.ino)
      await assert.rejects(removeDirectory(metadata, 'd'), { code: 'ENOTEMPTY' })
      await assert.rejects(removeDirectory(metadata, 'f', d.ino), { code: 'ENOTDIR' })
      await assert.rejects(removeDirectory(metadata, 'nothing'), { code: 'ENOENT' })
      await assert.rejects(removeDirectory(metadata, 'lost+found'), { code: 'EBUSY' })
      await unlink(metadata, 'f', d.ino)
      const removed = await removeDirectory(metadata, 'd')
      assert.deepEqual([removed.ino, removed.nlink], [d.ino, 0])
      assert.equal(await metadata.inode(d.ino), undefined)
    })

    test('a directory has 2 links and one for each subdirectory', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a', 'directory')
      const b = await create(metadata, 'b', 'directory')
      await create(metadata, 'c', 'directory', a.ino)
      await create(metadata, 'f', 'file', a.ino)
      assert.deepEqual([await links(metadata, ROOT_INODE), await links(metadata, a.ino)], [5, 3])
      await rename(metadata, 'c', 'c', a.ino, b.ino)
      assert.deepEqual([await links(metadata, a.ino), await links(metadata, b.ino)], [2, 3])
      await create(metadata, 'e', 'directory', b.ino)
      await rename(metadata, 'e', 'c', b.ino)
      assert.equal(await links(metadata, b.ino), 3)
      await removeDirectory(metadata, 'c', b.ino)
      await removeDirectory(metadata, 'b')
      assert.deepEqual([await links(metadata, ROOT_INODE), await links(metadata, b.ino)], [4, undefined])
    })

    test('rename moves a name and replaces the file that had it', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      const a = await create(metadata, 'a')
      const b = await create(metadata, 'b', 'file', d.ino)
      const { inode: replaced } = await rename(metadata, 'a', 'b', ROOT_INODE, d.ino)
      assert.deepEqual([replaced?.ino, replaced?.nlink], [b.ino, 0])
      assert.equal(await metadata.pathOf(a.ino), '/d/b')
      assert.deepEqual(await metadata.orphans(), [b.ino])
      assert.equal((await metadata.inode(a.ino))?.ctimeNs, LATER)
      assert.equal((await rename(metadata, 'b', 'b', d.ino)).inode, undefined)
      assert.deepEqual(await names(metadata), ['d', 'lost+found'])
    })

    test('rename replaces an empty directory by a directory, and nothing else by anything else', async (t) => {
      const { metadata } = await made(t, make)
      const d = await create(metadata, 'd', 'directory')
      const e = await create(metadata, 'e', 'directory')
      await create(metadata, 'f')
      await create(metadata, 'g', 'file', e.ino)
      await assert.rejects(rename(metadata, 'd', 'e'), { code: 'ENOTEMPTY', syscall: 'rename', dest: 'e' })
      await assert.rejects(rename(metadata, 'd', 'f'), { code: 'ENOTDIR' })
      await assert.rejects(rename(metadata, 'f', 'd'), { code: 'EISDIR' })
      await assert.rejects(rename(metadata, 'nothing', 'd'), { code: 'ENOENT' })
      await assert.rejects(rename(metadata, 'f', 'x', ROOT_INODE, ino(999)), { code: 'ENOENT' })
      const { inode: replaced } = await rename(metadata, 'e', 'd')
      assert.deepEqual([replaced?.ino, replaced?.nlink], [d.ino, 0])
      assert.equal(await metadata.inode(d.ino), undefined)
      assert.deepEqual(await names(metadata, e.ino), ['g'])
    })

    test('a directory cannot be renamed into itself or below itself', async (t) => {
      const { metadata } = await made(t, make)
      const a = await create(metadata, 'a', 'directory')
      const b = await create(metadata, 'b', 'directory', a.ino)
      const c = await create(metadata, 'c', 'directory', b.ino)
      await assert.rejects(rename(metadata, 'a', 'x', ROOT_INODE, a.ino), { code: 'EINVAL' })
      await assert.rejects(rename(metadata, 'a', 'x', ROOT_INODE, c.ino), { code: 'EINVAL' })
      await rename(metadata, 'c', 'c', b.ino, ROOT_INODE)
      assert.equal(await metadata.pathOf(c.ino), '/c')
    })

    test('/lost+found stays where it is and takes no names', async (t) => {
      const { metadata } = await made(t, make)
      await create(metadata, 'a', 'directory')
      await create(metadata, 'f')
      await assert.rejects(rename(metadata, 'lost+found', 'x'), { code: 'EBUSY' })
      await assert.rejects(rename(metadata, 'a', 'lost+found'), { code: 'EBUSY' })
      await assert.rejects(rename(metadata, 'f', 'f', ROOT_INODE, LOST_AND_FOUND_INODE), { code: 'EPERM' })
    })

    test('attributes change one by one, and each change is counted', async (t) => {
      const { metadata } = await made(t, make)
      const before = await create(metadata, 'a')
      const time = -1n
      const after = await metadata.setAttributes(before.ino, {
        mode: 0o7777,
        atimeNs: time,
        busy: 'wait',
        nowNs: LATER,
      })
      assert.deepEqual(after, {
        ...before,
        mode: 0o7777,
        atimeNs: time,
        ctimeNs: LATER,
        changeCount: before.changeCount + 1,
        busy: 'wait',
      })
      assert.deepEqual(await metadata.inode(before.ino), after)
      const back = await metadata.setAttributes(before.ino, {
        busy: null,
        dax: 'never',
        uid: 4_294_967_295,
        nowNs: NOW,
      })
      assert.deepEqual([back.busy, back.dax, back.mode, back.uid], [undefined, 'never', 0o7777, 4_294_967_295])
      await assert.rejects(metadata.setAttributes(ino(999), { nowNs: NOW }), { code: 'ENOENT' })
    })
  })
}
