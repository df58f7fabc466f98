/** A pool opened for reading only: what it shows, to whom, and that nobody is the wiser. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { HoldfastError, Pool } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { mountTemporary } from '../device/mounted.ts'
import { startProcess } from '../support/participant.ts'
import { connection, everything } from '../support/pinned-content.ts'
import { isRoot, letOthersRead, reading, startReader } from '../support/reader.ts'
import { stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const contentOf = (pool: Pool, path: string): Promise<Buffer> => pool.readFile(path)
const namesIn = (pool: Pool): Promise<string[]> => pool.readdir('/')

function same(actual: Uint8Array, expected: Uint8Array): void {
  assert.ok(Buffer.from(actual).equals(expected), 'the bytes are those that were written')
}

/** Every file of a directory, with what would show that it was touched. */
function traces(directory: string): unknown[] {
  return (readdirSync(directory, { recursive: true }) as string[]).toSorted().map((name) => {
    const path = join(directory, name)
    const { size, mtimeMs, ctimeMs, mode } = statSync(path)
    const hash = statSync(path).isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
    return { name, size, mtimeMs, ctimeMs, mode, hash }
  })
}

for (const on of ['tmpfs', 'disk'] as const) {
  describe(`who may read the directory on ${on} and not write it`, () => {
    test('is refused by an ordinary opening, which names the option', { skip: !isRoot }, async (t) => {
      const pool = await temporaryPool(t, { on })
      const reader = await startReader(t, pool.path)
      const opening = reader.run(async (here, path) => void (await here.openPool(path)), pool.path)
      await assert.rejects(opening, { code: 'EACCES', message: /\{ readOnly: true \}.*open '.*pool'/ })
    })

    test('sees each change at once while the writer lives, after it left, and when another comes', async (t) => {
      const pool = await temporaryPool(t, { on })
      await pool.writeFile('/a', stamped(1, 3))
      const reader = await startReader(t, pool.path)
      same(await reading(reader, contentOf, '/a'), stamped(1, 3))
      await pool.writeFile('/a', stamped(2, 5))
      same(await reading(reader, contentOf, '/a'), stamped(2, 5))
      await pool.truncate('/a', 100)
      same(await reading(reader, contentOf, '/a'), stamped(2, 1).subarray(0, 100))
      await pool.chmod('/a', 0o640)
      assert.equal((await reading(reader, async (here) => (await here.stat('/a')).mode)) & 0o777, 0o640)
      await pool.rename('/a', '/b')
      assert.deepEqual(await reading(reader, namesIn), ['b', 'lost+found'])
      await pool.close()
      same(await reading(reader, contentOf, '/b'), stamped(2, 1).subarray(0, 100))

      const later = await startProcess(t)
      await later.run(async (here, path) => {
        await here.attach(path)
        await here.pool.writeFile('/b', here.data.stamped(3, 40))
        await here.pool.punchHole('/b', 4096, 4096)
      }, pool.path)
      const expected = stamped(3, 40).fill(0, BLOCK, 2 * BLOCK)
      same(await reading(reader, contentOf, '/b'), expected)
      await later.kill()
      same(await reading(reader, contentOf, '/b'), expected)
    })

    test('sees a pool at rest, and what those change who come later, whether they stay or not', async (t) => {
      const pool = await temporaryPool(t, { on })
      await pool.writeFile('/a', stamped(1, 3))
      await pool.close()
      assert.ok(!existsSync(join(pool.path, 'meta.db-wal')))
      const reader = await startReader(t, pool.path)
      same(await reading(reader, contentOf, '/a'), stamped(1, 3))
      const file = (here: Pool): Promise<number> => here.stat('/a').then((stat) => stat.size)
      assert.equal(await reading(reader, file), 3 * BLOCK)

      // Comes and leaves between two looks.
      const first = await openPool(pool.path)
      await first.writeFile('/a', stamped(2, 6))
      await first.close()
      assert.equal(await reading(reader, file), 6 * BLOCK)
      same(await reading(reader, contentOf, '/a'), stamped(2, 6))
      // Comes, is looked at before it changes anything, and stays.
      const second = await openPool(pool.path)
      t.after(() => second.close())
      same(await reading(reader, contentOf, '/a'), stamped(2, 6))
      await second.unlink('/a')
      await second.writeFile('/c', stamped(3, 2))
      assert.deepEqual(await reading(reader, namesIn), ['c', 'lost+found'])
      same(await reading(reader, contentOf, '/c'), stamped(3, 2))
    })

    test('sees what is in slots, logs and blocks that are made after the directory was opened up', async (t) => {
      const umask = process.umask(0o077)
      const pool = await temporaryPool(t, { on }).finally(() => process.umask(umask))
      await pool.writeFile('/a', stamped(1, 3))
      const reader = await startReader(t, pool.path)
      const other = await startProcess(t)
      await other.run(async (here, path) => {
        process.umask(0o077)
        await here.attach(path)
        here.kept.file = await here.pool.open('/a', 'r+')
        here.kept.pin = await here.kept.file.pin({ offset: 4096, length: 100, mode: 'read' })
      }, pool.path)
      const pins = await reading(reader, (here) => here.pins())
      assert.deepEqual(
        pins.map(({ pid, offset, path, kind }) => ({ pid, offset, path, kind })),
        [{ pid: other.pid, offset: 4096, path: '/a', kind: 'pin' }],
      )
      await pool.grow(64 << 20)
      await pool.writeFile('/large', Buffer.alloc(32 << 20, 7))
      assert.ok((await reading(reader, contentOf, '/large')).every((byte) => byte === 7))
      await other.kill()
      assert.deepEqual(await reading(reader, (here) => here.pins()), [], 'a dead owner has no pins')
    })
  })
}

test('stats, pins, check and lost+found say what they say to a participant', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', stamped(1, 3))
  await using file = await pool.open('/a', 'r+')
  using pin = await file.pin({ offset: BLOCK, length: BLOCK, mode: 'read' })
  await file.truncate(0)
  const reader = await openedAgain(t, pool, { readOnly: true })
  const ageless = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value), (key, inner: unknown) => (key === 'ageMs' ? 0 : inner))
  assert.equal(pool.isReadOnly, false)
  assert.equal(reader.isReadOnly, true)
  assert.deepEqual(await reader.stats(), await pool.stats())
  assert.deepEqual(ageless(await reader.pins()), ageless(await pool.pins()))
  assert.deepEqual(ageless(await reader.lostAndFound.list()), ageless(await pool.lostAndFound.list()))
  const [lost] = await reader.lostAndFound.list()
  assert.equal(lost.holders.length, 1)
  same(await reader.lostAndFound.read(lost.name), Buffer.from(pin.buffer))
  assert.deepEqual(await reader.check(), [])
  assert.deepEqual(reader.properties, pool.properties)
  await reader.sync()
})

test('leaves no trace, at rest or beside others, and is in nobody’s way', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', stamped(1, 300))
  await using file = await pool.open('/a', 'r+')
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  await file.truncate(0)
  pin.release()
  await file.close()
  await pool.writeFile('/b', stamped(2, 3))
  const look = async (reader: Pool): Promise<void> => {
    await using opened = await reader.open('/b')
    await opened.read(Buffer.alloc(BLOCK), { position: 0 })
    await reader.readFile('/b')
    await reader.stats()
    await assert.rejects(opened.pin({ offset: 0, length: 1, mode: 'read' }), { code: 'EROFS' })
    await assert.rejects(reader.unlink('/b'), { code: 'EROFS' })
  }
  const reader = await openPool(pool.path, { readOnly: true })
  await look(reader)
  assert.equal((await pool.stats()).participants, 1)
  await pool.close()
  await reader.close()
  // With the log gone there is nothing that a look could add to.
  await openPool(pool.path).then((again) => again.close())
  const before = traces(pool.path)
  const another = await openPool(pool.path, { readOnly: true })
  t.after(() => another.close())
  await look(another)
  assert.deepEqual(traces(pool.path), before)
  // Who comes is the first, reader or not: idle files of lost+found go.
  const fresh = await openPool(pool.path)
  t.after(() => fresh.close())
  assert.deepEqual(await fresh.lostAndFound.list(), [])
  await another.close()
  same(await fresh.readFile('/b'), stamped(2, 3))
})

test('a file that others remove goes although it is open, and the error says so', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', stamped(1, 3))
  const reader = await openedAgain(t, pool, { readOnly: true })
  const file = await reader.open('/a')
  const buffer = Buffer.alloc(BLOCK)
  await file.read(buffer, { position: 0 })
  await pool.unlink('/a')
  const gone = { code: 'ESTALE', path: '/a', message: /removed.*reading only.*by its path/ }
  await assert.rejects(file.read(buffer, { position: 0 }), gone)
  await assert.rejects(file.stat(), gone)
  await using target = await open('/dev/null', 'w')
  await assert.rejects(file.sendTo(target), gone)
  await assert.rejects(reader.open('/a'), { code: 'ENOENT', path: '/a' })
  await file.close()
  // The same name again is another file.
  await pool.writeFile('/a', stamped(2, 3))
  same(await reader.readFile('/a'), stamped(2, 3))
})

test('sendTo gives copies, to a socket and to a file', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
  const content = stamped(1, 600)
  await pool.writeFile('/a', content)
  const reader = await openedAgain(t, pool, { readOnly: true })
  await using file = await reader.open('/a')
  const { near, far } = await connection(t, 'tcp')
  const received = everything(far)
  assert.equal(await file.sendTo(near), content.length)
  near.end()
  same(await received, content)
  const path = join(temporaryDirectory(t), 'copy')
  await using target = await open(path, 'w')
  assert.equal(await file.sendTo(target, { start: 1000, end: 2_000_000 }), 1_999_000)
  same(readFileSync(path), content.subarray(1000, 2_000_000))
})

test('flushDma waits for the pins of others by looking', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', stamped(1, 3))
  await using file = await pool.open('/a', 'r+')
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  const reader = await openedAgain(t, pool, { readOnly: true })
  await assert.rejects(reader.flushDma('/a', { timeoutMs: 30 }), (error: HoldfastError) => {
    assert.equal(error.code, 'ETIMEDOUT')
    assert.deepEqual(
      error.holders?.map(({ pid, kind }) => ({ pid, kind })),
      [{ pid: process.pid, kind: 'pin' }],
    )
    return true
  })
  const flushed = reader.flushDma('/a')
  pin.release()
  await flushed
})

test('holes, sizes, links and attributes are those of the moment', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', stamped(1, 4))
  await pool.symlink('/a', '/link')
  await pool.setXattr('/a', 'user.x', 'one')
  await pool.configure('/a', { dax: 'never' })
  const reader = await openedAgain(t, pool, { readOnly: true })
  await using file = await reader.open('/link')
  await pool.punchHole('/a', BLOCK, 2 * BLOCK)
  assert.equal(await file.seekHole(0), BLOCK)
  assert.equal(await file.seekData(BLOCK), 3 * BLOCK)
  const buffer = Buffer.alloc(10 * BLOCK, 9)
  assert.equal((await file.read(buffer, { position: 0 })).bytesRead, 4 * BLOCK)
  same(buffer.subarray(0, 4 * BLOCK), stamped(1, 4).fill(0, BLOCK, 3 * BLOCK))
  await pool.truncate('/a', 6 * BLOCK)
  assert.equal((await file.read(buffer, { position: 0 })).bytesRead, 6 * BLOCK)
  assert.ok(buffer.subarray(4 * BLOCK, 6 * BLOCK).every((byte) => byte === 0))
  await using writer = await pool.open('/a', 'r+')
  await writer.write(stamped(7, 1), { position: BLOCK })
  assert.equal((await file.read(buffer, { position: BLOCK, length: BLOCK })).bytesRead, BLOCK)
  same(buffer.subarray(0, BLOCK), stamped(7, 1))
  await pool.setXattr('/a', 'user.x', 'two')
  assert.equal(String(await file.getXattr('user.x')), 'two')
  assert.deepEqual(await reader.listXattrs('/link'), ['user.x'])
  assert.equal(await reader.readlink('/link'), '/a')
  assert.equal(await reader.realpath('/link'), '/a')
})

for (const left of ['at rest', 'by a process that was killed'] as const) {
  test(`a pool on a read-only file system is read, left ${left}`, async (t) => {
    const mounted = mountTemporary('ext4')
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const path = join(mounted.directory, 'pool')
    const writer = await startProcess(t)
    await writer.run(
      async (here, at, isKilled) => {
        const pool = await here.createPool(at, { sizeBytes: 4 << 20 })
        await pool.writeFile('/a', here.data.stamped(1, 3))
        if (!isKilled) await pool.close()
      },
      path,
      left !== 'at rest',
    )
    await writer.kill()
    mounted.makeReadOnly()
    await assert.rejects(openPool(path), { code: 'EROFS', message: /\{ readOnly: true \}/ })
    const reader = await openPool(path, { readOnly: true })
    same(await reader.readFile('/a'), stamped(1, 3))
    assert.deepEqual(await reader.check(), [])
    await reader.close()
  })
}

test('a look at a pool at rest is never behind those who come and go', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/count', stamped(1, 2))
  await pool.close()
  const writer = await startProcess(t)
  const writing = writer.run(async (here, path) => {
    for (let count = 2; count <= 40; count++) {
      const own = await here.openPool(path)
      await own.writeFile('/next', here.data.stamped(count, 2))
      await own.rename('/next', '/count')
      await own.close()
    }
  }, pool.path)
  let last = 1
  let isOver = false
  const over = writing.finally(() => {
    isOver = true
  })
  for (let isLast = false; !isLast;) {
    isLast = isOver
    const reader = await openPool(pool.path, { readOnly: true })
    for (let look = 0; look < 4; look++) {
      const content = await reader.readFile('/count').catch((error: HoldfastError) => {
        // Replaced while it was being opened, or read.
        if (error.code !== 'ENOENT' && error.code !== 'ESTALE') throw error
      })
      if (content === undefined) continue
      const count = content.readUInt32LE(0) >>> 16
      same(content, stamped(count, 2))
      assert.ok(count >= last, `${count} comes after ${last}`)
      last = count
      await new Promise((resolve) => setTimeout(resolve, look))
    }
    await reader.close()
  }
  await over
  assert.equal(last, 40)
})

test('a pool that is none, or was never opened, is refused with what to do', async (t) => {
  const directory = temporaryDirectory(t)
  await assert.rejects(openPool(directory, { readOnly: true }), { code: 'ENOENT', message: /mkfs/ })
  const path = join(directory, 'pool')
  await createPool(path, { sizeBytes: 4 << 20 }).then((pool) => pool.close())
  letOthersRead(path)
  rmSync(join(path, 'pins', 'table'))
  await assert.rejects(openPool(path, { readOnly: true }), { code: 'ENOENT', message: /open it once/ })
})

test('a new pool is its owner’s alone, whatever the umask and the directory', async (t) => {
  const directory = temporaryDirectory(t)
  const umask = process.umask(0)
  const pool = await createPool(directory, { sizeBytes: 4 << 20 }).finally(() => process.umask(umask))
  await pool.close()
  for (const name of readdirSync(directory, { recursive: true }) as string[])
    assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name)
})

test('a file of the pool that may not be read is named', { skip: !isRoot }, async (t) => {
  const pool = await temporaryPool(t)
  const reader = await startReader(t, pool.path)
  const opening = (): Promise<void> =>
    reader.run(async (here, path) => (await here.openPool(path, { readOnly: true })).close(), pool.path)
  await opening()
  for (const [name, message] of [
    ['pins/table', /chmod -R go\+rX/],
    ['device', /readable/],
    ['meta.db', /./],
  ] as const) {
    chmodSync(join(pool.path, name), 0o600)
    await assert.rejects(opening(), { code: 'EACCES', path: join(pool.path, name), message })
    chmodSync(join(pool.path, name), 0o644)
  }
})
