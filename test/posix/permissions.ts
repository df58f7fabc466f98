import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { alice, asUser, bob, carol } from './as-user.ts'
import type { Check, Place } from './subject.ts'
import { fails, modeOf, textOf } from './subject.ts'

const root = { root: true }
const { R_OK, W_OK } = { R_OK: 'r', W_OK: 'r+' }

/** A file of alice's with this mode. */
function hers(at: Place, name: string, mode: number): string {
  const path = at.file(name, 'hers')
  fs.chownSync(path, alice.uid, alice.gid)
  fs.chmodSync(path, mode)
  return path
}

/** A directory of alice's with a file in it that everybody may read and write. */
function herDirectory(at: Place, name: string, mode: number): string {
  fs.mkdirSync(at.path(name))
  const inside = at.file(`${name}/inside`, 'inside')
  fs.chmodSync(inside, 0o666)
  fs.chownSync(at.path(name), alice.uid, alice.gid)
  fs.chmodSync(at.path(name), mode)
  return at.path(name)
}

const open = (path: string, flags: string): void => fs.closeSync(fs.openSync(path, flags))

/** Who may do what, by the bits of owner, group and others. */
export function permissionCases(check: Check): void {
  check(
    'the owner goes by the bits of the owner, the group by its own, the others by theirs',
    (at) => {
      const everybody = [alice, carol, bob]
      for (const [mode, readers, writers] of [
        [0o600, [alice], [alice]],
        [0o640, [alice, carol], [alice]],
        [0o664, [alice, carol, bob], [alice, carol]],
        [0o606, [alice, bob], [alice, bob]],
        [0o066, [carol, bob], [carol, bob]],
        [0o004, [bob], []],
      ] as const) {
        const path = hers(at, `mode-${mode.toString(8)}`, mode)
        for (const user of everybody) {
          for (const [flags, allowed] of [
            [R_OK, readers],
            [W_OK, readers.filter((one) => (writers as readonly unknown[]).includes(one))],
          ] as const) {
            const attempt = (): void => asUser(user, () => open(path, flags))
            if ((allowed as readonly unknown[]).includes(user)) attempt()
            else fails('EACCES', attempt)
          }
        }
      }
    },
    root,
  )

  check(
    'root reads and writes whatever the bits say',
    (at) => {
      const path = hers(at, 'closed', 0)
      assert.equal(textOf(path), 'hers')
      fs.writeFileSync(path, 'root was here')
      fs.readdirSync(herDirectory(at, 'closed-directory', 0))
    },
    root,
  )

  check(
    'to look into a directory takes x, to list it r, to change its names both w and x',
    (at) => {
      for (const [mode, maySearch, mayList, mayChange] of [
        [0o700, false, false, false],
        [0o701, true, false, false],
        [0o704, false, true, false],
        [0o705, true, true, false],
        [0o702, false, false, false],
        [0o703, true, false, true],
        [0o707, true, true, true],
      ] as const) {
        const directory = herDirectory(at, `mode-${mode.toString(8)}`, mode)
        const judge = (allowed: boolean, run: () => unknown): void => {
          const attempt = (): unknown => asUser(bob, run)
          if (allowed) attempt()
          else fails('EACCES', attempt)
        }
        judge(maySearch, () => fs.statSync(`${directory}/inside`))
        judge(maySearch, () => open(`${directory}/inside`, 'r+'))
        judge(mayList, () => fs.readdirSync(directory))
        judge(mayChange, () => fs.writeFileSync(`${directory}/made`, ''))
        judge(mayChange, () => fs.mkdirSync(`${directory}/directory`))
        judge(mayChange, () => fs.symlinkSync('x', `${directory}/link`))
        judge(mayChange, () => fs.renameSync(`${directory}/inside`, `${directory}/moved`))
        if (mayChange) judge(true, () => fs.unlinkSync(`${directory}/moved`))
        else judge(false, () => fs.unlinkSync(`${directory}/inside`))
      }
    },
    root,
  )

  check(
    'only the owner and root change the mode',
    (at) => {
      const path = hers(at, 'file', 0o666)
      asUser(alice, () => fs.chmodSync(path, 0o606))
      for (const user of [bob, carol]) fails('EPERM', () => asUser(user, () => fs.chmodSync(path, 0o777)))
      assert.equal(modeOf(path), 0o606)
      fs.chmodSync(path, 0o600)
      assert.equal(modeOf(path), 0o600)
    },
    root,
  )

  check(
    'only root gives files away; an owner may give them to a group of its own',
    (at) => {
      const path = hers(at, 'file', 0o666)
      fails('EPERM', () => asUser(alice, () => fs.chownSync(path, bob.uid, alice.gid)))
      fails('EPERM', () => asUser(alice, () => fs.chownSync(path, alice.uid, bob.gid)))
      fails('EPERM', () => asUser(bob, () => fs.chownSync(path, bob.uid, bob.gid)))
      asUser({ ...alice, groups: [bob.gid] }, () => fs.chownSync(path, alice.uid, bob.gid))
      assert.equal(fs.statSync(path).gid, bob.gid)
      fs.chownSync(path, bob.uid, carol.gid)
      assert.deepEqual([fs.statSync(path).uid, fs.statSync(path).gid], [bob.uid, carol.gid])
    },
    root,
  )

  check(
    'in a sticky directory a name is removed or replaced by its owner, the owner of the directory, or root',
    (at) => {
      fs.mkdirSync(at.path('sticky'))
      fs.chownSync(at.path('sticky'), carol.uid, carol.gid)
      fs.chmodSync(at.path('sticky'), 0o1777)
      const fresh = (): string => {
        const path = hers(at, 'sticky/file', 0o666)
        fs.writeFileSync(at.path('sticky/bobs'), '')
        fs.chownSync(at.path('sticky/bobs'), bob.uid, bob.gid)
        return path
      }
      const path = fresh()
      const other = at.path('sticky/other')
      fails(['EPERM', 'EACCES'], () => asUser(bob, () => fs.unlinkSync(path)))
      fails(['EPERM', 'EACCES'], () => asUser(bob, () => fs.renameSync(path, other)))
      fails(['EPERM', 'EACCES'], () => asUser(bob, () => fs.renameSync(at.path('sticky/bobs'), path)))
      asUser(bob, () => fs.renameSync(at.path('sticky/bobs'), at.path('sticky/still-bobs')))
      asUser(alice, () => fs.unlinkSync(path))
      fresh()
      asUser(carol, () => fs.unlinkSync(path))
      fs.unlinkSync(fresh())
    },
    root,
  )

  check(
    'a file runs when its bits say so, and for root when any of them does',
    (at) => {
      const path = at.file('program', '#!/bin/sh\nexit 7\n', 0o644)
      assert.equal((spawnSync(path).error as { code?: string } | undefined)?.code, 'EACCES')
      fs.chmodSync(path, 0o700)
      assert.equal(spawnSync(path).status, 7)
      const denied = spawnSync(path, { uid: bob.uid, gid: bob.gid })
      assert.equal((denied.error as { code?: string } | undefined)?.code, 'EACCES')
      fs.chmodSync(path, 0o755)
      assert.equal(spawnSync(path, { uid: bob.uid, gid: bob.gid }).status, 7)
    },
    root,
  )

  check(
    'a descriptor that was opened stays good when the bits change',
    (at) => {
      const path = hers(at, 'file', 0o666)
      const fd = asUser(bob, () => fs.openSync(path, 'r+'))
      fs.chmodSync(path, 0)
      try {
        asUser(bob, () => {
          assert.equal(fs.writeSync(fd, 'bob'), 3)
          assert.equal(fs.readSync(fd, Buffer.alloc(8), { position: 0 }), 4)
          fails('EACCES', () => fs.openSync(path, 'r'))
        })
      } finally {
        fs.closeSync(fd)
      }
    },
    root,
  )

  check('a file that was made with no right to write can be written by who made it', (at) => {
    const fd = fs.openSync(at.path('file'), 'wx', 0o400)
    try {
      assert.equal(fs.writeSync(fd, 'data'), 4)
    } finally {
      fs.closeSync(fd)
    }
    assert.equal(modeOf(at.path('file')), 0o400)
  })
}
