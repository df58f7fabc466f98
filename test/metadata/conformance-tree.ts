/** The part of the conformance suite about the tree as a whole. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import { create, LATER, made, NOW, orphaned } from './subject.ts'
import type { MakeMetadata } from './subject.ts'

export function treeConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: the tree`, () => {
    test('every directory is in it with its attributes, and every name, but nothing that has none', async (t) => {
      const { metadata } = await made(t, make)
      const { ino: directory } = await create(metadata, 'directory', 'directory')
      await metadata.setXattr(directory, 'user.a', Buffer.from('value'), { mode: 'set', nowNs: NOW })
      const file = await create(metadata, 'file')
      await metadata.setXattr(file.ino, 'user.b', Buffer.from('not asked for'), { mode: 'set', nowNs: NOW })
      await metadata.link({ ino: file.ino, parent: directory, name: 'b', nowNs: NOW })
      await metadata.link({ ino: file.ino, parent: directory, name: 'a', nowNs: NOW })
      await create(metadata, 'gone')
      await metadata.unlink({ parent: ROOT_INODE, name: 'gone', nowNs: LATER }, orphaned)
      const tree = await metadata.tree()
      assert.deepEqual(new Set(tree.keys()), new Set([ROOT_INODE, LOST_AND_FOUND_INODE, directory]))
      for (const [ino, { inode, xattrs, entries }] of tree) {
        assert.deepEqual(inode, await metadata.inode(ino))
        assert.deepEqual(entries, await metadata.entries(ino))
        assert.deepEqual([...xattrs.keys()], await metadata.xattrs(ino))
      }
      assert.equal(Buffer.from(tree.get(directory)!.xattrs.get('user.a')!).toString(), 'value')
      assert.deepEqual(
        tree.get(directory)!.entries.map((entry) => entry.name),
        ['a', 'b'],
      )
    })
  })
}
