/** Packages that take an `fs`, on a pool: graceful-fs, unionfs, enhanced-resolve, tar-stream. */
import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import enhancedResolve from 'enhanced-resolve'
import gracefulFs from 'graceful-fs'
import tar from 'tar-stream'
import { Union } from 'unionfs'
import { createFs } from '../../src/fs/index.ts'
import type { PoolFs } from '../../src/fs/index.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

test('graceful-fs patches the fs of a pool: retries, and streams of its own classes', async (t) => {
  const pool = await temporaryPool(t)
  const fs = createFs(pool)
  let refusals = 3
  const { open } = fs
  // What graceful-fs is for: too many open files, for a while.
  const refusing = ((...args: Parameters<typeof open>) => {
    if (refusals-- <= 0) return open(...args)
    const callback = args.at(-1) as unknown as (error: Error) => void
    process.nextTick(callback, Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }))
  }) as typeof open
  const patched = gracefulFs.gracefulify({ ...fs, open: refusing } as unknown as typeof nodeFs) as unknown as PoolFs
  await promisify(patched.writeFile)('/a', 'content')
  const fd = await promisify(patched.open)('/a', 'r')
  assert.ok(refusals < 0, 'it was refused, and tried again')
  await promisify(patched.close)(fd)
  await promisify(patched.copyFile)('/a', '/b')
  assert.deepEqual(await promisify(patched.readdir)('/'), ['a', 'b', 'lost+found'])

  await pipeline(patched.createReadStream('/a'), patched.createWriteStream('/c'))
  assert.equal(await pool.readFile('/c', 'utf8'), 'content')
  const stream = new patched.ReadStream('/a' as never)
  assert.ok(stream instanceof patched.ReadStream && stream instanceof fs.ReadStream)
  assert.equal(Buffer.concat(await stream.toArray()).toString(), 'content')
})

test('unionfs puts a pool over the host: what is in neither is ENOENT', async (t) => {
  const pool = await temporaryPool(t)
  await pool.mkdir('/etc')
  await pool.writeFile('/etc/in-the-pool', 'of the pool')
  const union = new Union()
  union.use(nodeFs).use(createFs(pool) as unknown as typeof nodeFs)
  const read = promisify(union.readFile)
  assert.equal(String(await read('/etc/in-the-pool')), 'of the pool')
  assert.deepEqual(await read(import.meta.filename), nodeFs.readFileSync(import.meta.filename))
  assert.equal(String(await union.promises.readFile('/etc/in-the-pool')), 'of the pool')
  await assert.rejects(union.promises.readFile('/etc/nowhere-at-all'), { code: 'ENOENT', path: '/etc/nowhere-at-all' })
  const streamed = union.createReadStream('/etc/in-the-pool')
  assert.equal(Buffer.concat(await streamed.toArray()).toString(), 'of the pool')
})

test('enhanced-resolve, as webpack has it, finds modules in a pool through packages and symlinks', async (t) => {
  const pool = await temporaryPool(t)
  const fs = createFs(pool)
  await fs.promises.mkdir('/app/node_modules/@scope', { recursive: true })
  await fs.promises.mkdir('/packages/linked/lib', { recursive: true })
  await fs.promises.writeFile(
    '/packages/linked/package.json',
    JSON.stringify({ name: '@scope/linked', exports: { './deep': './lib/deep.js' } }),
  )
  await fs.promises.writeFile('/packages/linked/lib/deep.js', '')
  await fs.promises.symlink('/packages/linked', '/app/node_modules/@scope/linked')
  await fs.promises.writeFile('/app/index.ts', '')
  const resolver = enhancedResolve.ResolverFactory.createResolver({
    fileSystem: new enhancedResolve.CachedInputFileSystem(fs as never, 1000),
    extensions: ['.ts', '.js'],
    conditionNames: ['import'],
  })
  const resolve = (request: string): Promise<string | false | undefined> =>
    new Promise((done, fail) => {
      resolver.resolve({}, '/app', request, {}, (error, found) => (error === null ? done(found) : fail(error)))
    })
  assert.equal(await resolve('@scope/linked/deep'), '/packages/linked/lib/deep.js')
  assert.equal(await resolve('./index'), '/app/index.ts')
  await assert.rejects(resolve('./nothing'), /Can't resolve/)
})

test('tar-stream packs a tree of a pool and unpacks it again, by streams', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 32 << 20 })
  const fs = createFs(pool)
  await fs.promises.mkdir('/from/deep', { recursive: true })
  const large = Buffer.alloc(3_000_000, 'tape ')
  await fs.promises.writeFile('/from/large', large, { mode: 0o640 })
  await fs.promises.writeFile('/from/deep/empty', '')
  await fs.promises.symlink('../large', '/from/deep/link')

  const pack = tar.pack()
  const packed = pipeline(pack, fs.createWriteStream('/archive.tar'))
  for (const entry of await fs.promises.readdir('/from', { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath}/${entry.name}`
    const stat = await fs.promises.lstat(path)
    const name = path.slice('/from/'.length)
    const header = { name, mode: stat.mode & 0o7777, mtime: stat.mtime }
    if (entry.isDirectory()) pack.entry({ ...header, type: 'directory' })
    else if (entry.isSymbolicLink())
      pack.entry({ ...header, type: 'symlink', linkname: await fs.promises.readlink(path) })
    else await pipeline(fs.createReadStream(path), pack.entry({ ...header, size: stat.size }))
  }
  pack.finalize()
  await packed

  const extract = tar.extract()
  extract.on('entry', ({ name, type, mode, linkname }, stream, next) => {
    const path = `/to/${name}`
    const made =
      type === 'directory'
        ? fs.promises.mkdir(path, { recursive: true })
        : type === 'symlink'
          ? fs.promises.symlink(linkname ?? '', path)
          : pipeline(stream, fs.createWriteStream(path, { mode }))
    stream.resume()
    made.then(
      () => process.nextTick(next),
      (error: Error) => process.nextTick(next, error),
    )
  })
  await fs.promises.mkdir('/to')
  await pipeline(fs.createReadStream('/archive.tar'), extract)
  assert.deepEqual(await fs.promises.readFile('/to/deep/link'), large)
  assert.equal((await fs.promises.stat('/to/large')).mode & 0o777, 0o640)
  assert.equal((await fs.promises.stat('/to/deep/empty')).size, 0)
  assert.deepEqual(await fs.promises.readdir('/to'), await fs.promises.readdir('/from'))
})
