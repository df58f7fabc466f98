/** Attributes through the mount's operations: modes, owners, times, privileges, extended attributes, space. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { InodeNumber } from '../../src/units.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import { name, pattern, Requests, struct, u32, u64, Valid } from './requests.ts'

const getxattr = (attribute: string, size = 1000): Buffer => struct(u32(size), u32(0), name(attribute))
const setxattr = (attribute: string, value: string, flags = 0): Buffer =>
  struct(u32(value.length), u32(flags), u32(0), u32(0), name(attribute), ['raw', Buffer.from(value)])

describe('setattr', () => {
  test('sets what is asked for and nothing else, and ctime each time', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.writeFile('/f', 'x')
    await pool.utimes('/f', 1, 2)
    const before = await requests.lookup(1, 'f')
    const { nodeId } = before
    const mode = await requests.setattr(nodeId, { valid: Valid.mode, mode: 0o107_755 })
    assert.deepEqual([mode.mode, mode.uid, mode.mtimeNs], [0o107_755, before.uid, before.mtimeNs])
    assert.ok(mode.ctimeNs >= before.ctimeNs)
    const owner = await requests.setattr(nodeId, { valid: Valid.uid | Valid.gid | Valid.killSetIds, uid: 7, gid: 8 })
    assert.deepEqual([owner.uid, owner.gid, owner.mode], [7, 8, 0o101_755], 'chown takes setuid and setgid off')
    const atime = await requests.setattr(nodeId, { valid: Valid.atime, atime: [-1, 999_999_999] })
    assert.deepEqual([atime.atimeNs, atime.mtimeNs], [-1n, 2_000_000_000n])
    const from = BigInt(Date.now()) * 1_000_000n
    const now = await requests.setattr(nodeId, { valid: Valid.mtime | Valid.mtimeNow })
    assert.ok(now.mtimeNs >= from && now.atimeNs === -1n)
    await pool.utimes('/f', 1, 2)
    await pool.chmod('/f', 0o6755)
    const { ctimeNs } = await requests.getattr(nodeId)
    await new Promise((resolve) => setTimeout(resolve, 3))
    const nothing = await requests.setattr(nodeId, { valid: 0 })
    assert.ok(nothing.ctimeNs > ctimeNs && nothing.mode === 0o100_755, 'chown to -1, -1')
  })

  test('keeps times that can be stored, and the nearest to others', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId } = await requests.create(1, 'f')
    const set = (seconds: number | bigint): Promise<bigint> =>
      requests
        .setattr(nodeId, { valid: Valid.mtime | Valid.atime, mtime: [seconds, 1], atime: [seconds, 1] })
        .then(({ mtimeNs }) => mtimeNs)
    assert.equal(await set(2 ** 32 + 5), 4_294_967_301_000_000_001n)
    assert.equal(await set(2n ** 40n), 2n ** 63n - 1n)
  })

  test('shows another mtime after each write in place, also within one millisecond', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId, handle } = await requests.create(1, 'f')
    await requests.write(nodeId, handle, 0, 'before')
    let last = 0n
    for (let i = 0; i < 200; i++) {
      await requests.write(nodeId, handle, 0, `${i % 10}`)
      const { mtimeNs } = await requests.getattr(nodeId)
      assert.ok(mtimeNs > last, `write ${i}: ${mtimeNs} after ${last}`)
      last = mtimeNs
    }
  })

  test('of what is gone is ESTALE, so that the kernel looks at the path again', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    await assert.rejects(requests.setattr(99, { valid: Valid.size, size: 1 }), { code: 'ESTALE' })
    await requests.refuses('ESTALE', 'getattr', 99, struct(u32(0), u32(0), ['u64', 0]))
    await requests.refuses('ESTALE', 'open', 99, struct(u32(0), u32(0)))
    await assert.rejects(requests.setattr(99, { valid: Valid.mode, mode: 0o600 }), { code: 'ESTALE' })
    await requests.refuses('ESTALE', 'link', 1, struct(u64(99), name('again')))
    await requests.refuses('ESTALE', 'removexattr', 99, struct(name('user.a')))
  })
})

describe('privileges', () => {
  test('go when the kernel says so: with a write, a truncate, an open that empties', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const { nodeId, handle } = await requests.create(1, 'f')
    const arm = async (): Promise<void> => {
      await pool.chmod('/f', 0o6755)
      await pool.setXattr('/f', 'security.capability', 'all')
    }
    const left = async (): Promise<[number, string[]]> => [
      (await requests.getattr(nodeId)).mode & 0o7777,
      await pool.listXattrs('/f'),
    ]
    const armed = [0o6755, ['security.capability']]
    const disarmed = [0o755, []]
    await arm()
    await requests.write(nodeId, handle, 0, 'by root')
    assert.deepEqual(await left(), [0o6755, []], 'the kernel keeps capabilities from direct writes no more than we do')
    await arm()
    await requests.write(nodeId, handle, 0, 'by another', { writeFlags: 4, by: { uid: 1000, gid: 1000 } })
    assert.deepEqual(await left(), disarmed)
    await requests.write(nodeId, handle, 0, 'once more', { writeFlags: 4, by: { uid: 1000, gid: 1000 } })
    await arm()
    await requests.setattr(nodeId, { valid: Valid.size | Valid.killSetIds, size: 1 })
    assert.deepEqual(await left(), disarmed)
    await arm()
    await requests.setattr(nodeId, { valid: Valid.size, size: 1 })
    assert.deepEqual(await left(), armed)
    await requests.ask('open', nodeId, struct(u32(0o1002), u32(1)))
    assert.deepEqual(await left(), disarmed)
    const user = { uid: 1000, gid: 1000 }
    await arm()
    await requests.ask('fallocate', nodeId, struct(u64(handle), u64(0), u64(100), u32(0), u32(0)))
    assert.deepEqual(await left(), armed)
    await requests.ask('fallocate', nodeId, struct(u64(handle), u64(0), u64(100), u32(0), u32(0)), user)
    assert.deepEqual(await left(), disarmed)
    await arm()
    const copy = struct(u64(handle), u64(0), u64(nodeId), u64(handle), u64(50), u64(1), u64(0))
    await requests.ask('copyFileRange', nodeId, copy)
    assert.deepEqual(await left(), armed)
    await requests.ask('copyFileRange', nodeId, copy, user)
    assert.deepEqual(await left(), disarmed)
    await pool.setXattr('/f', 'security.capability', 'all')
    await requests.write(nodeId, handle, 0, 'again', { writeFlags: 4, by: { uid: 1000, gid: 1000 } })
    assert.deepEqual(await left(), disarmed, 'set since it was looked at last')
  })

  test('are looked for without a transaction, also when times of writes are to be stored', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const { nodeId, handle } = await requests.create(1, 'f')
    const byUser = (): Promise<number> =>
      requests.write(nodeId, handle, 0, 'in place', { writeFlags: 4, by: { uid: 1000, gid: 1000 } })
    const { fileSystem } = pool
    await byUser()
    await byUser()
    await requests.getattr(nodeId)
    const open = fileSystem.openInodes.get(nodeId as InodeNumber)!
    assert.ok(open.isCurrent(fileSystem), 'its own change of the times is no news')
    await byUser()
    await byUser()
    assert.ok(open.isCurrent(fileSystem) && open.hasNewContent)
    await (await openedAgain(t, pool)).chmod('/f', 0o600)
    await byUser()
    await byUser()
    assert.ok(open.hasNewContent, 'stored when somebody looks')
  })
})

describe('extended attributes', () => {
  test('are set, read, listed and removed, in the namespaces that a mount serves', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId } = await requests.create(1, 'f')
    await requests.ask('setxattr', nodeId, setxattr('user.a', 'value'))
    await requests.ask('setxattr', nodeId, setxattr('trusted.b', ''))
    assert.equal((await requests.ask('getxattr', nodeId, getxattr('user.a'))).toString(), 'value')
    assert.equal((await requests.ask('getxattr', nodeId, getxattr('trusted.b'))).length, 0)
    assert.equal((await requests.ask('getxattr', nodeId, getxattr('user.a', 0))).readUInt32LE(0), 5)
    await requests.refuses('ERANGE', 'getxattr', nodeId, getxattr('user.a', 4))
    await requests.refuses('ENODATA', 'getxattr', nodeId, getxattr('user.none'))
    const list = (uid: number, size: number): Promise<Buffer> =>
      requests.ask('listxattr', nodeId, struct(u32(size), u32(0)), { uid })
    assert.equal((await list(0, 1000)).toString(), 'trusted.b\0user.a\0')
    assert.equal((await list(1000, 1000)).toString(), 'user.a\0')
    assert.equal((await list(0, 0)).readUInt32LE(0), 17)
    await requests.refuses('ERANGE', 'listxattr', nodeId, struct(u32(16), u32(0)))
    await requests.refuses('EEXIST', 'setxattr', nodeId, setxattr('user.a', 'x', 1))
    await requests.refuses('ENODATA', 'setxattr', nodeId, setxattr('user.c', 'x', 2))
    await requests.refuses('EINVAL', 'setxattr', nodeId, setxattr('user.c', 'x', 3))
    for (const foreign of ['system.anything', 'other.namespace', 'nothing'])
      await requests.refuses('EOPNOTSUPP', 'setxattr', nodeId, setxattr(foreign, 'x'))
    await requests.ask('removexattr', nodeId, struct(name('user.a')))
    await requests.refuses('ENODATA', 'removexattr', nodeId, struct(name('user.a')))
  })
})

test('statfs counts blocks, and names have 255 bytes', async (t) => {
  const pool = await temporaryPool(t)
  const requests = new Requests(t, pool)
  const count = async (): Promise<number[]> => {
    const bytes = await requests.ask('statfs', 1, Buffer.alloc(0))
    return [0, 8, 16].map((at) => Number(bytes.readBigUInt64LE(at)))
  }
  const [blocks, free, available] = await count()
  assert.deepEqual([blocks, free], [1024, 1024])
  assert.ok(available < free, 'a reserve is kept')
  await pool.writeFile('/f', pattern(10 * 4096))
  assert.deepEqual(await count(), [1024, 1014, available - 10])
  const bytes = await requests.ask('statfs', 1, Buffer.alloc(0))
  assert.deepEqual([bytes.readUInt32LE(40), bytes.readUInt32LE(44), bytes.readUInt32LE(48)], [4096, 255, 4096])
})

test('ioctl is refused as for any file that is no device', async (t) => {
  const requests = new Requests(t, await temporaryPool(t))
  await requests.refuses('ENOTTY', 'ioctl', 1, Buffer.alloc(32))
})
