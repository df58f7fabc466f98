import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import type { Check } from './subject.ts'
import { fails, look, textOf } from './subject.ts'
import { link } from './system-calls.ts'

/** Hard links and symbolic ones. */
export function linkCases(check: Check): void {
  check('names of one file show the same data and attributes, and count as its links', (at) => {
    const first = at.file('first', 'data')
    fs.mkdirSync(at.path('directory'))
    const second = at.path('directory/second')
    fs.linkSync(first, second)
    assert.equal(look(first).ino, look(second).ino)
    assert.equal(look(first).nlink, 2n)
    fs.writeFileSync(second, 'changed by the second')
    assert.equal(textOf(first), 'changed by the second')
    fs.chmodSync(first, 0o640)
    assert.equal(look(second).mode & 0o777n, 0o640n)
    fs.unlinkSync(first)
    assert.equal(look(second).nlink, 1n)
    assert.equal(textOf(second), 'changed by the second')
  })

  check('a file may have a thousand names', (at) => {
    const file = at.file('file', 'x')
    for (let i = 0; i < 1000; i++) fs.linkSync(file, at.path(`name-${i}`))
    assert.equal(look(file).nlink, 1001n)
    for (let i = 0; i < 1000; i++) fs.unlinkSync(at.path(`name-${i}`))
    assert.equal(look(file).nlink, 1n)
  })

  check('a directory cannot get a second name, and no name can be taken twice', (at) => {
    const file = at.file('file')
    at.file('taken')
    fs.mkdirSync(at.path('directory'))
    fails('EPERM', () => fs.linkSync(at.path('directory'), at.path('second')))
    fails('EEXIST', () => fs.linkSync(file, at.path('taken')))
    fails('EEXIST', () => fs.linkSync(file, at.path('directory')))
    fails('EEXIST', () => fs.linkSync(file, file))
    fails('ENOENT', () => fs.linkSync(at.path('missing'), at.path('second')))
    fails('ENOENT', () => fs.linkSync(file, at.path('missing/second')))
    fails('ENOTDIR', () => fs.linkSync(file, at.path('taken/second')))
  })

  check('the links of a directory are its name, itself and its children', (at) => {
    const before = look(at.directory).nlink
    if (before === 1n) return // Some count no links of directories; POSIX allows it.
    assert.equal(before, 2n)
    fs.mkdirSync(at.path('first'))
    fs.mkdirSync(at.path('second'))
    assert.equal(look(at.directory).nlink, 4n)
    at.file('file')
    assert.equal(look(at.directory).nlink, 4n)
    fs.renameSync(at.path('first'), at.path('second/first'))
    assert.equal(look(at.directory).nlink, 3n)
    assert.equal(look(at.path('second')).nlink, 3n)
    fs.rmdirSync(at.path('second/first'))
    fs.rmdirSync(at.path('second'))
    assert.equal(look(at.directory).nlink, 2n)
  })

  check('a symlink keeps its target as it was given, and its size is the length of it', (at) => {
    for (const [i, target] of ['x', '../up', '/absolute/and/../odd//', 'ä'.repeat(100), 't'.repeat(4095)].entries()) {
      const path = at.path(`link-${i}`)
      fs.symlinkSync(target, path)
      assert.equal(fs.readlinkSync(path), target)
      assert.equal(look(path).size, BigInt(Buffer.byteLength(target)))
      assert.equal(look(path).mode & 0o7777n, 0o777n)
    }
    fails('ENAMETOOLONG', () => fs.symlinkSync('t'.repeat(4096), at.path('too-long')))
    fails('ENOENT', () => fs.symlinkSync('', at.path('empty')))
    fails('EINVAL', () => fs.readlinkSync(at.file('file')))
    fails('EINVAL', () => fs.readlinkSync(at.directory))
  })

  check('symlinks are followed on the way and at the end, relative to where they are', (at) => {
    fs.mkdirSync(at.path('a/b'), { recursive: true })
    at.file('a/file', 'found')
    fs.symlinkSync('../file', at.path('a/b/up'))
    fs.symlinkSync('a/b', at.path('short'))
    fs.symlinkSync(at.directory, at.path('absolute'))
    assert.equal(textOf(at.path('short/up')), 'found')
    assert.equal(textOf(at.path('absolute/short/up')), 'found')
    assert.equal(fs.realpathSync.native(at.path('absolute/short/up')), fs.realpathSync.native(at.path('a/file')))
    fs.writeFileSync(at.path('short/up'), 'changed')
    assert.equal(textOf(at.path('a/file')), 'changed')
    assert.ok(fs.statSync(at.path('short')).isDirectory())
  })

  check('symlinks in a circle, and more than forty one after the other, are ELOOP', (at) => {
    fs.symlinkSync('second', at.path('first'))
    fs.symlinkSync('first', at.path('second'))
    fails('ELOOP', () => fs.statSync(at.path('first')))
    fails('ELOOP', () => fs.statSync(at.path('first/below')))
    fails('ELOOP', () => fs.openSync(at.path('first'), 'w'))
    assert.ok(look(at.path('first')).isSymbolicLink())
    at.file('chain-0', 'end')
    for (let i = 1; i <= 41; i++) fs.symlinkSync(`chain-${i - 1}`, at.path(`chain-${i}`))
    assert.equal(textOf(at.path('chain-40')), 'end')
    fails('ELOOP', () => textOf(at.path('chain-41')))
  })

  check('unlink, rename and link act on a symlink itself', (at) => {
    const file = at.file('file', 'kept')
    fs.symlinkSync('file', at.path('link'))
    link(at.path('link'), at.path('twin'))
    assert.ok(look(at.path('twin')).isSymbolicLink())
    assert.equal(look(at.path('twin')).nlink, 2n)
    link(at.path('link'), at.path('followed'), { follow: true })
    assert.equal(look(at.path('followed')).ino, look(file).ino)
    fs.renameSync(at.path('link'), at.path('moved'))
    fs.unlinkSync(at.path('moved'))
    assert.equal(textOf(file), 'kept')
    fs.unlinkSync(file)
    fails('ENOENT', () => fs.statSync(at.path('twin')))
    assert.ok(look(at.path('twin')).isSymbolicLink())
    fs.symlinkSync('directory', at.path('to-directory'))
    fs.mkdirSync(at.path('directory'))
    fails('ENOTDIR', () => fs.rmdirSync(at.path('to-directory')))
  })
}
