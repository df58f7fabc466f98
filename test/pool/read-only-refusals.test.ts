/** What a pool that is open for reading only refuses: every method is here, as reading or as changing. */
import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { File, HoldfastError, Pool } from '../../src/index.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const { O_CREAT, O_RDONLY, O_TRUNC } = constants

type Calls<T> = Record<string, readonly ((subject: T) => unknown)[]>

/** Those with a path are on '/file', '/directory', '/link' or something new. */
const POOL_CHANGES: Calls<Pool> = {
  open: [
    ...['r+', 'w', 'wx', 'a', 'ax+'].map((flags) => (pool: Pool) => pool.open('/file', flags)),
    (pool) => pool.open('/new', 'w'),
    (pool) => pool.open('/new', O_RDONLY | O_CREAT),
  ],
  openUnnamed: [(pool) => pool.openUnnamed('/')],
  writeFile: [(pool) => pool.writeFile('/file', 'x'), (pool) => pool.writeFile('/new', 'x')],
  copyFile: [(pool) => pool.copyFile('/file', '/new'), (pool) => pool.copyFile('/file', '/other')],
  mkdir: [(pool) => pool.mkdir('/new'), (pool) => pool.mkdir('/new/deep', { recursive: true })],
  truncate: [(pool) => pool.truncate('/file', 1)],
  punchHole: [(pool) => pool.punchHole('/file', 0, 4096)],
  configure: [(pool) => pool.configure('/file', { busy: 'wait' })],
  chmod: [(pool) => pool.chmod('/file', 0o600)],
  chown: [(pool) => pool.chown('/file', 1, 1)],
  lchown: [(pool) => pool.lchown('/link', 1, 1)],
  utimes: [(pool) => pool.utimes('/file', 1, 1)],
  lutimes: [(pool) => pool.lutimes('/link', 1, 1)],
  link: [(pool) => pool.link('/file', '/new')],
  symlink: [(pool) => pool.symlink('/file', '/new')],
  mknod: [(pool) => pool.mknod('/new', 'fifo')],
  unlink: [(pool) => pool.unlink('/file'), (pool) => lost(pool).then((name) => pool.unlink(`/lost+found/${name}`))],
  rmdir: [(pool) => pool.rmdir('/directory')],
  rename: [(pool) => pool.rename('/file', '/new'), (pool) => pool.rename('/file', '/other', { exchange: true })],
  setXattr: [(pool) => pool.setXattr('/file', 'user.x', 'x')],
  removeXattr: [(pool) => pool.removeXattr('/file', 'user.there')],
  reap: [(pool) => pool.reap()],
  grow: [(pool) => pool.grow(8 << 20)],
}

const POOL_READS: Calls<Pool> = {
  readFile: [(pool) => pool.readFile('/file')],
  readdir: [(pool) => pool.readdir('/')],
  entries: [async (pool) => Array.fromAsync(pool.entries('/'))],
  stat: [(pool) => pool.stat('/file')],
  lstat: [(pool) => pool.lstat('/link')],
  exists: [(pool) => pool.exists('/file')],
  access: [(pool) => pool.access('/file', 4)],
  realpath: [(pool) => pool.realpath('/link')],
  readlink: [(pool) => pool.readlink('/link')],
  flushDma: [(pool) => pool.flushDma('/file')],
  getXattr: [(pool) => pool.getXattr('/file', 'user.there')],
  listXattrs: [(pool) => pool.listXattrs('/file')],
  pins: [(pool) => pool.pins(), (pool) => pool.pins({ path: '/file' })],
  leases: [(pool) => pool.leases()],
  why: [(pool) => pool.why('/file')],
  stats: [(pool) => pool.stats()],
  check: [(pool) => pool.check()],
  sync: [(pool) => pool.sync()],
  takenAt: [(pool) => pool.takenAt(0)],
  openInode: [async (pool) => (await pool.openInode((await pool.stat('/file')).ino)).close()],
  handle: [],
  pinKnown: [],
  close: [],
}

const FILE_CHANGES: Calls<File> = {
  pin: [
    (file) => file.pin({ offset: 0, length: 1, mode: 'read' }),
    (file) => file.pin({ offset: 0, length: 1, mode: 'write' }),
  ],
  pinSync: [(file) => file.pinSync({ offset: 0, length: 1, mode: 'read', revocable: false })],
  freeze: [(file) => file.freeze()],
  lease: [(file) => file.lease({ type: 'layout', onRecall: () => undefined })],
  write: [(file) => file.write('x'), (file) => file.write('x', { position: 9 })],
  truncate: [(file) => file.truncate(1), (file) => file.truncate(100_000)],
  punchHole: [(file) => file.punchHole(0, 4096)],
  zeroRange: [(file) => file.zeroRange(0, 4096)],
  collapseRange: [(file) => file.collapseRange(0, 4096)],
  insertRange: [(file) => file.insertRange(0, 4096)],
  allocate: [(file) => file.allocate(0, 100_000)],
  copyFrom: [(file) => file.copyFrom(file, { length: 10, position: 8192 })],
  chmod: [(file) => file.chmod(0o600)],
  chown: [(file) => file.chown(1, 1)],
  utimes: [(file) => file.utimes(1, 1)],
  configure: [(file) => file.configure({ dax: 'never' })],
  link: [(file) => file.link('/new')],
  setXattr: [(file) => file.setXattr('user.x', 'x')],
  removeXattr: [(file) => file.removeXattr('user.there')],
}

const FILE_READS: Calls<File> = {
  read: [(file) => file.read(Buffer.alloc(5)), (file) => file.read(Buffer.alloc(5), { position: 3 })],
  sendTo: [(file) => file.sendTo(new PassThrough().resume())],
  seekData: [(file) => file.seekData(0)],
  seekHole: [(file) => file.seekHole(0)],
  flushDma: [(file) => file.flushDma()],
  stat: [(file) => file.stat()],
  getXattr: [(file) => file.getXattr('user.there')],
  listXattrs: [(file) => file.listXattrs()],
  sync: [(file) => file.sync()],
  contentChanged: [],
  close: [],
}

const LOST_CHANGES: Calls<Pool> = {
  reclaim: [
    (pool) => pool.lostAndFound.reclaim(),
    (pool) => lost(pool).then((name) => pool.lostAndFound.reclaim(name)),
  ],
}

const LOST_READS: Calls<Pool> = {
  list: [(pool) => pool.lostAndFound.list()],
  read: [(pool) => lost(pool).then((name) => pool.lostAndFound.read(name))],
}

const lost = async (pool: Pool): Promise<string> => (await pool.lostAndFound.list())[0].name

/** Names of the methods of an object, inherited ones as well, less those for subclasses. */
function methodsOf(subject: object): string[] {
  const names = new Set<string>()
  for (
    let at = Object.getPrototypeOf(subject) as object;
    at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (typeof value === 'function') names.add(name)
  }
  const inside = ['constructor', 'mustBeOpen', 'mayRead', 'mayWrite', 'hold', 'leaseFor']
  return [...names].filter((name) => !inside.includes(name)).toSorted()
}

function everyMethodIsIn(subject: object, changes: object, reads: object): void {
  const known = [...Object.keys(changes), ...Object.keys(reads)].toSorted()
  assert.deepEqual(methodsOf(subject), known, 'a new method belongs to the changes or the reads of this file')
}

/** EROFS, saying to what and what to do. */
async function refused<T>(calls: Calls<T>, subject: T): Promise<void> {
  for (const [name, variants] of Object.entries(calls)) {
    for (const call of variants) {
      await assert.rejects(
        async () => call(subject),
        (error: HoldfastError) => {
          assert.equal(error.code, 'EROFS', `${name}: ${error.message}`)
          assert.match(error.message, /open for reading only.*without \{ readOnly: true \}.*'\/.*'/, name)
          assert.ok(error.syscall !== '' && error.path?.startsWith('/'), name)
          assert.ok(
            !error.path?.endsWith('meta.db') && !error.path?.endsWith('device'),
            `${name}: the user's own words`,
          )
          return true
        },
        `${name} is refused`,
      )
    }
  }
}

async function answered<T>(calls: Calls<T>, subject: T): Promise<void> {
  for (const call of Object.values(calls).flat()) await call(subject)
}

/** Everything there is to see. */
async function sight(pool: Pool): Promise<unknown> {
  const names = await pool.readdir('/')
  const stats = await Promise.all(names.map((name) => pool.lstat(`/${name}`)))
  return {
    names,
    stats,
    content: String(await pool.readFile('/file')),
    xattrs: await pool.listXattrs('/file'),
    lost: (await pool.lostAndFound.list()).map(({ name }) => name),
    pool: await pool.stats(),
  }
}

test('every method reads, or is EROFS, says to what and what to do, and changes nothing', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', Buffer.alloc(20_000, 'content'))
  await pool.writeFile('/other', 'other')
  await pool.mkdir('/directory')
  await pool.symlink('/file', '/link')
  await pool.setXattr('/file', 'user.there', 'x')
  await using pinned = await pool.open('/other', 'r+')
  using _pin = await pinned.pin({ offset: 0, length: 5, mode: 'read' })
  await pool.unlink('/other')
  await pinned.close()
  await pool.writeFile('/other', 'other')
  const before = await sight(pool)

  const reader = await openedAgain(t, pool, { readOnly: true })
  everyMethodIsIn(reader, POOL_CHANGES, POOL_READS)
  await answered(POOL_READS, reader)
  await refused(POOL_CHANGES, reader)
  everyMethodIsIn(reader.lostAndFound, LOST_CHANGES, LOST_READS)
  await answered(LOST_READS, reader)
  await refused(LOST_CHANGES, reader)
  for (const flags of ['r', O_RDONLY | O_TRUNC, O_RDONLY | O_CREAT]) {
    const file = await reader.open('/file', flags)
    everyMethodIsIn(file, FILE_CHANGES, FILE_READS)
    await answered(FILE_READS, file)
    await refused(FILE_CHANGES, file)
    await file.close()
  }
  assert.deepEqual(await sight(pool), before)
  assert.deepEqual(await pool.check(), [])
})

test('who asks for a pin is told why there is none, and what there is', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'content')
  await pool.writeFile('/copied', 'content')
  await pool.configure('/copied', { dax: 'never' })
  const reader = await openedAgain(t, pool, { readOnly: true })
  for (const path of ['/file', '/copied']) {
    await using file = await reader.open(path)
    const told = {
      code: 'EROFS',
      syscall: 'pin',
      path,
      message: /publishes no pins.*read\(\) and sendTo\(\) give copies/,
    }
    await assert.rejects(file.pin({ offset: 0, length: 1, mode: 'read' }), told)
    assert.throws(() => file.pinSync({ offset: 0, length: 1, mode: 'read' }), told)
    await assert.rejects(file.pin({ offset: -1, length: 1, mode: 'read' }), RangeError)
  }
  await reader.close()
})
