import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import type { Check } from './subject.ts'
import { fails, look, textOf } from './subject.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_WRONLY } = fs.constants

/** How names are looked up, made and removed, and what open(2) says of them. */
export function nameCases(check: Check): void {
  check('a name has up to 255 bytes, and one more is ENAMETOOLONG', (at) => {
    const longest = 'n'.repeat(255)
    assert.equal(textOf(at.file(longest, 'found')), 'found')
    assert.deepEqual(fs.readdirSync(at.directory), [longest])
    for (const make of [
      () => fs.writeFileSync(at.path(`${longest}n`), ''),
      () => fs.mkdirSync(at.path(`${longest}n`)),
      () => fs.symlinkSync('x', at.path(`${longest}n`)),
      () => fs.linkSync(at.path(longest), at.path(`${longest}n`)),
      () => fs.renameSync(at.path(longest), at.path(`${longest}n`)),
      () => fs.statSync(at.path(`${longest}n`)),
      () => fs.unlinkSync(at.path(`${longest}n`)),
    ])
      fails('ENAMETOOLONG', make)
    fs.renameSync(at.path(longest), at.path('m'.repeat(255)))
    fs.unlinkSync(at.path('m'.repeat(255)))
  })

  check('the length of a name is counted in bytes, not in characters', (at) => {
    const name = 'ä'.repeat(127)
    at.file(`${name}n`)
    assert.deepEqual(fs.readdirSync(at.directory), [`${name}n`])
    fails('ENAMETOOLONG', () => fs.writeFileSync(at.path(`${name}ä`), ''))
  })

  check('names that differ in case, in normal form or in a trailing space are different names', (at) => {
    const names = ['name', 'Name', 'name ', 'é', 'e\u0301', '🗝', '\u{1}control', 'new\nline', '-dash', '...']
    for (const [i, name] of names.entries()) at.file(name, `${i}`)
    for (const [i, name] of names.entries()) assert.equal(textOf(at.path(name)), `${i}`)
    assert.deepEqual(fs.readdirSync(at.directory).toSorted(), names.toSorted())
  })

  check('a path of 4096 bytes or more is ENAMETOOLONG, one of fewer is looked up', (at) => {
    fails('ENOENT', () => fs.statSync(`${at.directory}/${'./'.repeat(1500)}missing`))
    fails('ENAMETOOLONG', () => fs.statSync(`${at.directory}/${'./'.repeat(2048)}missing`))
  })

  check('directories can be nested a hundred deep', (at) => {
    const deep = `${at.directory}${'/d'.repeat(100)}`
    fs.mkdirSync(deep, { recursive: true })
    fs.writeFileSync(`${deep}/file`, 'deep')
    assert.equal(textOf(`${deep}/file`), 'deep')
    assert.equal(fs.realpathSync.native(`${deep}${'/..'.repeat(100)}`), fs.realpathSync.native(at.directory))
  })

  check('what is not there is ENOENT, and what is below a file ENOTDIR', (at) => {
    const file = at.file('file')
    for (const use of [fs.statSync, fs.readFileSync, fs.unlinkSync, fs.rmdirSync, fs.readdirSync, fs.readlinkSync]) {
      fails('ENOENT', () => use(at.path('missing')))
      fails('ENOENT', () => use(at.path('missing/below')))
      fails('ENOTDIR', () => use(`${file}/below`))
    }
    fails('ENOENT', () => fs.mkdirSync(at.path('missing/below')))
    fails('ENOTDIR', () => fs.mkdirSync(`${file}/below`))
    fails('ENOTDIR', () => fs.writeFileSync(`${file}/below`, ''))
    fails('ENOENT', () => fs.statSync(''))
  })

  check('a slash behind a name asks for a directory', (at) => {
    const file = at.file('file')
    fails('ENOTDIR', () => fs.statSync(`${file}/`))
    fails('ENOTDIR', () => fs.unlinkSync(`${file}/`))
    fails(['EISDIR', 'ENOTDIR'], () => fs.openSync(`${file}/`, O_WRONLY))
    fails('EISDIR', () => fs.openSync(at.path('new/'), O_CREAT | O_WRONLY))
    fs.mkdirSync(at.path('made/'))
    fs.symlinkSync('made', at.path('link'))
    assert.ok(fs.lstatSync(at.path('link/')).isDirectory())
    assert.ok(fs.lstatSync(at.path('link')).isSymbolicLink())
    fs.rmdirSync(at.path('made/'))
  })

  check(
    'O_CREAT makes what is not there and opens what is; with O_EXCL that is EEXIST, dangling symlinks too',
    (at) => {
      fs.closeSync(fs.openSync(at.path('file'), O_CREAT | O_RDWR, 0o600))
      fs.writeFileSync(at.path('file'), 'kept')
      fs.closeSync(fs.openSync(at.path('file'), O_CREAT | O_RDWR, 0o777))
      assert.equal(textOf(at.path('file')), 'kept')
      assert.equal(fs.statSync(at.path('file')).mode & 0o777, 0o600)
      fs.symlinkSync('nowhere', at.path('dangling'))
      fs.mkdirSync(at.path('directory'))
      for (const name of ['file', 'dangling', 'directory'])
        fails('EEXIST', () => fs.openSync(at.path(name), O_CREAT | O_EXCL | O_RDWR))
      assert.equal(fs.existsSync(at.path('nowhere')), false)
      fs.closeSync(fs.openSync(at.path('dangling'), O_CREAT | O_RDWR))
      assert.ok(fs.lstatSync(at.path('nowhere')).isFile())
    },
  )

  check('a directory opens for reading only, and is not read or written as a file', (at) => {
    fs.mkdirSync(at.path('directory'))
    fails('EISDIR', () => fs.openSync(at.path('directory'), O_WRONLY))
    fails('EISDIR', () => fs.openSync(at.path('directory'), O_RDWR))
    fails('EISDIR', () => fs.openSync(at.path('directory'), O_RDONLY | O_CREAT))
    const fd = fs.openSync(at.path('directory'), O_RDONLY | O_DIRECTORY)
    try {
      assert.ok(fs.fstatSync(fd).isDirectory())
      fails('EISDIR', () => fs.readSync(fd, Buffer.alloc(1)))
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fails('EISDIR', () => fs.truncateSync(at.path('directory'), 0))
  })

  check('O_DIRECTORY of a file is ENOTDIR, and O_NOFOLLOW of a symlink ELOOP', (at) => {
    const file = at.file('file')
    fs.symlinkSync('file', at.path('link'))
    fails('ENOTDIR', () => fs.openSync(file, O_RDONLY | O_DIRECTORY))
    fails('ELOOP', () => fs.openSync(at.path('link'), O_RDONLY | O_NOFOLLOW))
    fails('ENOTDIR', () => fs.openSync(at.path('link'), O_RDONLY | O_NOFOLLOW | O_DIRECTORY))
  })

  check('what is there already cannot be made again', (at) => {
    at.file('file')
    fs.mkdirSync(at.path('directory'))
    fs.symlinkSync('nowhere', at.path('link'))
    for (const name of ['file', 'directory', 'link', '.', '..']) {
      fails('EEXIST', () => fs.mkdirSync(at.path(name) === at.directory ? `${at.directory}/.` : at.path(name)))
      fails('EEXIST', () => fs.symlinkSync('target', at.path(name)))
    }
  })

  check('unlink of a directory is EISDIR, rmdir of a file ENOTDIR', (at) => {
    fs.mkdirSync(at.path('directory'))
    const file = at.file('file')
    fails('EISDIR', () => fs.unlinkSync(at.path('directory')))
    fails('ENOTDIR', () => fs.rmdirSync(file))
    assert.deepEqual(fs.readdirSync(at.directory).toSorted(), ['directory', 'file'])
  })

  check('a file keeps its inode number, and two files have two', (at) => {
    const [first, second] = [at.file('first'), at.file('second')]
    const { ino, dev } = look(first)
    assert.notEqual(ino, look(second).ino)
    fs.writeFileSync(first, 'more')
    fs.renameSync(first, at.path('third'))
    assert.equal(look(at.path('third')).ino, ino)
    assert.equal(look(second).dev, dev)
  })

  check('a name that was removed can be made again as something else', (at) => {
    const path = at.path('name')
    for (let round = 0; round < 3; round++) {
      fs.writeFileSync(path, 'file')
      assert.ok(look(path).isFile())
      fs.unlinkSync(path)
      assert.equal(fs.existsSync(path), false)
      fs.mkdirSync(path)
      assert.ok(look(path).isDirectory())
      fs.rmdirSync(path)
      fs.symlinkSync('elsewhere', path)
      assert.ok(look(path).isSymbolicLink())
      fs.unlinkSync(path)
      fails('ENOENT', () => look(path))
    }
  })
}
