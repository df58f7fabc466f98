import assert from 'node:assert/strict'
import { hash as hashOf, randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import { makeFifo } from '../../src/platform/fifo.ts'
import { holdfast, mustJson, mustRun, temporaryDirectory } from './run-holdfast.ts'

/** Compared instead of megabytes, whose difference nobody can read. */
const hash = (bytes: Uint8Array): string => hashOf('sha256', bytes)

interface Entry {
  name: string
  kind: string
  mode: number
  sizeBytes: number
  takenBytes: number
}

test('a pool is made, filled, listed, changed and emptied by the verbs alone', async (t) => {
  const directory = temporaryDirectory(t)
  const pool = join(directory, 'pool')
  const made = await mustJson<{ sizeBytes: number; busy: string; leaseBreakTimeMs: number }>([
    ...['mkfs', pool, '--size', '64M', '--busy', 'wait', '--lease-break-time', '10s'],
  ])
  assert.deepEqual([made.sizeBytes, made.busy, made.leaseBreakTimeMs], [64 << 20, 'wait', 10_000])

  assert.equal((await mustRun(['mkdir', '-p', pool, '/a/b'])).text, '')
  const content = randomBytes(300_000)
  await mustRun(['put', pool, '-', '/a/one'], content)
  await mustRun(['cp', pool, '/a/one', '/a/b'])
  await mustRun(['mv', pool, '/a/b/one', '/a/two'])
  assert.equal(hash((await mustRun(['cat', pool, '/a/one', '/a/two'])).output), hash(Buffer.concat([content, content])))

  assert.equal((await mustRun(['ls', pool, '/a'])).text, 'b\none\ntwo\n')
  const { entries } = await mustJson<{ entries: Entry[] }>(['ls', '-l', pool, '/a'])
  assert.deepEqual(
    entries.map(({ name, kind, sizeBytes, takenBytes }) => [name, kind, sizeBytes, takenBytes]),
    [
      ['b', 'directory', 0, 0],
      ['one', 'file', 300_000, 303_104],
      ['two', 'file', 300_000, 303_104],
    ],
  )
  const long = (await mustRun(['ls', '-l', pool, '/a'])).text.split('\n')
  assert.match(long[2], /^-rw-r--r-- +1 +\d+:\d+ +293k +296k +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}one$/)

  await mustRun(['truncate', '-s', '-100000', pool, '/a/one'])
  await mustRun(['truncate', '-s', '+1M', pool, '/a/one'])
  await mustRun(['punch', pool, '/a/one', '--offset', '0', '--length', '64k'])
  const expected = Buffer.alloc(200_000 + (1 << 20))
  content.copy(expected, 65_536, 65_536, 200_000)
  assert.equal(hash((await mustRun(['cat', pool, '/a/one'])).output), hash(expected))

  const set = await mustJson<{ busy: string; dax: string }>(['set', pool, '/a/one', '--busy', 'fail', '--dax', 'never'])
  assert.deepEqual([set.busy, set.dax], ['fail', 'never'])
  await mustRun(['set', pool, '/a/one', '--no-busy'])
  const stat = await mustJson<{ busy: null; dax: string; mtimeNs: string; mtime: string }>(['stat', pool, '/a/one'])
  assert.deepEqual([stat.busy, stat.dax], [null, 'never'])
  assert.equal(new Date(stat.mtime).getTime(), Number(BigInt(stat.mtimeNs) / 1_000_000n))
  assert.match((await mustRun(['stat', pool, '/a/one'])).text, /busy +wait \(the pool's\)\n +dax +never/)

  const df = await mustJson<{ sizeBytes: number; files: number; pins: number }>(['df', pool])
  assert.deepEqual([df.sizeBytes, df.files, df.pins], [64 << 20, 2, 0])
  assert.match((await mustRun(['df', pool])).text, /^ {2}size +64M$/m)
  const grown = await mustJson<{ oldBytes: number; sizeBytes: number }>(['grow', pool, '--size', '80M'])
  assert.deepEqual([grown.oldBytes, grown.sizeBytes], [64 << 20, 80 << 20])
  assert.match((await mustRun(['df', pool])).text, /^ {2}size +80M$/m)
  assert.equal((await holdfast(['grow', pool, '--size', '70M'])).code, 2, 'never smaller')
  await mustRun(['flush-dma', pool, '/a/one', '--timeout', '1s'])
  assert.equal((await mustRun(['pins', pool])).text, 'no pins\n')
  assert.match((await mustRun(['reap', pool])).text, /^0 dead cleared, \w+ freed\n$/)

  assert.equal((await holdfast(['rm', pool, '/a'])).code, 1)
  assert.equal((await holdfast(['rm', '-r', pool, '/'])).code, 1, 'never the root')
  await mustRun(['rm', '-r', pool, '/a'])
  await mustRun(['rm', '-f', pool, '/a'])
  assert.equal((await mustRun(['ls', pool])).text, 'lost+found\n')
})

test('put and get carry megabytes unharmed, from and to files and pipes, and replace what is there', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'pool')
  const [source, target] = [join(directory, 'source'), join(directory, 'target')]
  const content = randomBytes((20 << 20) + 4097)
  writeFileSync(source, content, { mode: 0o750 })
  await (await createPool(path, { sizeBytes: 128 << 20 })).close()

  await mustRun(['put', path, source, '/file'])
  assert.equal(hash((await mustRun(['get', path, '/file', '-'])).output), hash(content))
  await mustRun(['get', path, '/file', target])
  assert.equal(hash(readFileSync(target)), hash(content))
  assert.equal(statSync(target).mode & 0o777, 0o750)

  const other = randomBytes(5 << 20)
  await mustRun(['set', path, '/file', '--busy', 'fail'])
  await mustRun(['put', path, '-', '/file'], other)
  const stat = await mustJson<Entry & { busy: string }>(['stat', path, '/file'])
  assert.deepEqual([stat.mode, stat.busy], [0o750, 'fail'], 'a replaced file hands on its mode and policies')

  // A link leads to the file that is meant; a directory takes the file in; what is no file is never replaced.
  symlinkSync(target, join(directory, 'link'))
  await mustRun(['get', path, '/file', join(directory, 'link')])
  assert.equal(hash(readFileSync(target)), hash(other))
  mkdirSync(join(directory, 'into'))
  await mustRun(['get', path, '/file', join(directory, 'into')])
  assert.equal(hash(readFileSync(join(directory, 'into', 'file'))), hash(other))
  const fifo = join(directory, 'fifo')
  makeFifo(fifo, 0o600)
  // Open for both: neither side waits for the other, and the pipe holds what is written.
  const fd = openSync(fifo, 'r+')
  t.after(() => closeSync(fd))
  await mustRun(['put', path, '-', '/small'], 'through a pipe')
  await mustRun(['get', path, '/small', fifo])
  assert.ok(statSync(fifo).isFIFO())
  const piped = Buffer.alloc(100)
  assert.equal(piped.toString('utf8', 0, readSync(fd, piped)), 'through a pipe')
  await mustRun(['rm', path, '/small'])
  await mustRun(['put', path, target, '/'])
  assert.equal((await mustRun(['ls', path])).text, 'file\nlost+found\ntarget\n')
  assert.deepEqual(
    readdirSync(directory).toSorted(),
    ['fifo', 'into', 'link', 'pool', 'source', 'target'],
    'nothing left over',
  )
})

test('holes stay holes in cp and get', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'pool')
  {
    await using pool = await createPool(path, { sizeBytes: 4 << 20 })
    await using file = await pool.open('/sparse', 'w')
    await file.write(Buffer.alloc(4096, 1), { position: 1 << 29 })
    await file.truncate(1 << 30)
  }
  await mustRun(['cp', path, '/sparse', '/copy'])
  const stat = await mustJson<Entry>(['stat', path, '/copy'])
  assert.deepEqual([stat.sizeBytes, stat.takenBytes], [1 << 30, 4096])
  await mustRun(['get', path, '/copy', join(directory, 'out')])
  const out = statSync(join(directory, 'out'))
  assert.equal(out.size, 1 << 30)
  assert.ok(out.blocks * 512 < 1 << 20)
  await using pool = await openPool(path)
  await using copy = await pool.open('/copy')
  const { buffer, bytesRead } = await copy.read(Buffer.alloc(4098), { position: (1 << 29) - 1 })
  assert.equal(bytesRead, 4098)
  assert.deepEqual(buffer, Buffer.concat([Buffer.alloc(1), Buffer.alloc(4096, 1), Buffer.alloc(1)]))
})
