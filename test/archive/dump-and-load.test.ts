/** What a dump keeps, who can read it, and what does not become a pool. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import tar from 'tar-stream'
import { dumpPool, loadPool } from '../../src/archive/index.ts'
import type { Loaded } from '../../src/archive/index.ts'
import type { Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { mountTemporary } from '../device/mounted.ts'
import { Random } from '../stress/random.ts'
import { openedAgain, temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'
import { fillWithEverything, portraitOf } from './portrait.ts'

/** A dump in memory. */
async function dumped(pool: Pool): Promise<Buffer> {
  const pieces: Buffer[] = []
  const target = new Writable({
    write: (piece: Buffer, _encoding, done) => {
      pieces.push(piece)
      done()
    },
  })
  await dumpPool(pool, target)
  return Buffer.concat(pieces)
}

/** In pieces of odd lengths, as a pipe may give them. */
const streamOf = (archive: Buffer, piece = 7001): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(archive.length / piece) }, (_, i) => archive.subarray(i * piece, (i + 1) * piece)),
    { objectMode: false },
  )

const load = (archive: Buffer, path: string, sizeBytes?: number): Promise<Loaded> =>
  loadPool(streamOf(archive), path, { sizeBytes })

/** The archive is refused, and there is nothing where the pool would be, nor beside it. */
async function mustRefuse(t: TestContext, archive: Buffer, expected: object): Promise<void> {
  const directory = temporaryDirectory(t)
  await assert.rejects(load(archive, join(directory, 'pool')), expected)
  assert.deepEqual(readdirSync(directory), [])
}

async function everything(t: TestContext): Promise<{ pool: Pool; archive: Buffer }> {
  const pool = await temporaryPool(t, { sizeBytes: 32 << 20, busy: 'wait', dax: 'always', leaseBreakTimeMs: 1234 })
  await fillWithEverything(pool)
  return { pool, archive: await dumped(pool) }
}

test('a pool that was dumped and loaded is the same, but for numbers and the times nobody can set', async (t) => {
  const { pool, archive } = await everything(t)
  const path = join(temporaryDirectory(t), 'copy')
  const loaded = await load(archive, path)
  await using copy = await openPool(path)
  assert.deepEqual(await portraitOf(copy), await portraitOf(pool))
  assert.deepEqual(await copy.check(), [])
  const { uuid, busy, leaseBreakTimeMs, blockCount } = copy.properties
  assert.deepEqual([busy, leaseBreakTimeMs, blockCount], ['wait', 1234, pool.properties.blockCount])
  assert.equal(uuid, loaded.uuid)
  assert.notEqual(uuid, pool.properties.uuid, 'it is another pool')
  const { files, directories, symlinks, links, nodes } = loaded
  assert.deepEqual([files, directories, symlinks, links, nodes], [8, 4, 2, 3, 3])
  assert.equal((await pool.stats()).pins, 0, 'nothing stays pinned')
})

test('tar unpacks a dump: content, holes, links, modes, times and attributes', { skip: whyNoTar() }, async (t) => {
  const { pool, archive } = await everything(t)
  const directory = temporaryDirectory(t)
  const { status, stderr } = spawnSync('tar', ['--xattrs', '--xattrs-include=user.*', '-xpf', '-'], {
    cwd: directory,
    input: archive,
    encoding: 'utf8',
  })
  assert.deepEqual([status, stderr], [0, ''])
  const portrait = (await portraitOf(pool)) as Record<
    string,
    { mode: number; mtimeNs: bigint; nlink: number; size: number }
  >
  for (const [path, { mode, mtimeNs, nlink }] of Object.entries(portrait)) {
    if (path === '/socket' || path === '/dangling' || path.includes('link')) continue
    const stat = statSync(join(directory, path), { bigint: true })
    assert.deepEqual([Number(stat.mode), stat.mtimeNs], [mode, mtimeNs], path)
    if (stat.isFile()) assert.equal(Number(stat.nlink), nlink, path)
    if (stat.isFile()) assert.ok(readFileSync(join(directory, path)).equals(await pool.readFile(path)), path)
  }
  assert.ok(statSync(join(directory, 'sparse')).blocks < 100)
})

/** The test unpacks device nodes. */
function whyNoTar(): string | false {
  if (process.getuid?.() !== 0) return 'only root can make device nodes'
  const { stdout } = spawnSync('tar', ['--version'], { encoding: 'utf8' })
  return stdout?.startsWith('tar (GNU tar)') ? false : 'there is no GNU tar'
}

test('another reader of tar finds the same names in it', async (t) => {
  const { pool, archive } = await everything(t)
  const names: string[] = []
  const extract = tar.extract()
  extract.on('entry', ({ name, pax }, stream, next) => {
    names.push(`/${((pax as Record<string, string> | null)?.['GNU.sparse.name'] ?? name).replace(/^\.\/|\/$/g, '')}`)
    stream.on('end', next).resume()
  })
  await pipeline(streamOf(archive), extract)
  assert.deepEqual(names.toSorted(), Object.keys(await portraitOf(pool)).toSorted())
})

test('an archive that is cut off anywhere is refused', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', Buffer.alloc(10_000, 1))
  await pool.mkdir('/directory')
  const archive = await dumped(pool)
  const end = archive.length - 1024
  for (let length = 0; length < end; length += 511) {
    await mustRefuse(t, archive.subarray(0, length), { code: 'EBADMSG' })
  }
  await mustRefuse(t, Buffer.concat([archive.subarray(0, end - 1024), Buffer.alloc(1024)]), {
    code: 'EBADMSG',
    message: /has no end/,
  })
})

test('an archive in which a bit is wrong is refused, wherever it is', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 1 << 20 })
  await pool.writeFile('/file', Buffer.alloc(5000, 1))
  await pool.symlink('file', '/link')
  await pool.link('/file', '/more')
  await pool.mknod('/fifo', 'fifo')
  await pool.setXattr('/file', 'user.name', 'value')
  await pool.truncate('/file', 100_000)
  const archive = await dumped(pool)
  const random = new Random(20_261_128)
  // The last two blocks are only padding, and the sum ends before the record that has it.
  const sure = archive.length - 1024 - 512
  for (let i = 0; i < 150; i++) {
    const damaged = Buffer.from(archive)
    const at = random.below(sure)
    damaged[at] ^= 1 << random.below(8)
    const codes = ['EBADMSG', 'EPROTONOSUPPORT']
    await mustRefuse(
      t,
      damaged,
      (error: { code: string }) => codes.includes(error.code) || assert.fail(`byte ${at}: ${error.code}`),
    )
  }
})

test('what is no dump, a compressed one, and one of a newer version are refused, each with its reason', async (t) => {
  const pool = await temporaryPool(t)
  const archive = await dumped(pool)
  const notOne = { code: 'EBADMSG', message: /no dump of a pool/ }
  await mustRefuse(t, Buffer.alloc(0), notOne)
  await mustRefuse(t, Buffer.from('{"this": "is JSON"}'.repeat(1000)), notOne)
  await mustRefuse(t, Buffer.from([0x1f, 0x8b, ...Buffer.alloc(2000, 7)]), notOne)
  const pack = tar.pack()
  pack.entry({ name: 'file' }, 'of another tar')
  pack.finalize()
  await mustRefuse(t, Buffer.concat(await Array.fromAsync(pack as AsyncIterable<Buffer>)), notOne)
  const newer = Buffer.from(archive.toString('latin1').replace('"version":1', '"version":2'), 'latin1')
  await mustRefuse(t, newer, { code: 'EPROTONOSUPPORT', message: /version 2, this Holdfast knows version 1/ })
})

test('nothing is made outside of the new pool, and nothing through a symlink', async (t) => {
  const pool = await temporaryPool(t)
  await pool.mkdir('/real')
  await pool.mkdir('/zlink')
  await pool.writeFile('/zlink/file', 'x')
  const archive = await dumped(pool)
  // The directory becomes a file of the same name: what comes next would lie in it.
  for (const name of ['../file', 'x/../file', '/etc/file', 'real/..']) {
    const block = Buffer.from(archive)
    const at = block.indexOf('zlink/file')
    block.fill(0, at, at + 100).write(name, at)
    let sum = 8 * 32
    for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += block[at + i]
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148)
    await mustRefuse(t, block, { code: 'EBADMSG', message: /(?:directory is not there|no name)/ })
  }
})

test('a place that is taken is EEXIST, and stays as it is; an empty directory is none', async (t) => {
  const { pool, archive } = await everything(t)
  const directory = temporaryDirectory(t)
  await assert.rejects(load(archive, pool.path), { code: 'EEXIST', path: pool.path })
  assert.deepEqual(await pool.check(), [])
  await assert.rejects(load(archive, join(directory, 'no', 'such')), { code: 'ENOENT' })
  const empty = join(directory, 'empty')
  mkdirSync(empty)
  await load(archive, empty)
  await (await openPool(empty)).close()
  // Somebody is quicker than the load.
  const late = join(directory, 'late')
  const source = streamOf(archive)
  const loading = loadPool(source, late, { onProgress: () => mkdirSync(join(late, 'other'), { recursive: true }) })
  await assert.rejects(loading, { code: 'EEXIST', path: late })
  assert.deepEqual(readdirSync(directory).toSorted(), ['empty', 'late'])
  assert.deepEqual(readdirSync(late), ['other'])
})

test('a pool that is too small for the archive is ENOSPC, a larger one has room', async (t) => {
  const { archive } = await everything(t)
  const directory = temporaryDirectory(t)
  await assert.rejects(load(archive, join(directory, 'small'), 1 << 20), { code: 'ENOSPC' })
  assert.deepEqual(readdirSync(directory), [])
  assert.equal((await load(archive, join(directory, 'large'), 1 << 30)).sizeBytes, 1 << 30)
})

test('a host without space is ENOSPC, for the archive as for the pool', async (t) => {
  const small = mountTemporary('tmpfs')
  if (typeof small === 'string') return t.skip(small)
  t.after(() => small.release())
  const pool = await temporaryPool(t, { sizeBytes: 64 << 20 })
  await pool.writeFile('/file', Buffer.alloc(40 << 20, 1))
  const file = join(small.directory, 'pool.tar')
  await assert.rejects(dumpPool(pool, createWriteStream(file)), { code: 'ENOSPC' })
  assert.equal((await pool.stats()).pins, 0)
  const whole = join(temporaryDirectory(t), 'pool.tar')
  await dumpPool(pool, createWriteStream(whole))
  // What was written of the first one is in the way of nothing.
  createWriteStream(file).end()
  await assert.rejects(loadPool(createReadStream(whole), join(small.directory, 'pool')), { code: 'ENOSPC' })
  assert.deepEqual(readdirSync(small.directory), ['pool.tar'])
})

test('an abort ends either of the two, and leaves nothing', async (t) => {
  const { pool, archive } = await everything(t)
  const directory = temporaryDirectory(t)
  const path = join(directory, 'pool')
  const abort = new AbortController()
  // As the command line's: an error with a code.
  const reason = Object.assign(new Error('interrupted'), { name: 'AbortError', code: 'EINTR' })
  const loading = loadPool(streamOf(archive), path, {
    signal: abort.signal,
    onProgress: () => {
      if (existsSync(directory) && readdirSync(directory).length > 0) abort.abort(reason)
    },
  })
  await assert.rejects(loading, { name: 'AbortError' })
  assert.deepEqual(readdirSync(directory), [])
  const never = new Readable({ read: () => undefined })
  const waiting = loadPool(never, path, { signal: AbortSignal.timeout(20) })
  await assert.rejects(waiting, { name: 'AbortError' })
  const stopped = new AbortController()
  const dumping = dumpPool(pool, new Writable({ write: () => stopped.abort() }), { signal: stopped.signal })
  await assert.rejects(dumping, { name: 'AbortError' })
  assert.equal((await pool.stats()).pins, 0)
})

test('a file whose blocks somebody writes to by a pin ends the dump in time, and is named', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/busy', Buffer.alloc(5000))
  const other = await openedAgain(t, pool)
  await using file = await other.open('/busy', 'r+')
  using _pin = await file.pin({ offset: 0, length: 4096, mode: 'write' })
  const sink = new Writable({ write: (_piece, _encoding, done) => done() })
  await assert.rejects(
    dumpPool(pool, sink, { timeoutMs: 30 }),
    (error: { code: string; path: string; holders: unknown[] }) => {
      assert.deepEqual([error.code, error.path, error.holders.length], ['ETIMEDOUT', '/busy', 1])
      return true
    },
  )
})

test('a pool that is open for reading only cannot be dumped', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'x')
  const reader = await openedAgain(t, pool, { readOnly: true })
  await assert.rejects(dumped(reader), { code: 'EROFS' })
})
