/** Copies of trees: what arrives, what does not, and what stays when a copy ends early. */
import assert from 'node:assert/strict'
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { createPool } from '../../src/index.ts'
import { bucketOf } from '../../src/layout/format.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { listing, makeTree } from './host-tree.ts'
import { ended, holdfast, mustRun, startHoldfast, until } from './run-holdfast.ts'

interface Place {
  directory: string
  pool: Pool
  path: string
}

async function newPool(t: TestContext, on: 'tmpfs' | 'disk' = 'tmpfs'): Promise<Place> {
  const directory = temporaryDirectory(t, on)
  const path = join(directory, 'pool')
  const pool = await createPool(path, { sizeBytes: 64 << 20 })
  t.after(() => pool.close({ force: true }))
  return { directory, pool, path }
}

interface Tally {
  files: number
  directories: number
  symlinks: number
  links: number
  skipped: number
  failed: number
}

function tallyOf(text: string): Tally {
  const { files, directories, symlinks, links, skipped, failed } = JSON.parse(text) as Tally
  return { files, directories, symlinks, links, skipped, failed }
}

const WHOLE: Tally = { files: 9, directories: 5, symlinks: 3, links: 2, skipped: 1, failed: 0 }

for (const on of ['tmpfs', 'disk'] as const) {
  test(`put -r, cp -r and get -r carry a tree there and back unharmed, on ${on}`, async (t) => {
    const { directory, pool, path } = await newPool(t, on)
    const [source, target] = [join(directory, 'source'), join(directory, 'target')]
    makeTree(source)
    const expected = listing(source)

    const put = await holdfast(['put', '-r', path, source, '/tree', '--json'])
    assert.deepEqual([put.code, tallyOf(put.text)], [0, WHOLE])
    assert.deepEqual(JSON.parse(put.errors), {
      warning: { message: 'left out: a fifo', path: join(source, 'fifo') },
    })
    const original = lstatSync(join(source, 'a/program'), { bigint: true })
    const copied = await pool.stat('/tree/a/program')
    assert.deepEqual([copied.mtimeNs, copied.atimeNs], [original.mtimeNs, original.atimeNs], 'to the nanosecond')
    const { size, blocks } = await pool.stat('/tree/sparse')
    assert.deepEqual([size, blocks * 512], [1 << 26, 3 * 4096])
    assert.deepEqual(
      [(await pool.stat('/tree/hole')).blocks, (await pool.stat('/tree/zeros')).blocks * 512],
      [0, 20_480],
    )

    await pool.setXattr('/tree/a/one', 'user.note', 'mine')
    await pool.setXattr('/tree/a', 'user.note', 'ours')
    const cp = await mustRun(['cp', '-r', path, '/tree', '/copy', '--json'])
    assert.deepEqual(tallyOf(cp.text), { ...WHOLE, skipped: 0 })
    assert.equal((await pool.getXattr('/copy/last', 'user.note')).toString(), 'mine')
    assert.equal((await pool.getXattr('/copy/a', 'user.note')).toString(), 'ours')
    assert.deepEqual(
      [(await pool.stat('/copy/sparse')).blocks * 512, (await pool.stat('/copy/a/one')).nlink],
      [12_288, 3],
    )

    for (const from of ['/tree', '/copy']) {
      const get = await mustRun(['get', '-r', path, from, target, '--json'])
      assert.deepEqual(tallyOf(get.text), { ...WHOLE, skipped: 0 })
      // The second one goes into the directory that the first one made.
      const made = from === '/tree' ? target : join(target, 'copy')
      assert.deepEqual(listing(made).slice(from === '/tree' ? 0 : 1), expected.slice(from === '/tree' ? 0 : 1))
    }
    assert.deepEqual(await pool.check(), [])
  })
}

test('copies of trees merge into what is there: files are replaced, further names stay names of one file', async (t) => {
  const { directory, pool, path } = await newPool(t)
  const [source, target] = [join(directory, 'source'), join(directory, 'target')]
  makeTree(source)
  const expected = listing(source)
  await pool.mkdir('/tree/a', { recursive: true })
  await pool.writeFile('/tree/a/kept', 'kept')
  await pool.writeFile('/tree/a/one', 'old')
  await pool.writeFile('/tree/a/program', 'old')
  await pool.configure('/tree/a/program', { busy: 'fail' })
  await pool.symlink('kept', '/tree/zeros')
  // A dot has no name: its content goes into the directory itself. Twice: over a copy of the same.
  for (let i = 0; i < 2; i++) assert.equal((await holdfast(['put', '-r', path, `${source}/.`, '/tree'])).code, 0)
  assert.equal((await pool.stat('/tree/a/program')).busy, 'fail', 'a replaced file hands on its policies')
  assert.equal(await pool.readFile('/tree/a/kept', 'utf8'), 'kept')
  await pool.unlink('/tree/a/kept')
  await pool.utimes('/tree/a', ...timesOf(join(source, 'a')))
  for (let i = 0; i < 2; i++) await mustRun(['get', '-r', path, '/tree/.', target])
  assert.deepEqual(listing(target), expected)
  for (const { name } of await Array.fromAsync(pool.entries('/tree'))) assert.ok(!name.startsWith('.holdfast-'), name)

  // A tree of one file, into a directory and to a name.
  await mustRun(['put', '-r', path, join(source, 'last'), '/'])
  await mustRun(['cp', '-r', path, '/tree/dangling', '/dangling'])
  assert.deepEqual(await pool.readdir('/'), ['dangling', 'last', 'lost+found', 'tree'])
  assert.equal(await pool.readlink('/dangling'), '/nowhere at all')
  const all = join(directory, 'all')
  await mustRun(['get', '-r', path, '/', all])
  assert.deepEqual(readdirSync(all).toSorted(), ['dangling', 'last', 'tree'], 'lost+found is left out')
})

function timesOf(path: string): [atime: bigint, mtime: bigint] {
  const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true })
  return [atimeNs, mtimeNs]
}

test('what cannot be copied is reported, the rest is copied, and the exit code is 1', async (t) => {
  const { directory, pool, path } = await newPool(t)
  const source = join(directory, 'source')
  mkdirSync(join(source, 'b-directory'), { recursive: true })
  for (const name of ['a', 'b-directory/in', 'c', 'd']) writeFileSync(join(source, name), name)
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff])]), 'its name is no UTF-8')
  symlinkSync(Buffer.from([0xfe]), join(source, 'e'))
  await pool.mkdir('/tree/c', { recursive: true })
  await pool.writeFile('/tree/b-directory', 'a file')

  const put = await holdfast(['put', '-r', path, `${source}/.`, '/tree', '--json'])
  assert.deepEqual(
    [put.code, tallyOf(put.text)],
    [1, { ...WHOLE, files: 2, directories: 1, symlinks: 0, links: 0, skipped: 0, failed: 4 }],
  )
  const errors = put.errors.trimEnd().split('\n')
  const codes = errors.map((line) => (JSON.parse(line) as { error: { code: string } }).error.code)
  assert.deepEqual(codes.toSorted(), ['EILSEQ', 'EILSEQ', 'EISDIR', 'ENOTDIR'])
  assert.deepEqual(await pool.readdir('/tree'), ['a', 'b-directory', 'c', 'd'])
  assert.deepEqual(
    [await pool.readFile('/tree/d', 'utf8'), await pool.readFile('/tree/b-directory', 'utf8')],
    ['d', 'a file'],
  )

  const target = join(directory, 'target')
  mkdirSync(join(target, 'tree', 'd'), { recursive: true })
  const get = await holdfast(['get', '-r', path, '/tree', target])
  assert.equal(get.code, 1)
  assert.match(get.errors, /^holdfast: get: EISDIR: [^\n]* '[^\n']*\/target\/tree\/d'\n$/)
  assert.equal(readFileSync(join(target, 'tree', 'a'), 'utf8'), 'a')
  assert.equal((await holdfast(['put', '-r', path, join(source, 'none'), '/none'])).code, 1)
})

test('a tree is not copied into itself, nor into the directory of the pool; the pool is left out of what holds it', async (t) => {
  const { directory, pool, path } = await newPool(t)
  await pool.mkdir('/a/b', { recursive: true })
  await pool.writeFile('/a/file', 'x')
  for (const [from, to] of [
    ['/a', '/a/c'],
    ['/a', '/a/b'],
    ['/a', '/'],
    ['/', '/a'],
    ['/a/file', '/a'],
  ])
    assert.equal((await holdfast(['cp', '-r', path, from, to])).code, 2, `${from} ${to}`)
  for (const args of [
    ['-r', path, '/a', join(path, 'x')],
    [path, '/a/file', join(path, 'meta.db')],
    [path, '/a/file', path],
  ]) {
    assert.equal((await holdfast(['get', ...args])).code, 2, args.join(' '))
  }
  for (const [verb, from, to] of [
    ['cp', '/a', '/b'],
    ['put', directory, '/b'],
    ['get', '/a', join(directory, 'b')],
  ]) {
    const { code, errors } = await holdfast([verb, path, from, to])
    assert.equal(code, 1)
    assert.match(errors, /EISDIR: this is a directory; copy it with -r/)
  }
  writeFileSync(join(directory, 'file'), 'beside the pool')
  const put = await holdfast(['put', '-r', path, directory, '/b'])
  assert.equal(put.code, 0)
  assert.match(put.errors, /^holdfast: put: warning: left out: the pool itself, '[^\n']*pool'\n$/)
  assert.deepEqual(await pool.readdir('/b'), ['file'])
})

test('an interrupted copy of a tree ends with 130 and leaves whole files', async (t) => {
  const { directory, pool, path } = await newPool(t)
  const source = join(directory, 'source')
  mkdirSync(source)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(source, name), Buffer.alloc(200_000, name))
  linkSync(join(source, 'a'), join(source, 'a-more'))
  await pool.mkdir('/source')
  await pool.writeFile('/source/b', 'old')
  await using held = await pool.open('/source/b')
  using _ = await held.pin({ offset: 0, length: 3, mode: 'read' })

  // Names come in order; at the second it waits for us.
  const child = startHoldfast(['put', '-r', path, source, '/', '--busy', 'wait'])
  await until('it waits', () => pool.fileSystem.table.breakCount(bucketOf(held.ino)) > 0)
  child.kill('SIGINT')
  const { code, errors } = await ended(child)
  assert.deepEqual([code, errors], [130, 'holdfast: put: interrupted; what was done so far stays\n'])
  assert.deepEqual(await pool.readdir('/source'), ['a', 'a-more', 'b'])
  assert.deepEqual(await pool.readFile('/source/a'), Buffer.alloc(200_000, 'a'))
  assert.equal(await pool.readFile('/source/b', 'utf8'), 'old')
})

test('a put that is killed leaves no name, and its space comes back', async (t) => {
  const { pool, path } = await newPool(t)
  await pool.writeFile('/file', 'old')
  const { usedBytes } = await pool.stats()
  const child = startHoldfast(['put', path, '-', '/file'])
  child.stdin.on('error', () => {})
  child.stdin.write(Buffer.alloc(4 << 20, 1))
  await until('it is writing', async () => (await pool.stats()).usedBytes > usedBytes)
  child.kill('SIGKILL')
  await ended(child)
  await pool.reap()
  assert.deepEqual(await pool.readdir('/'), ['file', 'lost+found'])
  assert.equal(await pool.readFile('/file', 'utf8'), 'old')
  assert.equal((await pool.stats()).usedBytes, usedBytes)
})
