import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import type { Check, Place } from './subject.ts'
import { fails, look, textOf } from './subject.ts'
import { rename, RENAME } from './system-calls.ts'

/** `full/` with something in it, `empty/`, `file`, `other`, and `link` to nowhere. */
function fill(at: Place): void {
  fs.mkdirSync(at.path('full'))
  at.file('full/inside', 'inside')
  fs.mkdirSync(at.path('empty'))
  at.file('file', 'file')
  at.file('other', 'other')
  fs.symlinkSync('nowhere', at.path('link'))
}

/** rename(2) and renameat2(2). */
export function renameCases(check: Check): void {
  check('a rename over a file replaces it in one step: whoever has it open keeps the old one', (at) => {
    const [before, after] = [at.file('target', 'before'), at.file('new', 'after')]
    const { ino } = look(after)
    const fd = fs.openSync(before, 'r')
    fs.renameSync(after, before)
    try {
      assert.equal(textOf(before), 'after')
      assert.equal(look(before).ino, ino)
      assert.equal(fs.readFileSync(fd, 'utf8'), 'before')
      assert.equal(fs.fstatSync(fd).nlink, 0)
      assert.deepEqual(fs.readdirSync(at.directory), ['target'])
    } finally {
      fs.closeSync(fd)
    }
  })

  check('what may replace what: a file a file, a directory an empty directory', (at) => {
    fill(at)
    fails('EISDIR', () => fs.renameSync(at.path('file'), at.path('empty')))
    fails('EISDIR', () => fs.renameSync(at.path('link'), at.path('empty')))
    fails('ENOTDIR', () => fs.renameSync(at.path('empty'), at.path('file')))
    fails('ENOTDIR', () => fs.renameSync(at.path('empty'), at.path('link')))
    fails(['ENOTEMPTY', 'EEXIST'], () => fs.renameSync(at.path('empty'), at.path('full')))
    fs.renameSync(at.path('full'), at.path('empty'))
    assert.equal(textOf(at.path('empty/inside')), 'inside')
    fs.renameSync(at.path('file'), at.path('link'))
    assert.equal(textOf(at.path('link')), 'file')
    assert.deepEqual(fs.readdirSync(at.directory).toSorted(), ['empty', 'link', 'other'])
  })

  check('a rename of a name to another one of the same file does nothing', (at) => {
    const first = at.file('first', 'same')
    fs.linkSync(first, at.path('second'))
    fs.renameSync(first, at.path('second'))
    assert.deepEqual(fs.readdirSync(at.directory).toSorted(), ['first', 'second'])
    fs.renameSync(first, first)
    assert.equal(textOf(first), 'same')
    fs.mkdirSync(at.path('directory'))
    fs.renameSync(at.path('directory'), at.path('directory'))
  })

  check('a directory does not go below itself', (at) => {
    fs.mkdirSync(at.path('a/b/c'), { recursive: true })
    fails('EINVAL', () => fs.renameSync(at.path('a'), at.path('a/moved')))
    fails('EINVAL', () => fs.renameSync(at.path('a'), at.path('a/b/c/moved')))
    fails(['ENOTEMPTY', 'EEXIST'], () => fs.renameSync(at.path('a/b/c'), at.path('a')))
    assert.ok(fs.existsSync(at.path('a/b/c')))
  })

  check('names that are no names cannot be renamed', (at) => {
    fill(at)
    fails(['EBUSY', 'EINVAL'], () => fs.renameSync(`${at.directory}/.`, at.path('moved')))
    fails(['EBUSY', 'EINVAL'], () => fs.renameSync(at.path('empty'), `${at.directory}/full/..`))
    fails('ENOENT', () => fs.renameSync(at.path('missing'), at.path('file')))
    fails('ENOENT', () => fs.renameSync(at.path('file'), at.path('missing/file')))
    fails('ENOTDIR', () => fs.renameSync(at.path('file'), at.path('other/file')))
    fails('ENOTDIR', () => fs.renameSync(at.path('file'), at.path('moved/')))
    fs.renameSync(at.path('empty'), at.path('moved/'))
    assert.ok(look(at.path('moved')).isDirectory())
  })

  check("a moved directory's '..' is its new parent, and who is in it stays in it", (at) => {
    fs.mkdirSync(at.path('from/moving'), { recursive: true })
    fs.mkdirSync(at.path('to'))
    at.file('to/sign', 'the new parent')
    const fd = fs.openSync(at.path('from/moving'), 'r')
    try {
      fs.renameSync(at.path('from/moving'), at.path('to/moved'))
      assert.equal(textOf(at.path('to/moved/../sign')), 'the new parent')
      fs.writeFileSync(`/proc/self/fd/${fd}/made`, 'by descriptor')
      assert.equal(textOf(at.path('to/moved/made')), 'by descriptor')
    } finally {
      fs.closeSync(fd)
    }
  })

  check('RENAME_NOREPLACE leaves what is there', (at) => {
    fill(at)
    for (const name of ['other', 'empty', 'full', 'link', 'file'])
      fails('EEXIST', () => rename(at.path('file'), at.path(name), RENAME.noReplace))
    assert.equal(textOf(at.path('other')), 'other')
    rename(at.path('file'), at.path('free'), RENAME.noReplace)
    rename(at.path('full'), at.path('empty/full'), RENAME.noReplace)
    assert.equal(textOf(at.path('free')), 'file')
    assert.equal(textOf(at.path('empty/full/inside')), 'inside')
  })

  check('RENAME_EXCHANGE swaps two names, whatever they are of', (at) => {
    fill(at)
    rename(at.path('file'), at.path('other'), RENAME.exchange)
    assert.deepEqual([textOf(at.path('file')), textOf(at.path('other'))], ['other', 'file'])
    rename(at.path('file'), at.path('full'), RENAME.exchange)
    assert.equal(textOf(at.path('file/inside')), 'inside')
    assert.equal(textOf(at.path('full')), 'other')
    rename(at.path('link'), at.path('empty'), RENAME.exchange)
    assert.equal(fs.readlinkSync(at.path('empty')), 'nowhere')
    assert.ok(look(at.path('link')).isDirectory())
    fails('ENOENT', () => rename(at.path('file'), at.path('missing'), RENAME.exchange))
    fails('EINVAL', () => rename(at.path('file'), at.path('file/inside'), RENAME.exchange))
    fails('EINVAL', () => rename(at.path('file'), at.path('other'), RENAME.exchange | RENAME.noReplace))
  })

  check('an exchange across directories moves what is in them and counts their links', (at) => {
    fs.mkdirSync(at.path('left/directory'), { recursive: true })
    fs.mkdirSync(at.path('right'))
    at.file('left/directory/deep', 'deep')
    at.file('right/file', 'flat')
    const counted = look(at.path('left')).nlink > 1n
    rename(at.path('left/directory'), at.path('right/file'), RENAME.exchange)
    assert.equal(textOf(at.path('right/file/deep')), 'deep')
    assert.equal(textOf(at.path('left/directory')), 'flat')
    assert.equal(textOf(at.path('right/file/../../left/directory')), 'flat')
    if (counted) assert.deepEqual([look(at.path('left')).nlink, look(at.path('right')).nlink], [2n, 3n])
  })
}
