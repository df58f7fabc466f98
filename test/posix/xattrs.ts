import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { alice, asUser, bob } from './as-user.ts'
import type { Check } from './subject.ts'
import { fails, modeOf } from './subject.ts'
import { getXattr, listXattrs, removeXattr, setXattr, sizeOfXattr, XATTR } from './system-calls.ts'

const user = { ability: 'userXattrs' } as const

/** Without what a security module adds. */
const listed = (path: string): string[] => listXattrs(path).filter((name) => !name.startsWith('security.'))

/** The version 2 form of posix_acl_xattr.h: alice may read and write, the rest is as a mode of 0640. */
function accessList(): Buffer {
  const ANYBODY = 0xffff_ffff
  const entries = [
    [1, 6, ANYBODY],
    [2, 6, alice.uid],
    [4, 4, ANYBODY],
    [16, 6, ANYBODY],
    [32, 0, ANYBODY],
  ]
  const list = Buffer.alloc(4 + entries.length * 8)
  list.writeUInt32LE(2, 0)
  for (const [i, [tag, bits, id]] of entries.entries()) {
    list.writeUInt16LE(tag, 4 + i * 8)
    list.writeUInt16LE(bits, 6 + i * 8)
    list.writeUInt32LE(id, 8 + i * 8)
  }
  return list
}

/** Extended attributes. */
export function xattrCases(check: Check): void {
  check(
    'attributes are set, read, listed, replaced and removed, on files and directories',
    (at) => {
      fs.mkdirSync(at.path('directory'))
      for (const path of [at.file('file'), at.path('directory')]) {
        assert.deepEqual(listed(path), [])
        setXattr(path, 'user.first', 'one')
        setXattr(path, 'user.second', Buffer.from([0, 255, 0]))
        setXattr(path, 'user.empty', '')
        assert.deepEqual(listed(path), ['user.empty', 'user.first', 'user.second'])
        assert.equal(getXattr(path, 'user.first').toString(), 'one')
        assert.deepEqual([...getXattr(path, 'user.second')], [0, 255, 0])
        assert.equal(getXattr(path, 'user.empty').length, 0)
        setXattr(path, 'user.first', 'a longer value')
        assert.equal(getXattr(path, 'user.first').toString(), 'a longer value')
        assert.equal(sizeOfXattr(path, 'user.first'), 14)
        removeXattr(path, 'user.first')
        assert.deepEqual(listed(path), ['user.empty', 'user.second'])
      }
    },
    user,
  )

  check(
    'what is not there is ENODATA, and too little room ERANGE',
    (at) => {
      const path = at.file('file')
      fails('ENODATA', () => getXattr(path, 'user.missing'))
      fails('ENODATA', () => removeXattr(path, 'user.missing'))
      setXattr(path, 'user.name', 'twelve bytes')
      fails('ERANGE', () => getXattr(path, 'user.name', 5))
      fails('ERANGE', () => listXattrs(path, 5))
      assert.equal(getXattr(path, 'user.name', 12).toString(), 'twelve bytes')
    },
    user,
  )

  check(
    'XATTR_CREATE makes a new one only, XATTR_REPLACE changes an old one only',
    (at) => {
      const path = at.file('file')
      fails('ENODATA', () => setXattr(path, 'user.name', 'x', XATTR.replace))
      setXattr(path, 'user.name', 'first', XATTR.create)
      fails('EEXIST', () => setXattr(path, 'user.name', 'second', XATTR.create))
      setXattr(path, 'user.name', 'third', XATTR.replace)
      assert.equal(getXattr(path, 'user.name').toString(), 'third')
    },
    user,
  )

  check(
    'a name has up to 255 bytes, and its namespace is one that there is',
    (at) => {
      const path = at.file('file')
      const longest = `user.${'n'.repeat(250)}`
      setXattr(path, longest, 'x')
      assert.deepEqual(listed(path), [longest])
      fails('ERANGE', () => setXattr(path, `${longest}n`, 'x'))
      fails('EOPNOTSUPP', () => setXattr(path, 'nowhere.name', 'x'))
      fails(['EOPNOTSUPP', 'EINVAL'], () => setXattr(path, 'user.', 'x'))
      fails('E2BIG', () => setXattr(path, 'user.large', Buffer.alloc(65_537)))
    },
    user,
  )

  check(
    'attributes go with the file: to another name, along a rename, and not to a copy',
    (at) => {
      const path = at.file('file')
      setXattr(path, 'user.name', 'kept')
      fs.linkSync(path, at.path('second'))
      fs.renameSync(path, at.path('moved'))
      assert.equal(getXattr(at.path('second'), 'user.name').toString(), 'kept')
      assert.equal(getXattr(at.path('moved'), 'user.name').toString(), 'kept')
      fs.copyFileSync(at.path('moved'), at.path('copy'))
      assert.deepEqual(listed(at.path('copy')), [])
    },
    user,
  )

  check(
    'attributes of users are for files and directories; a symlink has none',
    (at) => {
      at.file('file')
      fs.symlinkSync('file', at.path('link'))
      fails('EPERM', () => setXattr(at.path('link'), 'user.name', 'x'))
      assert.deepEqual(listed(at.path('link')), [])
    },
    user,
  )

  check(
    "a user's attribute is read and written by who may read and write the file",
    (at) => {
      const path = at.file('file')
      fs.chownSync(path, alice.uid, alice.gid)
      fs.chmodSync(path, 0o644)
      asUser(alice, () => setXattr(path, 'user.name', 'hers'))
      asUser(bob, () => assert.equal(getXattr(path, 'user.name').toString(), 'hers'))
      fails('EACCES', () => asUser(bob, () => setXattr(path, 'user.name', 'his')))
      fs.chmodSync(path, 0o600)
      fails('EACCES', () => asUser(bob, () => getXattr(path, 'user.name')))
    },
    { root: true, ...user },
  )

  check(
    "attributes of the trusted are root's, and nobody else sees them",
    (at) => {
      const path = at.file('file')
      fs.chmodSync(path, 0o666)
      setXattr(path, 'trusted.name', 'secret')
      assert.equal(getXattr(path, 'trusted.name').toString(), 'secret')
      fails('EPERM', () => asUser(bob, () => setXattr(path, 'trusted.name', 'x')))
      fails('ENODATA', () => asUser(bob, () => getXattr(path, 'trusted.name')))
      asUser(bob, () => assert.deepEqual(listed(path), []))
    },
    { root: true, ...user },
  )

  check(
    'an access list lets in whom it names, and its mask is what the mode shows for the group',
    (at) => {
      const path = at.file('file', 'data')
      fs.chmodSync(path, 0o640)
      fails('EACCES', () => asUser(alice, () => fs.readFileSync(path)))
      setXattr(path, 'system.posix_acl_access', accessList())
      assert.equal(modeOf(path), 0o660)
      assert.ok(getXattr(path, 'system.posix_acl_access').equals(accessList()))
      asUser(alice, () => fs.writeFileSync(path, 'hers', { flag: 'r+' }))
      fails('EACCES', () => asUser(bob, () => fs.readFileSync(path)))
      fs.chmodSync(path, 0o600)
      fails('EACCES', () => asUser(alice, () => fs.readFileSync(path)))
    },
    { root: true, ability: 'accessLists' },
  )
}
