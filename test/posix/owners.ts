import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { alice, asUser, bob, carol, withUmask } from './as-user.ts'
import type { Check } from './subject.ts'
import { fails, modeOf } from './subject.ts'
import { copyRange, fallocate, FALLOCATE } from './system-calls.ts'

const root = { root: true }
/** A directory that alice may write to. */
const OPEN = 0o777

/** Owners of what is made, the umask, and the bits beyond the nine: set-user-id, set-group-id, sticky. */
export function ownerCases(check: Check): void {
  check('what is made has the mode that was asked for, less the umask', (at) => {
    for (const mask of [0, 0o022, 0o077, 0o027, 0o777]) {
      withUmask(mask, () => {
        fs.closeSync(fs.openSync(at.path(`file-${mask}`), 'w', 0o666))
        fs.mkdirSync(at.path(`directory-${mask}`), 0o777)
      })
      assert.equal(modeOf(at.path(`file-${mask}`)), 0o666 & ~mask)
      assert.equal(modeOf(at.path(`directory-${mask}`)), 0o777 & ~mask)
    }
    withUmask(0o022, () => fs.mkdirSync(at.path('sticky'), 0o1777))
    assert.equal(modeOf(at.path('sticky')), 0o1755)
    withUmask(0o077, () => fs.chmodSync(at.path('sticky'), 0o777))
    assert.equal(modeOf(at.path('sticky')), 0o777, 'chmod knows no umask')
  })

  check(
    'what a user makes is its own, of its group',
    (at) => {
      fs.chmodSync(at.directory, OPEN)
      asUser(alice, () => {
        fs.writeFileSync(at.path('file'), '')
        fs.mkdirSync(at.path('directory'))
        fs.symlinkSync('x', at.path('link'))
      })
      for (const name of ['file', 'directory', 'link']) {
        const { uid, gid } = fs.lstatSync(at.path(name))
        assert.deepEqual([name, uid, gid], [name, alice.uid, alice.gid])
      }
    },
    root,
  )

  check(
    'in a directory with set-group-id what is made is of its group, and directories have the bit too',
    (at) => {
      fs.mkdirSync(at.path('shared'))
      fs.chownSync(at.path('shared'), bob.uid, bob.gid)
      fs.chmodSync(at.path('shared'), 0o2777)
      withUmask(0, () =>
        asUser(alice, () => {
          fs.closeSync(fs.openSync(at.path('shared/file'), 'w', 0o666))
          fs.mkdirSync(at.path('shared/directory'), 0o777)
        }),
      )
      assert.deepEqual([fs.statSync(at.path('shared/file')).gid, modeOf(at.path('shared/file'))], [bob.gid, 0o666])
      assert.deepEqual(
        [fs.statSync(at.path('shared/directory')).gid, modeOf(at.path('shared/directory'))],
        [bob.gid, 0o2777],
      )
    },
    root,
  )

  check(
    'a set-group-id of a foreign group is not given: not by chmod, not with what is made',
    (at) => {
      fs.chmodSync(at.directory, OPEN)
      const path = at.file('file')
      fs.chownSync(path, alice.uid, bob.gid)
      asUser(alice, () => fs.chmodSync(path, 0o2755))
      assert.equal(modeOf(path), 0o755)
      fs.chownSync(path, alice.uid, alice.gid)
      asUser(alice, () => fs.chmodSync(path, 0o2755))
      assert.equal(modeOf(path), 0o2755)
      fs.mkdirSync(at.path('shared'))
      fs.chownSync(at.path('shared'), bob.uid, bob.gid)
      fs.chmodSync(at.path('shared'), 0o2777)
      withUmask(0, () => asUser(alice, () => fs.closeSync(fs.openSync(at.path('shared/made'), 'w', 0o2777))))
      assert.equal(modeOf(at.path('shared/made')), 0o777)
    },
    root,
  )

  check(
    'whoever writes to a file, cuts it or copies into it takes its set-id bits away, but not root',
    (at) => {
      const source = at.file('source', 'source', 0o644)
      const fresh = (): string => {
        const path = at.file('program', 'program')
        fs.chmodSync(path, 0o6777)
        return path
      }
      const withOpen = (flags: string, use: (fd: number) => void) => (): void => {
        const fd = fs.openSync(at.path('program'), flags)
        try {
          use(fd)
        } finally {
          fs.closeSync(fd)
        }
      }
      const changes: Record<string, () => void> = {
        write: withOpen('r+', (fd) => fs.writeSync(fd, 'x')),
        append: withOpen('a', (fd) => fs.writeSync(fd, 'x')),
        ftruncate: withOpen('r+', (fd) => fs.ftruncateSync(fd, 1)),
        truncate: () => fs.truncateSync(at.path('program'), 3),
        O_TRUNC: withOpen('w', () => undefined),
        fallocate: withOpen('r+', (fd) => fallocate(fd, 0, 0, 8192)),
        punch: withOpen('r+', (fd) => fallocate(fd, FALLOCATE.punchHole, 0, 4096)),
        copy: withOpen('r+', (fd) => {
          const from = fs.openSync(source, 'r')
          copyRange(from, 0, fd, 0, 6)
          fs.closeSync(from)
        }),
      }
      for (const [name, change] of Object.entries(changes)) {
        const path = fresh()
        change()
        assert.equal(modeOf(path), 0o6777, `root's ${name}`)
        asUser(bob, change)
        assert.equal(modeOf(path), 0o777, `bob's ${name}`)
      }
    },
    root,
  )

  check(
    'a set-group-id without x for the group stays when a member of the group changes a file, and goes else',
    (at) => {
      const path = at.file('file', 'data')
      fs.chownSync(path, alice.uid, alice.gid)
      fs.chmodSync(path, 0o2666)
      const changes: Record<string, () => void> = {
        append: () => fs.appendFileSync(path, 'x'),
        truncate: () => fs.truncateSync(path, 3),
        O_TRUNC: () => fs.closeSync(fs.openSync(path, 'w')),
        fallocate: () => {
          const fd = fs.openSync(path, 'r+')
          fallocate(fd, 0, 0, 8192)
          fs.closeSync(fd)
        },
      }
      for (const [name, change] of Object.entries(changes)) {
        for (const [member, who] of Object.entries({ alice, carol })) {
          asUser(who, change)
          assert.equal(modeOf(path), 0o2666, `${member}'s ${name}`)
        }
        change()
        assert.equal(modeOf(path), 0o2666, `root's ${name}`)
        asUser(bob, change)
        assert.equal(modeOf(path), 0o666, `bob's ${name}`)
        fs.chmodSync(path, 0o2666)
      }
      fs.chownSync(path, alice.uid, bob.gid)
      fs.chmodSync(path, 0o2666)
      fs.chownSync(path, alice.uid, -1)
      assert.equal(modeOf(path), 0o2666, "root's chown")
      asUser(alice, () => fs.chownSync(path, -1, alice.gid))
      assert.equal(modeOf(path), 0o666, "alice's chown")
    },
    root,
  )

  check(
    'a file that changes hands loses its set-id bits; a directory keeps them',
    (at) => {
      const path = at.file('program')
      fs.chmodSync(path, 0o6755)
      fs.chownSync(path, alice.uid, alice.gid)
      assert.equal(modeOf(path), 0o755)
      fs.chmodSync(path, 0o6755)
      asUser({ ...alice, groups: [bob.gid] }, () => fs.chownSync(path, alice.uid, bob.gid))
      assert.equal(modeOf(path), 0o755)
      fs.mkdirSync(at.path('directory'))
      fs.chmodSync(at.path('directory'), 0o6755)
      fs.chownSync(at.path('directory'), alice.uid, alice.gid)
      assert.equal(modeOf(at.path('directory')), 0o6755)
    },
    root,
  )

  check(
    'lchown changes a symlink and not what it leads to, and -1 leaves an id',
    (at) => {
      const path = at.file('file')
      fs.symlinkSync('file', at.path('link'))
      fs.lchownSync(at.path('link'), alice.uid, alice.gid)
      assert.deepEqual([fs.lstatSync(at.path('link')).uid, fs.statSync(path).uid], [alice.uid, 0])
      fs.chownSync(at.path('link'), bob.uid, 0xffff_ffff)
      assert.deepEqual([fs.statSync(path).uid, fs.statSync(path).gid], [bob.uid, 0])
      fs.chownSync(path, 0xffff_ffff, bob.gid)
      assert.deepEqual([fs.statSync(path).uid, fs.statSync(path).gid], [bob.uid, bob.gid])
      assert.equal(fs.lstatSync(at.path('link')).uid, alice.uid)
      fails('ENOENT', () => fs.chownSync(at.path('missing'), 0, 0))
    },
    root,
  )

  check('every mode bit can be set and taken away', (at) => {
    const path = at.file('file')
    for (let bit = 1; bit <= 0o4000; bit <<= 1) {
      fs.chmodSync(path, bit)
      assert.equal(modeOf(path), bit)
    }
    const fd = fs.openSync(path, 'w')
    fs.fchmodSync(fd, 0o1640)
    fs.closeSync(fd)
    assert.equal(modeOf(path), 0o1640)
  })
}
