/** Access control lists: what they and the permission bits do to each other, as in Linux (acl(5)). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inheriting, settingMode } from '../../src/files/acl.ts'
import type { Along, Inode } from '../../src/metadata/metadata.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'
const TAGS = { 'user::': 1, 'user:': 2, 'group::': 4, 'group:': 8, 'mask::': 16, 'other::': 32 } as const

/** `user::rwx,user:7:r--,group::r-x,mask::r-x,other::---`, as setfacl(1) has it. */
function acl(text: string): Buffer {
  const entries = text.split(',').map((entry) => {
    const [what, who, permissions] = entry.split(':')
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(TAGS[`${what}:${who === '' ? ':' : ''}` as keyof typeof TAGS])
    bytes.writeUInt16LE(
      ['r', 'w', 'x'].reduce((bits, bit, nth) => bits | (permissions.includes(bit) ? 4 >> nth : 0), 0),
      2,
    )
    bytes.writeUInt32LE(who === '' ? 0xffff_ffff : Number(who), 4)
    return bytes
  })
  return Buffer.concat([Buffer.from([2, 0, 0, 0]), ...entries])
}

/** And back. */
function textOf(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined
  const bytes = Buffer.from(value)
  return Array.from({ length: (bytes.length - 4) / 8 }, (_, nth) => {
    const at = 4 + nth * 8
    const tag = Object.entries(TAGS).find(([, number]) => number === bytes.readUInt16LE(at))![0]
    const bits = bytes.readUInt16LE(at + 2)
    const who = tag.endsWith('::') ? '' : bytes.readUInt32LE(at + 4)
    return `${tag.split(':')[0]}:${who}:${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`
  }).join(',')
}

const follows = (along: Along | undefined, value?: Buffer) => {
  const { mode, xattrs = [] } = along!({} as Inode, () => value)
  return { mode: mode?.toString(8), xattrs: xattrs.map(([name, bytes]) => [name, textOf(bytes)]) }
}

const RICH = 'user::rwx,user:7:rwx,group::r-x,mask::rwx,other::r--'

describe('an access list', () => {
  test('sets the permission bits: of the group those of its mask', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/f', '', { mode: 0o2600 })
    await pool.setXattr('/f', ACCESS, acl(RICH))
    assert.equal((await pool.stat('/f')).mode & 0o7777, 0o2774)
    assert.equal(textOf(await pool.getXattr('/f', ACCESS)), RICH)
  })

  test('that says no more than permission bits is not stored', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/f', '', { mode: 0o600 })
    await pool.setXattr('/f', ACCESS, acl(RICH))
    await pool.setXattr('/f', ACCESS, acl('user::rw-,group::r--,other::---'))
    assert.equal((await pool.stat('/f')).mode & 0o7777, 0o640)
    assert.deepEqual(await pool.listXattrs('/f'), [])
    await pool.removeXattr('/f', ACCESS)
  })

  test('follows chmod in its owner, mask and others', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/f', '')
    await pool.setXattr('/f', ACCESS, acl(RICH))
    await pool.chmod('/f', 0o4541)
    assert.equal(textOf(await pool.getXattr('/f', ACCESS)), 'user::r-x,user:7:rwx,group::r-x,mask::r--,other::--x')
    assert.equal((await pool.stat('/f')).mode & 0o7777, 0o4541)
    const { mode, xattrs } = follows(settingMode(0o640), acl('user::rwx,group::rwx,other::rwx'))
    assert.deepEqual([mode, xattrs], [undefined, [[ACCESS, 'user::rw-,group::r--,other::---']]], 'no mask: the group')
    assert.deepEqual(follows(settingMode(0o640)), { mode: undefined, xattrs: [] })
  })

  test('that is none is EINVAL, and a default list of a file EACCES', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/f', '')
    const broken = {
      'an empty value': Buffer.alloc(0),
      'another version': Buffer.from([1, 0, 0, 0]),
      'half an entry': acl(RICH).subarray(0, 16),
      'no others': acl('user::rwx,group::r-x'),
      'the owner twice': acl('user::rwx,user::rwx,group::r-x,other::r--'),
      'a named user and no mask': acl('user::rwx,user:7:rwx,group::r-x,other::r--'),
    }
    for (const [what, value] of Object.entries(broken)) {
      await assert.rejects(pool.setXattr('/f', ACCESS, value), { code: 'EINVAL' }, what)
      await assert.rejects(pool.setXattr('/', DEFAULT, value), { code: 'EINVAL' }, what)
    }
    await assert.rejects(pool.setXattr('/f', DEFAULT, acl(RICH)), { code: 'EACCES' })
    assert.deepEqual(await pool.listXattrs('/f'), [])
  })
})

describe('a default list', () => {
  test('is what files and directories made there begin with, as far as the mode allows', async (t) => {
    const pool = await temporaryPool(t)
    await pool.mkdir('/d')
    await pool.setXattr('/d', DEFAULT, acl(RICH))
    assert.deepEqual(await pool.listXattrs('/d'), [DEFAULT])
    await pool.writeFile('/d/f', '', { mode: 0o640 })
    assert.equal((await pool.stat('/d/f')).mode & 0o7777, 0o640)
    assert.equal(textOf(await pool.getXattr('/d/f', ACCESS)), 'user::rw-,user:7:rwx,group::r-x,mask::r--,other::---')
    await pool.mkdir('/d/d', { mode: 0o755 })
    assert.equal(textOf(await pool.getXattr('/d/d', ACCESS)), 'user::rwx,user:7:rwx,group::r-x,mask::r-x,other::r--')
    assert.equal(textOf(await pool.getXattr('/d/d', DEFAULT)), RICH)
    assert.equal((await pool.stat('/d/d')).mode & 0o7777, 0o754)
    await pool.symlink('anywhere', '/d/l')
    assert.deepEqual(await pool.listXattrs('/d/d'), [ACCESS, DEFAULT])
    await pool.setXattr('/d', DEFAULT, acl('user::rwx,group::r-x,other::---'))
    await pool.writeFile('/d/plain', '', { mode: 0o666 })
    assert.equal((await pool.stat('/d/plain')).mode & 0o7777, 0o640)
    assert.deepEqual(await pool.listXattrs('/d/plain'), [])
  })

  test('takes the place of the umask', () => {
    assert.deepEqual(follows(inheriting('file', 0o666, 0o027)), { mode: '640', xattrs: [] })
    assert.equal(follows(inheriting('file', 0o666, 0o027), acl(RICH)).mode, '664')
    assert.equal(inheriting('symlink', 0o777, 0o027), undefined)
  })
})
