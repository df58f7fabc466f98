/** Names through the mount's operations: what is made, removed and moved, and with which errors, as Linux has them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import { attributesOf, entryOf, name, Requests, struct, u32, u64, Valid } from './requests.ts'

const S_IFMT = 0o170_000
const O_EXCL = 0o200

describe('what is made', () => {
  test('has the mode, the owner and the kind that the kernel asks for', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const by = { uid: 1000, gid: 100 }
    const directory = await requests.mkdir(1, 'd', 0o750, by)
    assert.deepEqual([directory.mode, directory.uid, directory.gid, directory.nlink], [0o040_750, 1000, 100, 2])
    const fifo = entryOf(await requests.ask('mknod', 1, struct(u32(0o010_640), u32(0), u32(0), u32(0), name('p')), by))
    assert.deepEqual([fifo.mode, fifo.uid, fifo.nlink], [0o010_640, 1000, 1])
    const node = entryOf(
      await requests.ask('mknod', 1, struct(u32(0o020_600), u32(0x103), u32(0), u32(0), name('c')), by),
    )
    assert.deepEqual([node.mode, node.rdev], [0o020_600, 0x103])
    const plain = entryOf(await requests.ask('mknod', 1, struct(u32(0o104_755), u32(9), u32(0), u32(0), name('f')), by))
    assert.deepEqual([plain.mode, plain.rdev], [0o104_755, 0])
    const link = entryOf(await requests.ask('symlink', 1, struct(name('l'), name('to/some where')), by))
    assert.deepEqual([link.mode, link.size, link.uid], [0o120_777, 13, 1000])
    assert.equal((await requests.ask('readlink', link.nodeId, Buffer.alloc(0))).toString(), 'to/some where')
    await requests.refuses('EINVAL', 'readlink', directory.nodeId, Buffer.alloc(0))
    const file = await requests.create(directory.nodeId, 'f', { mode: 0o100_604, by })
    assert.deepEqual([file.mode, file.uid, file.size], [0o100_604, 1000, 0])
    assert.deepEqual(await requests.lookup(directory.nodeId, 'f').then((seen) => seen.nodeId), file.nodeId)
  })

  test('in a directory with setgid takes its group', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const directory = await requests.mkdir(1, 'd', 0o755, { uid: 0, gid: 7 })
    await requests.setattr(directory.nodeId, { valid: 1, mode: 0o2775 })
    const by = { uid: 1000, gid: 100 }
    assert.equal((await requests.create(directory.nodeId, 'f', { by })).gid, 7)
    const below = await requests.mkdir(directory.nodeId, 'd', 0o755, by)
    assert.deepEqual([below.gid, below.mode], [7, 0o042_755])
  })

  test('is refused where there is something, where a name is too long, and in lost+found', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const long = 'n'.repeat(256)
    await requests.mkdir(1, 'd')
    await requests.refuses('EEXIST', 'mkdir', 1, struct(u32(0o755), u32(0), name('d')))
    await requests.refuses('EEXIST', 'symlink', 1, struct(name('d'), name('x')))
    await requests.refuses('EEXIST', 'mknod', 1, struct(u32(0o100_644), u32(0), u32(0), u32(0), name('d')))
    await requests.refuses('ENAMETOOLONG', 'mkdir', 1, struct(u32(0o755), u32(0), name(long)))
    await requests.refuses('ENAMETOOLONG', 'lookup', 1, struct(name(long)))
    await requests.refuses('ENAMETOOLONG', 'create', 1, struct(u32(2), u32(0), u32(0), u32(0), name(long)))
    await requests.mkdir(1, long.slice(1))
    await requests.refuses('EILSEQ', 'mkdir', 1, struct(u32(0o755), u32(0), ['raw', Buffer.from([0x66, 0xff, 0])]))
    await requests.refuses('EPERM', 'mkdir', await requests.at('lost+found'), struct(u32(0o755), u32(0), name('d')))
    await requests.refuses('ENOENT', 'mkdir', 9999, struct(u32(0o755), u32(0), name('d')))
    await requests.refuses('ENOENT', 'lookup', 1, struct(name('nothing')))
  })

  test('by somebody quicker is looked at again by the kernel, unless O_EXCL asks for a new file', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await requests.refuses('ENOENT', 'lookup', 1, struct(name('f')))
    await (await openedAgain(t, pool)).writeFile('/f', 'theirs')
    await requests.refuses('ESTALE', 'create', 1, struct(u32(2), u32(0), u32(0), u32(0), name('f')))
    await requests.refuses('EEXIST', 'create', 1, struct(u32(2 | O_EXCL), u32(0), u32(0), u32(0), name('f')))
    assert.equal((await requests.lookup(1, 'f')).size, 6)
  })
})

describe('a file without a name', () => {
  test('goes with its last close, or stays when it is given one', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const open = async (): Promise<{ node: number; handle: number }> => {
      const bytes = await requests.ask('tmpfile', 1, struct(u32(2), u32(0o100_600), u32(0), u32(0), name('#1')))
      assert.equal(entryOf(bytes).nlink, 0)
      return { node: entryOf(bytes).nodeId, handle: Number(bytes.readBigUInt64LE(128)) }
    }
    const [stays, goes] = [await open(), await open()]
    await requests.write(stays.node, stays.handle, 0, 'content')
    const linked = entryOf(await requests.ask('link', 1, struct(u64(stays.node), name('named'))))
    assert.deepEqual([linked.nodeId, linked.nlink, linked.size], [stays.node, 1, 7])
    await requests.release(stays.node, stays.handle)
    await requests.release(goes.node, goes.handle)
    assert.equal(await pool.readFile('/named', 'utf8'), 'content')
    await requests.refuses('ESTALE', 'open', goes.node, struct(u32(0), u32(0)))
  })
})

describe('what is removed', () => {
  test('is there for who has it open, and for who only knows of it as it was last', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const file = await requests.create(1, 'f')
    await requests.write(file.nodeId, file.handle, 0, 'still here')
    await requests.ask('unlink', 1, struct(name('f')))
    await requests.refuses('ENOENT', 'lookup', 1, struct(name('f')))
    assert.equal((await requests.getattr(file.nodeId)).nlink, 0)
    assert.equal((await requests.read(file.nodeId, file.handle, 0, 100)).toString(), 'still here')
    const again = await requests.open(file.nodeId, 0)
    assert.equal((await requests.read(file.nodeId, again, 0, 100)).toString(), 'still here', 'by /proc/self/fd')
    assert.equal((await requests.setattr(file.nodeId, { valid: Valid.size, size: 5 })).size, 5)
    await requests.release(file.nodeId, again)
    assert.equal((await requests.read(file.nodeId, file.handle, 0, 100)).toString(), 'still')
    await requests.release(file.nodeId, file.handle)
    await requests.refuses('ESTALE', 'open', file.nodeId, struct(u32(0), u32(0)))
    assert.deepEqual([(await requests.getattr(file.nodeId)).nlink, await pool.exists('/f')], [0, false])
    await requests.ask('forget', file.nodeId, struct(u64(1)))
    await requests.refuses('ESTALE', 'getattr', file.nodeId, struct(u32(0), u32(0), u64(0)))

    const directory = await requests.mkdir(1, 'd')
    await requests.ask('rmdir', 1, struct(name('d')))
    assert.equal((await requests.getattr(directory.nodeId)).nlink, 0, 'somebody’s working directory')
    const after = await requests.setattr(directory.nodeId, { valid: Valid.mode | Valid.uid, mode: 0o700, uid: 7 })
    assert.deepEqual([after.mode, after.uid, after.nlink], [0o040_700, 7, 0], 'fchmod of it, fchown')
    assert.deepEqual(await requests.getattr(directory.nodeId), after)
    await requests.ask('batchForget', 0, struct(u32(1), u32(0), u64(directory.nodeId), u64(1)))
    await requests.refuses('ESTALE', 'getattr', directory.nodeId, struct(u32(0), u32(0), u64(0)))
  })

  test('is refused with the errors of Linux', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const { nodeId } = await requests.mkdir(1, 'd')
    await requests.mkdir(nodeId, 'below')
    await requests.create(1, 'f')
    await requests.refuses('EISDIR', 'unlink', 1, struct(name('d')))
    await requests.refuses('ENOTDIR', 'rmdir', 1, struct(name('f')))
    await requests.refuses('ENOTEMPTY', 'rmdir', 1, struct(name('d')))
    await requests.refuses('ENOENT', 'unlink', 1, struct(name('x')))
    await requests.refuses('ENOENT', 'rmdir', 1, struct(name('x')))
    await requests.refuses('EBUSY', 'rmdir', 1, struct(name('lost+found')))
  })
})

describe('a rename', () => {
  test('replaces, refuses to replace, and exchanges', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.writeFile('/a', 'a')
    await pool.writeFile('/b', 'b')
    const replaced = await requests.lookup(1, 'b')
    const move = (flags: number, from: string, to: string): Parameters<Requests['ask']> => [
      'rename2',
      1,
      struct(u64(1), u32(flags), u32(0), name(from), name(to)),
    ]
    await requests.refuses('EEXIST', ...move(1, 'a', 'b'))
    await requests.ask(...move(2, 'a', 'b'))
    assert.deepEqual([await pool.readFile('/a', 'utf8'), await pool.readFile('/b', 'utf8')], ['b', 'a'])
    await requests.refuses('ENOENT', ...move(2, 'a', 'x'))
    await requests.refuses('EINVAL', ...move(4, 'a', 'x'))
    await requests.ask('rename', 1, struct(u64(1), name('b'), name('a')))
    assert.deepEqual([await pool.readdir('/'), await pool.readFile('/a', 'utf8')], [['a', 'lost+found'], 'a'])
    assert.equal((await requests.getattr(replaced.nodeId)).nlink, 0)
    await requests.refuses('ENAMETOOLONG', ...move(0, 'a', 'n'.repeat(256)))
  })

  test('of directories keeps count of their links', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    const [from, to] = [await requests.mkdir(1, 'from'), await requests.mkdir(1, 'to')]
    const moved = await requests.mkdir(from.nodeId, 'd')
    await requests.ask('rename', from.nodeId, struct(u64(to.nodeId), name('d'), name('e')))
    const links = async (node: number): Promise<number> => (await requests.getattr(node)).nlink
    assert.deepEqual([await links(from.nodeId), await links(to.nodeId), await links(moved.nodeId)], [2, 3, 2])
    await requests.refuses('EINVAL', 'rename', 1, struct(u64(moved.nodeId), name('to'), name('x')))
    await requests.refuses('EPERM', 'link', 1, struct(u64(moved.nodeId), name('x')))
  })
})

test('a reply to GETATTR is the inode, field by field', async (t) => {
  const pool = await temporaryPool(t)
  const requests = new Requests(t, pool)
  await pool.writeFile('/f', 'x'.repeat(5000), { mode: 0o640 })
  await pool.utimes('/f', 1n, 2_000_000_003n)
  const { nodeId } = await requests.lookup(1, 'f')
  const bytes = await requests.ask('getattr', nodeId, struct(u32(0), u32(0), u64(0)))
  const stat = await pool.stat('/f')
  const { ino, size, blocks, atimeNs, mtimeNs, ctimeNs, mode, nlink, uid, gid, rdev } = stat
  assert.deepEqual(attributesOf(bytes, 16), {
    ino,
    size,
    blocks,
    atimeNs,
    mtimeNs,
    ctimeNs,
    mode,
    nlink,
    uid,
    gid,
    rdev,
  })
  assert.equal(mode & S_IFMT, 0o100_000)
  const extended = await requests.ask('statx', nodeId, struct(u32(0), u32(0), u64(0), u32(0), u32(0xfff)))
  assert.equal(
    extended.readBigInt64LE(32 + 80) * 1_000_000_000n + BigInt(extended.readUInt32LE(32 + 88)),
    stat.birthtimeNs,
  )
})
