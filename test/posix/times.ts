import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { alice, asUser, bob } from './as-user.ts'
import type { Check, Place } from './subject.ts'
import { fails, look } from './subject.ts'
import { fallocate, rename, RENAME, setTimes, setXattr, UTIME } from './system-calls.ts'
import type { TimeSpec } from './system-calls.ts'

/** Longer than a tick of the kernel's coarse clock, which stamps files. */
const TICK_MS = 15
const LONG_AGO: TimeSpec = { seconds: 1_000_000_000, nanoseconds: 123_456_789 }

type Stamp = 'mtimeNs' | 'ctimeNs'

/** Which of `paths` have other times after `change`, as `name mtime` and `name ctime`. */
async function changedBy(at: Place, names: readonly string[], change: () => void): Promise<string[]> {
  const before = new Map(names.map((name) => [name, look(at.path(name))]))
  await sleep(TICK_MS)
  change()
  return names.flatMap((name) =>
    (['mtimeNs', 'ctimeNs'] satisfies Stamp[])
      .filter((stamp) => look(at.path(name))[stamp] !== before.get(name)?.[stamp])
      .map((stamp) => `${name} ${stamp.slice(0, 5)}`),
  )
}

/** Which change sets which time, and setting them. */
export function timeCases(check: Check): void {
  check('what is made has the time of now, and its directory too', async (at) => {
    await sleep(TICK_MS)
    const start = BigInt(Date.now() - 2 * TICK_MS) * 1_000_000n
    at.file('file')
    fs.mkdirSync(at.path('directory'))
    fs.symlinkSync('x', at.path('link'))
    const end = BigInt(Date.now() + 2 * TICK_MS) * 1_000_000n
    for (const name of ['file', 'directory', 'link', '.']) {
      const { atimeNs, mtimeNs, ctimeNs } = look(at.path(name))
      for (const time of name === '.' ? [mtimeNs, ctimeNs] : [atimeNs, mtimeNs, ctimeNs])
        assert.ok(time >= start && time <= end, `${name}: ${time} is in ${start} … ${end}`)
    }
  })

  check('a change of content sets mtime and ctime, one of attributes ctime only', async (at) => {
    const file = at.file('file', 'x'.repeat(10_000))
    const content: Record<string, () => void> = {
      write: () => fs.writeFileSync(file, 'written', { flag: 'r+' }),
      append: () => fs.appendFileSync(file, 'more'),
      'a truncate down': () => fs.truncateSync(file, 100),
      'a truncate up': () => fs.truncateSync(file, 20_000),
      O_TRUNC: () => fs.closeSync(fs.openSync(file, 'w')),
      fallocate: () => {
        const fd = fs.openSync(file, 'r+')
        fallocate(fd, 0, 0, 40_000)
        fs.closeSync(fd)
      },
    }
    for (const [name, change] of Object.entries(content))
      assert.deepEqual(await changedBy(at, ['file'], change), ['file mtime', 'file ctime'], name)
    const attributes: Record<string, () => void> = {
      chmod: () => fs.chmodSync(file, 0o640),
      chown: () => fs.chownSync(file, process.getuid!(), process.getgid!()),
      link: () => fs.linkSync(file, at.path('second')),
      unlink: () => fs.unlinkSync(at.path('second')),
      rename: () => {
        fs.renameSync(file, at.path('moved'))
        fs.renameSync(at.path('moved'), file)
      },
    }
    for (const [name, change] of Object.entries(attributes))
      assert.deepEqual(await changedBy(at, ['file'], change), ['file ctime'], name)
  })

  check(
    'an extended attribute sets ctime only',
    async (at) => {
      const file = at.file('file')
      assert.deepEqual(await changedBy(at, ['file'], () => setXattr(file, 'user.name', 'x')), ['file ctime'])
    },
    { ability: 'userXattrs' },
  )

  check('a write of nothing and a read change no mtime, and what fails changes nothing', async (at) => {
    const file = at.file('file', 'data')
    const nothing: Record<string, () => void> = {
      'a read': () => fs.readFileSync(file),
      'a write of nothing': () => {
        const fd = fs.openSync(file, 'r+')
        fs.writeSync(fd, '')
        fs.closeSync(fd)
      },
      'a mkdir of what is there': () => fails('EEXIST', () => fs.mkdirSync(file)),
      'a link to what is there': () => fails('EEXIST', () => fs.linkSync(file, file)),
      'a look': () => fs.readdirSync(at.directory),
    }
    for (const [name, run] of Object.entries(nothing))
      assert.deepEqual(await changedBy(at, ['.', 'file'], run), [], name)
  })

  check('a change of names sets mtime and ctime of the directories it is in', async (at) => {
    fs.mkdirSync(at.path('a'))
    fs.mkdirSync(at.path('b'))
    const both = ['a mtime', 'a ctime', 'b mtime', 'b ctime']
    const changes: [string, () => void, string[]][] = [
      ['create', () => at.file('a/file'), ['a mtime', 'a ctime']],
      ['link', () => fs.linkSync(at.path('a/file'), at.path('b/file')), ['b mtime', 'b ctime']],
      ['rename', () => fs.renameSync(at.path('a/file'), at.path('b/moved')), []],
      ['a rename across', () => rename(at.path('b/file'), at.path('a/across'), RENAME.noReplace), both],
      ['mkdir', () => fs.mkdirSync(at.path('a/directory')), ['a mtime', 'a ctime']],
      ['rmdir', () => fs.rmdirSync(at.path('a/directory')), ['a mtime', 'a ctime']],
      ['symlink', () => fs.symlinkSync('x', at.path('a/link')), ['a mtime', 'a ctime']],
      ['unlink', () => fs.unlinkSync(at.path('a/link')), ['a mtime', 'a ctime']],
    ]
    changes[2][2] = both
    for (const [name, change, expected] of changes) {
      assert.deepEqual(await changedBy(at, ['a', 'b'], change), expected, name)
    }
  })

  check('times are set to the nanosecond, before 1970 and after 2038 too', (at) => {
    const file = at.file('file')
    for (const [atime, mtime] of [
      [
        { seconds: 1_700_000_000, nanoseconds: 1 },
        { seconds: 1_700_000_001, nanoseconds: 999_999_999 },
      ],
      [
        { seconds: 0, nanoseconds: 0 },
        { seconds: 0, nanoseconds: 1 },
      ],
      [
        { seconds: -1, nanoseconds: 500_000_000 },
        { seconds: -1_000_000, nanoseconds: 999_999_999 },
      ],
      [
        { seconds: 2 ** 31, nanoseconds: 7 },
        { seconds: 2 ** 32 + 5, nanoseconds: 8 },
      ],
    ] satisfies [TimeSpec, TimeSpec][]) {
      setTimes(file, { atime, mtime })
      const inNs = ({ seconds, nanoseconds }: TimeSpec): bigint => BigInt(seconds) * 10n ** 9n + BigInt(nanoseconds)
      assert.deepEqual([look(file).atimeNs, look(file).mtimeNs], [inNs(atime), inNs(mtime)])
    }
  })

  check('UTIME_NOW is now and UTIME_OMIT leaves a time; ctime is now whatever is set', async (at) => {
    const file = at.file('file')
    setTimes(file, { atime: LONG_AGO, mtime: LONG_AGO })
    const longAgo = 1_000_000_000_123_456_789n
    await sleep(TICK_MS)
    const start = BigInt(Date.now() - 2 * TICK_MS) * 1_000_000n
    setTimes(file, { atime: { seconds: 0, nanoseconds: UTIME.now }, mtime: { seconds: 5, nanoseconds: UTIME.omit } })
    assert.equal(look(file).mtimeNs, longAgo)
    assert.ok(look(file).atimeNs >= start)
    setTimes(file, { atime: LONG_AGO, mtime: { seconds: 0, nanoseconds: UTIME.now } })
    assert.equal(look(file).atimeNs, longAgo)
    assert.ok(look(file).mtimeNs >= start)
    const { ctimeNs } = look(file)
    await sleep(TICK_MS)
    setTimes(file, { atime: LONG_AGO, mtime: LONG_AGO })
    assert.ok(look(file).ctimeNs > ctimeNs)
    setTimes(file)
    assert.ok(look(file).mtimeNs >= start && look(file).atimeNs >= start)
    fails('EINVAL', () => setTimes(file, { atime: LONG_AGO, mtime: { seconds: 0, nanoseconds: 1_000_000_000 } }))
  })

  check('the times of a symlink are its own', (at) => {
    const file = at.file('file')
    fs.symlinkSync('file', at.path('link'))
    const { mtimeNs } = look(file)
    setTimes(at.path('link'), { atime: LONG_AGO, mtime: LONG_AGO }, { follow: false })
    assert.equal(look(at.path('link')).mtimeNs, 1_000_000_000_123_456_789n)
    assert.equal(look(file).mtimeNs, mtimeNs)
    setTimes(at.path('link'), { atime: LONG_AGO, mtime: LONG_AGO })
    assert.equal(look(file).mtimeNs, 1_000_000_000_123_456_789n)
  })

  check(
    'times are set by the owner, or to now by whoever may write',
    (at) => {
      const file = at.file('file')
      fs.chownSync(file, alice.uid, alice.gid)
      fs.chmodSync(file, 0o644)
      const given = { atime: LONG_AGO, mtime: LONG_AGO }
      asUser(alice, () => setTimes(file, given))
      fails('EPERM', () => asUser(bob, () => setTimes(file, given)))
      fails('EACCES', () => asUser(bob, () => setTimes(file)))
      fs.chmodSync(file, 0o666)
      fails('EPERM', () => asUser(bob, () => setTimes(file, given)))
      asUser(bob, () => setTimes(file))
      assert.ok(look(file).mtimeNs > 1_700_000_000n * 10n ** 9n)
    },
    { root: true },
  )

  check('times that were set stay after the file is closed', (at) => {
    const fd = fs.openSync(at.path('file'), 'w')
    fs.writeSync(fd, 'data')
    fs.futimesSync(fd, 1_000_000, 2_000_000)
    fs.closeSync(fd)
    assert.deepEqual([look(at.path('file')).atimeMs, look(at.path('file')).mtimeMs], [1_000_000_000n, 2_000_000_000n])
  })
}
