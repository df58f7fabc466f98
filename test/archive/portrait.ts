/** What a pool looks like from outside, and a pool that has something of everything. */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { Pool } from '../../src/index.ts'
import { LOST_AND_FOUND_INODE } from '../../src/metadata/metadata.ts'

/** For each path what a dump promises to keep: all but inode numbers, ctime, birth time and change count. */
export async function portraitOf(pool: Pool): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {}
  const firsts = new Map<number, string>()
  const walk = async (path: string): Promise<void> => {
    const stat = await pool.lstat(path)
    if (stat.ino === LOST_AND_FOUND_INODE) return
    const { ino, mode, nlink, uid, gid, rdev, size, blocks, atimeNs, mtimeNs, busy, dax } = stat
    const first = firsts.get(ino) ?? path
    firsts.set(ino, first)
    const xattrs: Record<string, string> = {}
    for (const name of await pool.fileSystem.metadata.xattrs(ino as never)) {
      xattrs[name] = Buffer.from((await pool.fileSystem.metadata.xattr(ino as never, name))!).toString('hex')
    }
    const content = stat.isFile()
      ? createHash('sha256')
          .update(await pool.readFile(path))
          .digest('hex')
      : stat.isSymbolicLink() && (await pool.readlink(path))
    const what = { mode, nlink, uid, gid, rdev, size, blocks, atimeNs, mtimeNs, busy, dax, first, xattrs, content }
    all[path] = what
    if (stat.isDirectory()) for (const name of await pool.readdir(path)) await walk(posix.join(path, name))
  }
  await walk('/')
  return all
}

/** An access control list as Linux stores it: version 2; user::rw-, user:1000:r--, group::r--, mask::r--, other::---. */
const ACL = Buffer.concat([
  Buffer.from([2, 0, 0, 0]),
  ...[
    [1, 6, 0xffff_ffff],
    [2, 4, 1000],
    [4, 4, 0xffff_ffff],
    [16, 4, 0xffff_ffff],
    [32, 0, 0xffff_ffff],
  ].map(([tag, bits, id]) => {
    const entry = Buffer.alloc(8)
    entry.writeUInt16LE(tag, 0)
    entry.writeUInt16LE(bits, 2)
    entry.writeUInt32LE(id, 4)
    return entry
  }),
])

export async function fillWithEverything(pool: Pool): Promise<void> {
  await pool.mkdir('/a/b', { recursive: true })
  await pool.mkdir('/a/closed')
  await pool.writeFile('/a/long', Buffer.alloc(3_000_001, 'long '))
  await pool.link('/a/long', '/a/b/one more')
  await pool.link('/a/long', '/last')
  await pool.writeFile('/a/none', '', { mode: 0o400 })
  await pool.writeFile('/a/b/ünï\ncode "x"', 'x'.repeat(4096))
  await pool.writeFile(`/a/b/${'n'.repeat(255)}`, 'a long name')
  await pool.symlink('../long', '/a/b/link')
  await pool.link('/a/b/link', '/a/b/the same link')
  await pool.symlink('/nowhere at all/'.repeat(20), '/dangling')
  await pool.mknod('/fifo', 'fifo', { mode: 0o640 })
  await pool.mknod('/socket', 'socket')
  await pool.mknod('/device', 'block', { rdev: 0x1234_5678 })
  for (const [path, size, offsets] of [
    ['/sparse', 1 << 28, [0, 40 << 20, (1 << 28) - 77]],
    ['/in the middle', 100_000, [50_000]],
    ['/hole', 1 << 20, []],
  ] as const) {
    await using file = await pool.open(path, 'wx')
    await file.truncate(size)
    for (const position of offsets) await file.write(Buffer.alloc(77, 'data'), { position })
  }
  {
    // Blocks of zeros are no holes.
    await using file = await pool.open('/zeros', 'wx')
    await file.allocate(0, 20_000)
  }
  await pool.configure('/a/long', { busy: 'fail', dax: 'never' })
  await pool.configure('/a', { busy: 'wait' })
  await pool.setXattr('/a/long', 'user.binary', Buffer.from([0, 255, 10, 13, 0xc3, 0x28]))
  await pool.setXattr('/a/long', 'user.a=b%3D%', '')
  await pool.setXattr('/a/long', 'user.large', Buffer.alloc(60_000, 'v'))
  await pool.setXattr('/fifo', 'trusted.note', 'of a fifo')
  await pool.setXattr('/a/b', 'system.posix_acl_default', ACL)
  await pool.setXattr('/last', 'system.posix_acl_access', ACL)
  await pool.chown('/a/b', 4_000_000_000, 77)
  await pool.chmod('/a/b', 0o2750)
  await pool.chmod('/a/closed', 0)
  await pool.chmod('/a/none', 0o6755)
  let ns = -1_500_000_001n
  const touch = async (path: string): Promise<void> => {
    if ((await pool.lstat(path)).isDirectory()) {
      for (const name of await pool.readdir(path)) if (name !== 'lost+found') await touch(posix.join(path, name))
    }
    await pool.lutimes(path, ns, ns + 123_456_789n)
    ns += 86_400_000_000_007n
  }
  await touch('/')
}
