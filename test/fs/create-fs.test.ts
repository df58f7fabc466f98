/** The object as a whole: what is in it and what is not, paths, options, errors, callbacks. */
import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import type * as nodePromises from 'node:fs/promises'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { PoolFs } from '../../src/fs/index.ts'
import { createFs } from '../../src/fs/index.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

/** What node:fs has and this has not, besides everything synchronous. */
const ABSENT = ['Utf8Stream', '_toUnixTimestamp', 'lchmod', 'openAsBlob', 'FileReadStream', 'FileWriteStream']

test('everything of node:fs is there that does not have to be done at once, and nothing pretends to be', async (t) => {
  const fs = createFs(await temporaryPool(t))
  const wanted = Object.keys(nodeFs).filter(
    (name) =>
      !name.endsWith('Sync') && !ABSENT.includes(name) && !['default', 'F_OK', 'R_OK', 'W_OK', 'X_OK'].includes(name),
  )
  assert.deepEqual(Object.keys(fs).toSorted(), wanted.toSorted())
  assert.deepEqual(
    Object.keys(fs.promises).toSorted(),
    Object.keys(nodeFs.promises)
      .filter((name) => name !== 'lchmod')
      .toSorted(),
  )
  assert.equal('readFileSync' in fs, false)
  assert.equal(fs.constants, nodeFs.constants)
})

test('it has the types of node:fs', async (t) => {
  const fs = createFs(await temporaryPool(t))
  fs satisfies Pick<
    typeof nodeFs,
    | 'readFile'
    | 'writeFile'
    | 'stat'
    | 'lstat'
    | 'open'
    | 'read'
    | 'write'
    | 'close'
    | 'createReadStream'
    | 'watch'
    | 'cp'
  >
  fs.promises satisfies Omit<typeof nodePromises, 'lchmod' | 'opendir'>
  const handle: nodePromises.FileHandle = await fs.promises.open('/a', 'w+')
  await handle.close()
  const stats: nodeFs.BigIntStats = await fs.promises.stat('/a', { bigint: true })
  assert.equal(stats.size, 0n)
  // @ts-expect-error what is not there is not declared
  assert.equal(fs.existsSync, undefined)
})

test('a path is a string, a Buffer or a file: URL, from the root of the pool', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.mkdir('dir')
  await promises.writeFile(Buffer.from('/dir/ü'), 'content')
  for (const path of ['/dir/ü', 'dir/ü', './dir/ü', Buffer.from('dir/ü'), pathToFileURL('/dir/ü'), '/dir/../dir/ü'])
    assert.equal(await promises.readFile(path, 'utf8'), 'content')
  assert.deepEqual(await promises.readdir('/dir', 'buffer'), [Buffer.from('ü')])
  assert.deepEqual(await promises.readdir('/dir', { encoding: 'hex' as never }), ['c3bc'])
  for (const path of [5, null, {}, undefined])
    await assert.rejects(promises.stat(path as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(promises.stat('a\0b'), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(promises.stat(Buffer.from([0xff])), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(promises.stat(new URL('https://example.org/a')), { code: 'ERR_INVALID_URL_SCHEME' })
})

test('errors are those of node:fs, with its words: code, errno, syscall, path, dest', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.writeFile('/file', '')
  const expected: [() => Promise<unknown>, object][] = [
    [() => promises.readFile('/no'), { code: 'ENOENT', errno: -2, syscall: 'open', path: '/no' }],
    [() => promises.truncate('/no'), { code: 'ENOENT', syscall: 'open', path: '/no' }],
    [() => promises.symlink('target', '/file'), { code: 'EEXIST', syscall: 'symlink', path: 'target', dest: '/file' }],
    [() => promises.rename('/no', '/b'), { code: 'ENOENT', syscall: 'rename', path: '/no', dest: '/b' }],
    [() => promises.copyFile('/no', '/b'), { code: 'ENOENT', syscall: 'copyfile', path: '/no', dest: '/b' }],
    [() => promises.copyFile('/file', '/b', 4), { code: 'ENOTSUP', syscall: 'copyfile', path: '/file', dest: '/b' }],
    [() => promises.rm('/no'), { code: 'ENOENT', syscall: 'lstat', path: '/no' }],
    [() => promises.rm('/lost+found'), { code: 'ERR_FS_EISDIR', errno: 21, syscall: 'rm', name: 'SystemError' }],
    [() => promises.mkdtemp('/no/x-'), { code: 'ENOENT', syscall: 'mkdtemp' }],
    [() => promises.statfs('/no'), { code: 'ENOENT', syscall: 'statfs', path: '/no' }],
    [() => promises.opendir('/file'), { code: 'ENOTDIR', syscall: 'opendir', path: '/file' }],
    [() => promises.cp('/file', '/file'), { code: 'ERR_FS_CP_EINVAL', errno: 22, syscall: 'cp', path: '/file' }],
  ]
  for (const [call, error] of expected) await assert.rejects(call, error)
  await assert.rejects(promises.readFile('/no'), (error: Error) => /^ENOENT: .*, open '\/no'$/.test(error.message))
})

test('callbacks: wrong arguments throw at once, the rest calls back later, once', async (t) => {
  const fs = createFs(await temporaryPool(t))
  assert.throws(() => fs.stat('/a', undefined as never), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => fs.stat(5 as never, () => undefined), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => fs.open('/a', 'q', () => undefined), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => fs.writeFile('/a', 5 as never, () => undefined), { code: 'ERR_INVALID_ARG_TYPE' })
  // oxlint-disable-next-line typescript/no-deprecated -- old programs call it
  const exists = promisify(fs.exists)
  assert.deepEqual([await exists('/a'), await exists('/')], [false, true])
  assert.equal(await promisify(fs.realpath.native)('/lost+found/..'), '/')
  assert.deepEqual(await promisify(fs.glob)('l*'), ['lost+found'])

  // What a callback throws is an uncaught exception, as in node:fs.
  const thrown = new Error('by the callback')
  const caught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve))
  t.after(() => process.setUncaughtExceptionCaptureCallback(null))
  fs.mkdir('/b', () => {
    throw thrown
  })
  assert.equal(await caught, thrown)
})

test('stat tells identity, kind and times; with bigint to the nanosecond', async (t) => {
  const pool = await temporaryPool(t)
  const fs = createFs(pool)
  await fs.promises.writeFile('/a', 'content', { mode: 0o600 })
  await pool.utimes('/a', 1_000_000_001n, 2_123_456_789n)
  const found = await fs.promises.stat('/a')
  assert.ok(found instanceof fs.Stats && found.isFile() && !found.isDirectory())
  assert.equal(found.mode, 0o100_600)
  assert.equal(found.mtimeMs, 2123.456789)
  assert.deepEqual([found.mtime, found.atime], [new Date(2123), new Date(1000)])
  const exactly = await promisify(fs.stat)('/a', { bigint: true })
  assert.deepEqual([exactly.mtimeNs, exactly.mtimeMs, exactly.size], [2_123_456_789n, 2123n, 7n])
  assert.equal(found.dev, (await fs.promises.stat('/')).dev)
  assert.equal(createFs(await openedAgain(t, pool)).Stats, fs.Stats)
  const other = createFs(await temporaryPool(t))
  assert.notEqual((await other.promises.stat('/')).dev, found.dev, 'another pool is another device')
  assert.deepEqual(await fs.promises.stat('/no', { throwIfNoEntry: false } as never), undefined)
})

test('statfs tells the space of the pool', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 8 << 20 })
  const { promises } = createFs(pool)
  const before = await promises.statfs('/')
  await promises.writeFile('/a', Buffer.alloc(1 << 20))
  const after = await promises.statfs('/', { bigint: true })
  assert.equal(before.bsize * before.blocks, 8 << 20)
  assert.equal(BigInt(before.bfree) - after.bfree, 256n)
})

test('opendir reads entry by entry, holds nothing, and cannot read at once', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.mkdir('/d/e', { recursive: true })
  await promises.writeFile('/d/e/f', '')
  const directory = await promises.opendir('/d', { recursive: true })
  assert.equal(directory.path, '/d')
  const first = await directory.read()
  assert.deepEqual([first?.name, first?.parentPath, first?.isDirectory()], ['e', '/d', true])
  const rest: string[] = []
  for await (const { name, parentPath } of directory) rest.push(`${parentPath}/${name}`)
  assert.deepEqual(rest, ['/d/e/f'])
  await assert.rejects(directory.close(), { code: 'ERR_DIR_CLOSED' })
  await assert.rejects(directory.read(), { code: 'ERR_DIR_CLOSED' })
  assert.equal('readSync' in directory, false)
})

test('mkdtempDisposable removes what is in it', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  let path: string
  {
    await using temporary = await promises.mkdtempDisposable('/t-')
    ;({ path } = temporary)
    await promises.writeFile(`${path}/a`, 'x')
  }
  assert.match(path, /^\/t-[A-Za-z0-9]{6}$/)
  await assert.rejects(promises.stat(path), { code: 'ENOENT' })
})

test('rm tries again while blocks are pinned and the policy is to fail', async (t) => {
  const pool = await temporaryPool(t, { busy: 'fail' })
  const { promises } = createFs(pool)
  await promises.mkdir('/d')
  await promises.writeFile('/d/a', 'content')
  await using file = await pool.open('/d/a')
  const pin = await file.pin({ offset: 0, length: 7, mode: 'read' })
  await assert.rejects(promises.rm('/d', { recursive: true }), { code: 'EBUSY', syscall: 'unlink', path: '/d/a' })
  setTimeout(() => pin.release(), 50)
  await promises.rm('/d', { recursive: true, maxRetries: 20, retryDelay: 10 })
  await assert.rejects(promises.stat('/d'), { code: 'ENOENT' })
})

test('a pool that is open for reading only reads, and says EROFS to the rest', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', 'content')
  const { promises } = createFs(await openedAgain(t, pool, { readOnly: true }))
  assert.equal(await promises.readFile('/a', 'utf8'), 'content')
  await assert.rejects(promises.writeFile('/a', 'x'), { code: 'EROFS', syscall: 'open', path: '/a' })
  await assert.rejects(promises.mkdir('/d'), { code: 'EROFS', syscall: 'mkdir', path: '/d' })
})

test('what is no pool is refused, and a closed pool is EBADF', async (t) => {
  assert.throws(() => createFs({} as never), { code: 'ERR_INVALID_ARG_TYPE' })
  const pool = await temporaryPool(t)
  const fs: PoolFs = createFs(pool)
  await pool.close()
  await assert.rejects(fs.promises.readFile('/a'), { code: 'EBADF', syscall: 'open' })
})

test('options of the wrong type are refused before anything is done, as by node:fs', async (t) => {
  const { promises } = createFs(await temporaryPool(t))
  await promises.mkdir('/d')
  await promises.writeFile('/d/a', 'content')
  await using handle = await promises.open('/d/a', 'r+')
  const calls: (() => Promise<unknown>)[] = [
    () => promises.rm('/d', { recursive: 1 as never }),
    () => promises.rm('/d', { recursive: true, force: 'yes' as never }),
    () => promises.writeFile('/d/a', 'x', { flush: 1 as never }),
    () => promises.appendFile('/d/a', 'x', { flush: 'no' as never }),
    () => handle.writeFile('x', { flush: 1 } as never),
  ]
  for (const call of calls)
    await assert.rejects(call, {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /^The "options\.\w+" property must be of type boolean/,
    })
  await assert.rejects(promises.rm('/d', { maxRetries: 2 ** 32 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(await promises.readFile('/d/a', 'utf8'), 'content')
})
