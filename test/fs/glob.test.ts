/** `glob` of a pool gives what node:fs gives for the same tree. */
import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFs } from '../../src/fs/index.ts'
import { temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const FILES = [
  'a.js',
  'b.ts',
  '.hidden',
  'src/c.js',
  'src/d.ts',
  'src/deep/e.js',
  'src/deep/er/f.js',
  '.git/g.js',
  'sp ace/h.js',
]
const PATTERNS = [
  '*', '**', '*.js', '**/*.js', 'src/*', 'src/**', 'src/**/*.js', '{a,b}.*', '**/{c,f}.js', 'src/**/er/*', '[ab].??',
  '!(a).js', '+(a|b).*', '*/', '**/', 'src', 'src/', './src/*', 'src/../*.js', '.*', '.git/*', '**/.git/**', 'no/*', '.',
  'src/de*/*', 'src/{deep,no}/**', 'sp ace/*', 'sp\\ ace/h.js', '**/e*', '*/*/*.js', '[!s]*', '@(src|lib)/*.ts',
] // prettier-ignore

test('glob finds what node:fs finds, for patterns of every kind', async (t) => {
  const home = process.cwd()
  t.after(() => process.chdir(home))
  const root = temporaryDirectory(t)
  const { promises } = createFs(await temporaryPool(t))
  for (const fs of [nodeFs.promises, promises]) {
    const path = (file: string): string => (fs === promises ? `/tree/${file}` : join(root, file))
    for (const file of FILES) {
      await fs.mkdir(join(path(file), '..'), { recursive: true })
      await fs.writeFile(path(file), '')
    }
    await fs.symlink('src', path('link'))
  }
  process.chdir(root)
  for (const pattern of [...PATTERNS, ['*.js', '*.ts'], ['**/*.js', 'a.js']]) {
    const expected = (await Array.fromAsync(nodeFs.promises.glob(pattern))).toSorted()
    const found = (await Array.fromAsync(promises.glob(pattern, { cwd: '/tree' }))).toSorted()
    assert.deepEqual(found, expected, String(pattern))
  }
  // With an exclusion node:fs follows some symlinks that it does not follow without.
  nodeFs.unlinkSync('link')
  await promises.unlink('/tree/link')
  for (const exclude of [['**/deep/**'], ['src'], ['*.ts']]) {
    const options = { exclude: exclude }
    const expected = (await Array.fromAsync(nodeFs.promises.glob('**/*', options))).toSorted()
    const found = (await Array.fromAsync(promises.glob('**/*', { ...options, cwd: '/tree' }))).toSorted()
    assert.deepEqual(found, expected, String(exclude))
  }
  // As documented; node:fs tells a directory that its function leaves out.
  const exclude = (path: string): boolean => path.endsWith('deep')
  assert.deepEqual((await Array.fromAsync(promises.glob('src/**', { exclude, cwd: '/tree' }))).toSorted(), [
    'src',
    'src/c.js',
    'src/d.ts',
  ])
  const entries = await Array.fromAsync(promises.glob('src/*.js', { cwd: '/tree', withFileTypes: true }))
  assert.deepEqual(
    entries.map(({ name, parentPath }) => [name, parentPath]),
    [['c.js', '/tree/src']],
  )
  assert.deepEqual(await Array.fromAsync(promises.glob('/tree/*.js')), ['/tree/a.js'])
})
