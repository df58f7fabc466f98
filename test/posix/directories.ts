import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { Check } from './subject.ts'
import { fails, look } from './subject.ts'

const MANY = 1000

/** Long enough that a directory of many does not fit into one reply. */
const nameOf = (i: number): string => `${`${i}`.padStart(6, '0')}-${'long-name-'.repeat(5)}`

/** Reading, emptying and removing directories. */
export function directoryCases(check: Check): void {
  check('a new directory is empty, and its listing has every name once', (at) => {
    assert.deepEqual(fs.readdirSync(at.directory), [])
    const names = Array.from({ length: MANY }, (_, i) => nameOf(i))
    for (const name of names) at.file(name)
    assert.deepEqual(fs.readdirSync(at.directory).toSorted(), names)
    const again = fs.opendirSync(at.directory, { bufferSize: 7 })
    const found: string[] = []
    for (let entry = again.readSync(); entry !== null; entry = again.readSync()) found.push(entry.name)
    again.closeSync()
    assert.deepEqual(found.toSorted(), names)
  })

  check('a listing says of each entry what it is', (at) => {
    at.file('file')
    fs.mkdirSync(at.path('directory'))
    fs.symlinkSync('file', at.path('link'))
    const kinds = fs
      .readdirSync(at.directory, { withFileTypes: true })
      .map((entry) => {
        const kind = entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'link' : '?'
        return `${entry.name} is a ${kind}`
      })
      .toSorted()
    assert.deepEqual(kinds, ['directory is a directory', 'file is a file', 'link is a link'])
  })

  check('a listing under change has each name once that was there all the time', (at) => {
    const stay = Array.from({ length: MANY }, (_, i) => nameOf(i))
    for (const name of stay) at.file(name)
    for (let i = 0; i < MANY; i++) if (i % 3 === 0) at.file(`${nameOf(i)}-leaves`)
    const listing = fs.opendirSync(at.directory)
    const found: string[] = []
    let round = 0
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync(), round++) {
      found.push(entry.name)
      if (round >= MANY) continue
      if (round % 3 === 0) fs.unlinkSync(at.path(`${nameOf(round)}-leaves`))
      if (round % 7 === 0) at.file(`${nameOf((round * 13) % MANY)}-comes-${round}`)
    }
    listing.closeSync()
    const known = new Set(stay)
    assert.deepEqual(found.filter((name) => known.has(name)).toSorted(), stay)
    assert.equal(new Set(found).size, found.length, 'no name comes twice')
  })

  check('who removes each entry as it is listed empties the directory', (at) => {
    fs.mkdirSync(at.path('emptied'))
    for (let i = 0; i < MANY; i++) at.file(`emptied/${nameOf(i)}`)
    const listing = fs.opendirSync(at.path('emptied'))
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync())
      fs.unlinkSync(at.path(`emptied/${entry.name}`))
    listing.closeSync()
    assert.deepEqual(fs.readdirSync(at.path('emptied')), [])
    fs.rmdirSync(at.path('emptied'))
  })

  check('a directory further down than a path is long is listed, and removed from above', (at) => {
    const name = 'further-down'.padEnd(250, '-')
    const deep = [fs.openSync(at.directory, 'r')]
    try {
      for (let i = 0; i < 20; i++) {
        const below = `/proc/self/fd/${deep[i]}/${name}`
        fs.mkdirSync(below)
        deep.push(fs.openSync(below, 'r'))
      }
      assert.deepEqual(fs.readdirSync(`/proc/self/fd/${deep[20]}`), [])
      assert.deepEqual(fs.readdirSync(`/proc/self/fd/${deep[19]}`), [name])
      assert.equal(fs.statSync(`/proc/self/fd/${deep[20]}/..`).ino, fs.fstatSync(deep[19]).ino)
    } finally {
      for (const fd of deep) fs.closeSync(fd)
      execFileSync('rm', ['-r', at.path(name)])
    }
  })

  check('only an empty directory is removed', (at) => {
    fs.mkdirSync(at.path('directory'))
    for (const fill of [
      () => at.file('directory/entry'),
      () => fs.mkdirSync(at.path('directory/entry')),
      () => fs.symlinkSync('x', at.path('directory/entry')),
    ]) {
      fill()
      fails(['ENOTEMPTY', 'EEXIST'], () => fs.rmdirSync(at.path('directory')))
      fs.rmSync(at.path('directory/entry'), { recursive: true })
    }
    fails('EINVAL', () => fs.rmdirSync(`${at.path('directory')}/.`))
    fails(['ENOTEMPTY', 'EEXIST'], () => fs.rmdirSync(`${at.path('directory')}/..`))
    fs.rmdirSync(at.path('directory'))
    fails('ENOENT', () => look(at.path('directory')))
  })

  check('a directory that was removed while open is empty, and nothing is made in it', (at) => {
    fs.mkdirSync(at.path('directory'))
    const fd = fs.openSync(at.path('directory'), 'r')
    fs.rmdirSync(at.path('directory'))
    try {
      const inside = `/proc/self/fd/${fd}`
      assert.deepEqual(fs.readdirSync(inside), [])
      fails('ENOENT', () => fs.writeFileSync(`${inside}/file`, ''))
      fails('ENOENT', () => fs.mkdirSync(`${inside}/directory`))
      fails('ENOENT', () => fs.symlinkSync('x', `${inside}/link`))
      assert.equal(fs.fstatSync(fd).nlink, 0)
    } finally {
      fs.closeSync(fd)
    }
  })

  check('a tree is removed from the leaves, and a listing of its root shows it going', (at) => {
    for (let i = 0; i < 10; i++) {
      fs.mkdirSync(at.path(`tree/${i}/deeper/still`), { recursive: true })
      at.file(`tree/${i}/deeper/still/leaf`, 'leaf')
    }
    assert.equal(fs.readdirSync(at.path('tree')).length, 10)
    fs.rmSync(at.path('tree/3'), { recursive: true })
    assert.equal(fs.readdirSync(at.path('tree')).includes('3'), false)
    fs.rmSync(at.path('tree'), { recursive: true })
    assert.deepEqual(fs.readdirSync(at.directory), [])
  })
}
