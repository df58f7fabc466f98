/** Links, kinds and attributes: what the verbs make of them, and how they show them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { createPool } from '../../src/index.ts'
import { holdfast, mustJson, mustRun, temporaryDirectory } from './run-holdfast.ts'

async function newPool(t: TestContext): Promise<Pool> {
  const pool = await createPool(join(temporaryDirectory(t), 'pool'), { sizeBytes: 4 << 20 })
  t.after(() => pool.close({ force: true }))
  return pool
}

const codeIn = (errors: string): string => (JSON.parse(errors) as { error: { code: string } }).error.code

test('ln makes names of one file, ln -s symlinks; a directory takes them in, and nothing is replaced', async (t) => {
  const pool = await newPool(t)
  const { path } = pool
  await pool.mkdir('/dir')
  await pool.writeFile('/file', 'content')
  await mustRun(['ln', path, '/file', '/dir/name'])
  await mustRun(['ln', path, '/file', '/dir'])
  assert.equal(await pool.readFile('/dir/file', 'utf8'), 'content')
  assert.deepEqual([(await pool.stat('/file')).nlink, (await pool.stat('/dir/name')).nlink], [3, 3])

  const { target, path: place } = await mustJson<{ target: string; path: string }>([
    'ln',
    '-s',
    path,
    '../file',
    '/dir/s',
  ])
  assert.deepEqual([target, place], ['../file', '/dir/s'])
  assert.equal(await pool.readlink('/dir/s'), '../file')
  assert.equal((await mustRun(['cat', path, '/dir/s'])).text, 'content')
  await mustRun(['ln', '-s', path, 'nowhere', '/dangling'])
  for (const args of [
    ['/file', '/dir/name'],
    ['-s', 'x', '/dangling'],
  ]) {
    const { code, errors } = await holdfast(['ln', path, ...args, '--json'])
    assert.deepEqual([code, codeIn(errors)], [1, 'EEXIST'], args.join(' '))
  }
})

test('ls -l and stat show kinds, special bits, link counts, and where symlinks point', async (t) => {
  const pool = await newPool(t)
  const { path } = pool
  await pool.mkdir('/a-dir')
  await pool.chmod('/a-dir', 0o3770)
  await pool.writeFile('/b-file', 'x')
  await pool.chmod('/b-file', 0o6754)
  await pool.link('/b-file', '/a-dir/again')
  await pool.symlink('a-dir/again', '/c-link')
  await pool.mknod('/d-fifo', 'fifo', { mode: 0o600 })
  await pool.mknod('/e-socket', 'socket', { mode: 0o600 })
  await pool.mknod('/f-null', 'character', { mode: 0o666, rdev: (1 << 8) | 3 })
  await pool.mknod('/g-disk', 'block', { mode: 0o640, rdev: (259 << 8) | 2 })

  const lines = (await mustRun(['ls', '-l', path])).text.trimEnd().split('\n').slice(1)
  const parts = lines.map((line) => {
    const fields = /^(\S+) +(\d+) +\S+ +(\d+(?:, \d+)?\S*) +\S+ +\S+ \S+ {2}(.*)$/.exec(line)
    return fields?.slice(1).join(' ') ?? line
  })
  assert.deepEqual(parts, [
    'drwxrws--T 2 0 a-dir',
    '-rwsr-sr-- 2 1 b-file',
    'lrwxrwxrwx 1 11 c-link -> a-dir/again',
    'prw------- 1 0 d-fifo',
    'srw------- 1 0 e-socket',
    'crw-rw-rw- 1 1, 3 f-null',
    'brw-r----- 1 259, 2 g-disk',
    'drwx------ 2 0 lost+found',
  ])
  const { entries } = await mustJson<{ entries: { kind: string; target?: string }[] }>(['ls', '-l', path])
  assert.deepEqual(
    entries.map(({ kind, target }) => (target === undefined ? kind : `${kind} ${target}`)),
    ['directory', 'file', 'symlink a-dir/again', 'fifo', 'socket', 'character', 'block', 'directory'],
  )
  // A symlink to a directory: itself, or with a slash what it points to.
  await pool.symlink('/a-dir', '/z')
  assert.match((await mustRun(['ls', '-l', path, '/z'])).text, /\/z -> \/a-dir\n$/)
  assert.match((await mustRun(['ls', '-l', path, '/z/'])).text, / again\n$/)
  assert.equal((await mustRun(['ls', path, '/z'])).text, 'again\n')

  await pool.utimes('/b-file', 1_700_000_000_123_456_789n, -1n)
  await pool.setXattr('/b-file', 'user.mime_type', 'text/plain')
  const text = (await mustRun(['stat', path, '/b-file'])).text
  assert.match(text, /^ {2}kind +file\n[^]*^ {2}mode +6754 -rwsr-sr--\n {2}links +2\n/m)
  assert.match(text, /^ {2}read +2023-11-1\d \d\d:\d\d:20\.123456789\n {2}written +19(?:69|70).*:59\.999999999\n/m)
  assert.match(text, /^ {2}xattrs +user\.mime_type\n/m)
  assert.match((await mustRun(['stat', path, '/c-link'])).text, /kind +symlink to a-dir\/again/)
  assert.match((await mustRun(['stat', path, '/g-disk'])).text, /kind +block\n +device +259, 2\n/)
  const json = await mustJson<{ kind: string; target: string; xattrs: string[] }>(['stat', path, '/c-link'])
  assert.deepEqual([json.kind, json.target, json.xattrs], ['symlink', 'a-dir/again', []])
  assert.deepEqual((await mustJson<{ xattrs: string[] }>(['stat', path, '/b-file'])).xattrs, ['user.mime_type'])
})

test('mv -n replaces nothing, mv --exchange swaps, a file and a directory as well', async (t) => {
  const pool = await newPool(t)
  const { path } = pool
  await pool.writeFile('/a', 'a')
  await pool.writeFile('/b', 'b')
  const { code, errors } = await holdfast(['mv', '-n', path, '/a', '/b', '--json'])
  assert.deepEqual([code, codeIn(errors)], [1, 'EEXIST'])
  assert.equal(await pool.readFile('/b', 'utf8'), 'b')
  await mustRun(['mv', '-n', path, '/a', '/c'])
  assert.deepEqual(await pool.readdir('/'), ['b', 'c', 'lost+found'])
  await pool.mkdir('/dir')
  await pool.writeFile('/dir/in', 'in')
  await mustRun(['mv', '--exchange', path, '/dir', '/b'])
  assert.deepEqual([await pool.readFile('/b/in', 'utf8'), await pool.readFile('/dir', 'utf8')], ['in', 'b'])
  assert.equal((await holdfast(['mv', '--exchange', path, '/b', '/none'])).code, 1)
  assert.equal((await holdfast(['mv', '--exchange', '-n', path, '/b', '/dir'])).code, 2)
})

test('rm takes the symlink, never what it points to', async (t) => {
  const pool = await newPool(t)
  const { path } = pool
  await pool.mkdir('/dir')
  await pool.writeFile('/dir/file', 'x')
  await pool.symlink('/dir', '/link')
  await pool.mkdir('/tree')
  await pool.symlink('/dir', '/tree/link')
  await pool.mknod('/tree/fifo', 'fifo')
  const { removed } = await mustJson<{ removed: number }>(['rm', '-r', path, '/link', '/tree'])
  assert.equal(removed, 4)
  assert.deepEqual([await pool.readdir('/'), await pool.readdir('/dir')], [['dir', 'lost+found'], ['file']])
})

test('policies set on a directory are inherited by what is made in it', async (t) => {
  const pool = await newPool(t)
  const { path } = pool
  await pool.mkdir('/dir')
  await mustRun(['set', path, '/dir', '--busy', 'fail', '--dax', 'never'])
  await mustRun(['mkdir', '-p', path, '/dir/a/b'])
  await mustRun(['put', path, '-', '/dir/a/b/file'], 'x')
  const { busy, dax } = await pool.stat('/dir/a/b/file')
  assert.deepEqual([busy, dax], ['fail', 'never'])
  assert.match((await mustRun(['stat', path, '/dir'])).text, /busy +fail, for what is made in it\n/)
})

test('promise 11: the parts of df add up to the size', async (t) => {
  const pool = await newPool(t)
  await pool.writeFile('/pinned', Buffer.alloc(300_000, 1))
  await pool.writeFile('/other', Buffer.alloc(100_000, 1))
  await using file = await pool.open('/pinned', 'r+')
  using _ = await file.pin({ offset: 0, length: 8192, mode: 'read' })
  await file.truncate(200_000)
  await file.truncate(0)
  const df = await mustJson<Record<string, number>>(['df', pool.path])
  assert.equal(df['usedBytes'] + df['freeBytes'] + df['busyBytes'] + df['sequesteredBytes'], df['sizeBytes'])
  assert.deepEqual([df['sequesteredBytes'], df['pinnedBytes']], [8192, 8192])
  assert.ok(df['reserveBytes'] > 0 && df['reserveBytes'] <= df['freeBytes'])
  assert.match((await mustRun(['df', pool.path])).text, /^ {2}free +\S+ {2}\w+ of it in reserve$/m)
})
