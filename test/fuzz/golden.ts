/** What is in the pools of test/data: something of everything, and how it is looked at again. */
import assert from 'node:assert/strict'
import type { Pool } from '../../src/index.ts'

const TIME = 1_600_000_000_123_456_789n

const FILES: Readonly<Record<string, Buffer>> = {
  '/a': Buffer.alloc(20_000, 'a file '),
  '/d/small': Buffer.from('small'),
  '/d/empty': Buffer.alloc(0),
  '/d/e/scattered': Buffer.alloc(50_000, 'scattered '),
  '/policies': Buffer.alloc(5000, 'p'),
}
const SPARSE = '/d/sparse'
const SPARSE_SIZE = 300_000
const SPARSE_AT = 100_000

/** Fills a new pool. */
export async function fillGolden(pool: Pool): Promise<void> {
  await pool.mkdir('/d/e', { recursive: true })
  await pool.mkdir('/inherits')
  for (const [path, content] of Object.entries(FILES)) await pool.writeFile(path, content, { mode: 0o640 })
  {
    await using sparse = await pool.open(SPARSE, 'wx')
    await sparse.truncate(SPARSE_SIZE)
    await sparse.write('in the middle', { position: SPARSE_AT })
  }
  // Several extents: every second block goes and comes back elsewhere.
  for (let block = 1; block < 12; block += 2) await pool.punchHole('/d/e/scattered', block * 4096, 4096)
  await pool.writeFile('/between', Buffer.alloc(30_000, 'b'))
  for (let block = 1; block < 12; block += 2) {
    await using file = await pool.open('/d/e/scattered', 'r+')
    const position = block * 4096
    await file.write(FILES['/d/e/scattered'], { offset: position, length: 4096, position })
  }
  await pool.link('/a', '/d/same as a')
  await pool.symlink('../a', '/d/link')
  await pool.mknod('/d/fifo', 'fifo', { mode: 0o600 })
  await pool.mknod('/d/device', 'character', { rdev: 0x103 })
  await pool.setXattr('/a', 'user.name', 'value')
  await pool.setXattr('/d', 'user.binary', Buffer.from([0, 1, 255]))
  await pool.configure('/policies', { busy: 'fail', dax: 'never' })
  await pool.configure('/inherits', { busy: 'sequester' })
  await pool.chown('/d/small', 1000, 100)
  await pool.chmod('/d/small', 0o4755)
  await pool.utimes('/d/small', TIME, TIME + 1n)
}

/** Everything is as it was made. */
export async function checkGolden(pool: Pool): Promise<void> {
  for (const [path, content] of Object.entries(FILES)) assert.ok(content.equals(await pool.readFile(path)), path)
  const sparse = Buffer.alloc(SPARSE_SIZE)
  sparse.write('in the middle', SPARSE_AT)
  assert.ok(sparse.equals(await pool.readFile(SPARSE)))
  assert.equal((await pool.stat(SPARSE)).blocks * 512, 4096)
  const [a, same] = [await pool.stat('/a'), await pool.stat('/d/same as a')]
  assert.deepEqual([same.ino, a.nlink, a.mode & 0o7777], [a.ino, 2, 0o640])
  assert.equal(await pool.readlink('/d/link'), '../a')
  assert.ok((await pool.lstat('/d/fifo')).isFIFO())
  assert.equal((await pool.lstat('/d/device')).rdev, 0x103)
  assert.equal((await pool.getXattr('/a', 'user.name')).toString(), 'value')
  assert.deepEqual([...(await pool.getXattr('/d', 'user.binary'))], [0, 1, 255])
  const { busy, dax } = await pool.stat('/policies')
  assert.deepEqual([busy, dax, (await pool.stat('/inherits')).busy], ['fail', 'never', 'sequester'])
  const { uid, gid, mode, atimeNs, mtimeNs } = await pool.stat('/d/small')
  assert.deepEqual([uid, gid, mode & 0o7777, atimeNs, mtimeNs], [1000, 100, 0o4755, TIME, TIME + 1n])
  assert.deepEqual(await pool.readdir('/'), ['a', 'between', 'd', 'inherits', 'lost+found', 'policies'])
  assert.deepEqual([pool.properties.busy, pool.properties.leaseBreakTimeMs], ['wait', 1234])
  assert.deepEqual(await pool.check(), [])
}
