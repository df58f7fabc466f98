/** Access checks for front ends: owner, group and permission bits, sticky directories, setgid, root. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Credentials } from '../../src/files/access.ts'
import {
  grantedMode,
  MAY_EXECUTE,
  MAY_READ,
  MAY_WRITE,
  mayAccess,
  mayChange,
  mayRemove,
} from '../../src/files/access.ts'
import type { Inode } from '../../src/metadata/metadata.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const inode = (mode: number, of: Partial<Inode> = {}): Inode =>
  ({ kind: 'file', mode, uid: 10, gid: 20, ...of }) as Inode

const owner: Credentials = { uid: 10, gid: 99 }
const member: Credentials = { uid: 11, gid: 99, groups: [5, 20] }
const other: Credentials = { uid: 12, gid: 99 }
const root: Credentials = { uid: 0, gid: 0 }

test('the first class that fits decides, also when it allows less', () => {
  const file = inode(0o046)
  assert.equal(mayAccess(file, owner, MAY_READ), false)
  assert.equal(mayAccess(file, member, MAY_READ), true)
  assert.equal(mayAccess(file, member, MAY_READ | MAY_WRITE), false)
  assert.equal(mayAccess(file, other, MAY_READ | MAY_WRITE), true)
  assert.equal(mayAccess(inode(0o700), { uid: 10, gid: 20 }, MAY_READ | MAY_WRITE | MAY_EXECUTE), true)
  assert.equal(mayAccess(inode(0o070), { uid: 11, gid: 20 }, MAY_EXECUTE), true)
  assert.equal(mayAccess(file, owner, 0), true)
})

test('root may all but execute what nobody may', () => {
  assert.equal(mayAccess(inode(0o000), root, MAY_READ | MAY_WRITE), true)
  assert.equal(mayAccess(inode(0o666), root, MAY_EXECUTE), false)
  assert.equal(mayAccess(inode(0o001), root, MAY_EXECUTE), true)
  assert.equal(mayAccess(inode(0o000, { kind: 'directory' }), root, MAY_EXECUTE), true)
})

test('in a sticky directory a name is removed by an owner of either only', () => {
  const directory = (mode: number, uid = 50): Inode => inode(mode, { kind: 'directory', uid })
  assert.equal(mayRemove(directory(0o777), inode(0), other), true)
  assert.equal(mayRemove(directory(0o1777), inode(0), other), false)
  assert.equal(mayRemove(directory(0o1777), inode(0), owner), true)
  assert.equal(mayRemove(directory(0o1777, 12), inode(0), other), true)
  assert.equal(mayRemove(directory(0o1777), inode(0), root), true)
  assert.equal(mayRemove(directory(0o1755), inode(0), owner), false, 'the directory must be writable first')
})

test('attributes are the owner’s to change, and setgid is for members of the group', () => {
  assert.deepEqual(
    [owner, member, root].map((who) => mayChange(inode(0o777), who)),
    [true, false, true],
  )
  assert.equal(grantedMode(inode(0), owner, 0o2755), 0o755)
  assert.equal(grantedMode(inode(0), member, 0o2755), 0o2755)
  assert.equal(grantedMode(inode(0), root, 0o2755), 0o2755)
  assert.equal(grantedMode(inode(0, { kind: 'directory' }), owner, 0o2755), 0o2755)
})

test('pool.access asks for this process, or for whom it is told', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', '')
  await pool.chmod('/file', 0o640)
  await pool.chown('/file', 10, 20)
  await pool.access('/file', MAY_READ | MAY_WRITE, owner)
  await pool.access('/file', MAY_READ, member)
  await assert.rejects(pool.access('/file', MAY_WRITE, member), { code: 'EACCES', path: '/file' })
  await pool.access('/file', 0, other)
  await assert.rejects(pool.access('/none'), { code: 'ENOENT' })
})
