/** The part of the conformance suite about extended attributes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { ROOT_INODE, XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from '../../src/metadata/metadata.ts'
import type { Metadata, XattrMode } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import { create, everythingBusy, ino, LATER, made, NOW } from './subject.ts'
import type { MakeMetadata } from './subject.ts'

const set = (
  metadata: Metadata,
  inode: InodeNumber,
  name: string,
  value: string | Uint8Array,
  mode: XattrMode = 'set',
) => metadata.setXattr(inode, name, typeof value === 'string' ? Buffer.from(value) : value, { mode, nowNs: LATER })
const get = async (metadata: Metadata, inode: InodeNumber, name: string) => {
  const value = await metadata.xattr(inode, name)
  return value === undefined ? undefined : Buffer.from(value).toString()
}

export function xattrsConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: extended attributes`, () => {
    test('a change that drops privileges takes setuid, setgid of who may execute, and capabilities along', async (t) => {
      const { metadata } = await made(t, make)
      const drop = async (kind: 'file' | 'directory', file: string, mode: number): Promise<[number, string[]]> => {
        const { ino: inode } = await create(metadata, file, kind)
        await set(metadata, inode, 'security.capability', 'all')
        await set(metadata, inode, 'security.other', 'stays')
        await metadata.setAttributes(inode, { mode, nowNs: LATER })
        const after = await metadata.setAttributes(inode, { uid: 7, dropsPrivileges: true, nowNs: LATER })
        return [after.mode, await metadata.xattrs(inode)]
      }
      assert.deepEqual(await drop('file', 'a', 0o6755), [0o755, ['security.other']])
      assert.deepEqual(await drop('file', 'b', 0o6745), [0o2745, ['security.other']], 'the mark of mandatory locks')
      assert.deepEqual(await drop('directory', 'c', 0o6755), [0o6755, ['security.capability', 'security.other']])
    })

    test('an attribute has the value it was given last, also none of length 0, and changes ctime', async (t) => {
      const { metadata } = await made(t, make)
      const { ino: file, changeCount } = await create(metadata, 'a')
      assert.deepEqual(await metadata.xattrs(file), [])
      assert.equal(await metadata.xattr(file, 'user.a'), undefined)
      await set(metadata, file, 'user.b', 'one')
      await set(metadata, file, 'user.a', '')
      await set(metadata, file, 'user.b', 'two')
      await set(metadata, ROOT_INODE, 'trusted.c', 'of the root')
      assert.deepEqual(await metadata.xattrs(file), ['user.a', 'user.b'])
      assert.deepEqual([await get(metadata, file, 'user.a'), await get(metadata, file, 'user.b')], ['', 'two'])
      const after = await metadata.inode(file)
      assert.deepEqual([after?.ctimeNs, after?.mtimeNs, after?.changeCount], [LATER, NOW, changeCount + 3])
      await metadata.removeXattr(file, 'user.a', LATER)
      assert.deepEqual(await metadata.xattrs(file), ['user.b'])
      assert.deepEqual(await metadata.xattrs(ROOT_INODE), ['trusted.c'])
    })

    test('names come in byte order', async (t) => {
      const { metadata } = await made(t, make)
      const names = ['user.Z', 'user.a', 'user.é', 'user.\uff5e', 'user.\u{1f600}']
      for (const one of names.toReversed()) await set(metadata, ROOT_INODE, one, '')
      assert.deepEqual(await metadata.xattrs(ROOT_INODE), names)
    })

    test('create and replace insist', async (t) => {
      const { metadata } = await made(t, make)
      const { ino: file } = await create(metadata, 'a')
      await assert.rejects(set(metadata, file, 'user.a', 'x', 'replace'), { code: 'ENODATA', syscall: 'setxattr' })
      await set(metadata, file, 'user.a', 'x', 'create')
      await assert.rejects(set(metadata, file, 'user.a', 'y', 'create'), { code: 'EEXIST' })
      await set(metadata, file, 'user.a', 'z', 'replace')
      assert.equal(await get(metadata, file, 'user.a'), 'z')
    })

    test('what is not there is ENODATA or ENOENT', async (t) => {
      const { metadata } = await made(t, make)
      const { ino: file, ctimeNs } = await create(metadata, 'a')
      await assert.rejects(metadata.removeXattr(file, 'user.a', LATER), { code: 'ENODATA', syscall: 'removexattr' })
      await assert.rejects(metadata.removeXattr(ino(999), 'user.a', LATER), { code: 'ENOENT' })
      await assert.rejects(set(metadata, ino(999), 'user.a', ''), { code: 'ENOENT' })
      await assert.rejects(metadata.xattrs(ino(999)), { code: 'ENOENT' })
      assert.equal(await metadata.xattr(ino(999), 'user.a'), undefined)
      assert.equal((await metadata.inode(file))?.ctimeNs, ctimeNs)
    })

    test('the limits of names, values and lists hold to the byte', async (t) => {
      const { metadata } = await made(t, make)
      const longest = (nth: number) => `user.${String(nth).padStart(XATTR_NAME_MAX - 5, 'x')}`
      await assert.rejects(set(metadata, ROOT_INODE, '', ''), { code: 'ERANGE' })
      await assert.rejects(set(metadata, ROOT_INODE, `${longest(0)}x`, ''), { code: 'ERANGE' })
      await assert.rejects(set(metadata, ROOT_INODE, `user.${'ä'.repeat(126)}`, ''), { code: 'ERANGE' })
      await assert.rejects(set(metadata, ROOT_INODE, 'user.\0', ''), { code: 'EINVAL' })
      await assert.rejects(set(metadata, ROOT_INODE, 'a', new Uint8Array(XATTR_SIZE_MAX + 1)), { code: 'E2BIG' })
      const value = new Uint8Array(XATTR_SIZE_MAX).fill(7)
      await set(metadata, ROOT_INODE, 'a', value)
      assert.deepEqual(await metadata.xattr(ROOT_INODE, 'a'), value)
      await metadata.removeXattr(ROOT_INODE, 'a', NOW)
      const fitting = XATTR_LIST_MAX / (XATTR_NAME_MAX + 1)
      for (let nth = 0; nth < fitting; nth++) await set(metadata, ROOT_INODE, longest(nth), '')
      await assert.rejects(set(metadata, ROOT_INODE, 'a', ''), { code: 'ENOSPC' })
      await set(metadata, ROOT_INODE, longest(1), 'another value')
      assert.equal((await metadata.xattrs(ROOT_INODE)).length, fitting)
    })

    test('attributes go with their inode', async (t) => {
      const { metadata } = await made(t, make)
      const { ino: file } = await create(metadata, 'a')
      const d = await create(metadata, 'd', 'directory')
      await set(metadata, file, 'user.a', 'x')
      await set(metadata, d.ino, 'user.a', 'x')
      await metadata.unlink({ parent: ROOT_INODE, name: 'a', nowNs: LATER }, everythingBusy)
      await metadata.removeDirectory({ parent: ROOT_INODE, name: 'd', nowNs: LATER })
      assert.deepEqual(
        [await get(metadata, file, 'user.a'), await get(metadata, d.ino, 'user.a')],
        [undefined, undefined],
      )
    })
  })
}
