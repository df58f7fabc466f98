import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { startProcess } from '../support/participant.ts'
import type { Check } from './subject.ts'
import { fails, textOf } from './subject.ts'
import { link, OPEN } from './system-calls.ts'

/** Files that are open while their names change, or that never had one. */
export function openFileCases(check: Check): void {
  check('a file that was removed while open is read, written and cut as before', (at) => {
    const fd = fs.openSync(at.file('file', 'content'), 'r+')
    try {
      fs.unlinkSync(at.path('file'))
      assert.equal(fs.fstatSync(fd).nlink, 0)
      assert.equal(fs.readFileSync(fd, 'utf8'), 'content')
      fs.writeSync(fd, ' and more', 7)
      const back = Buffer.alloc(100)
      assert.equal(back.toString('utf8', 0, fs.readSync(fd, back, 0, 100, 0)), 'content and more')
      fs.ftruncateSync(fd, 100_000)
      fs.fchmodSync(fd, 0o600)
      fs.fsyncSync(fd)
      assert.deepEqual([fs.fstatSync(fd).size, fs.fstatSync(fd).mode & 0o777], [100_000, 0o600])
      at.file('file', 'another one')
      assert.notEqual(fs.fstatSync(fd).ino, fs.statSync(at.path('file')).ino)
    } finally {
      fs.closeSync(fd)
    }
    assert.equal(textOf(at.path('file')), 'another one')
  })

  check('a file that was removed while open is opened anew through /proc', (at) => {
    const fd = fs.openSync(at.file('file', 'content'), 'r')
    fs.unlinkSync(at.path('file'))
    try {
      assert.equal(textOf(`/proc/self/fd/${fd}`), 'content')
    } finally {
      fs.closeSync(fd)
    }
  })

  check('a file that was removed while another process has it open stays for that process', async (at, t) => {
    const other = await startProcess(t)
    await other.run(
      async (here, path) => {
        const { openSync, readSync } = await here.load<typeof fs>('node:fs')
        const fd = openSync(path, 'r')
        here.kept['read'] = () => {
          const buffer = Buffer.alloc(100)
          return buffer.toString('utf8', 0, readSync(fd, buffer, 0, 100, 0))
        }
      },
      at.file('file', 'kept by the other'),
    )
    fs.unlinkSync(at.path('file'))
    assert.equal(await other.run((here) => (here.kept['read'] as () => string)()), 'kept by the other')
    await other.kill()
    assert.deepEqual(fs.readdirSync(at.directory), [])
  })

  check('O_TMPFILE makes a file that nobody sees, until it is given a name', (at) => {
    const fd = fs.openSync(at.directory, OPEN.unnamed | fs.constants.O_RDWR, 0o640)
    try {
      fs.writeSync(fd, 'nameless')
      assert.deepEqual([fs.fstatSync(fd).nlink, fs.fstatSync(fd).mode & 0o777], [0, 0o640])
      assert.deepEqual(fs.readdirSync(at.directory), [])
      link(`/proc/self/fd/${fd}`, at.path('named'), { follow: true })
      assert.equal(fs.fstatSync(fd).nlink, 1)
    } finally {
      fs.closeSync(fd)
    }
    assert.equal(textOf(at.path('named')), 'nameless')
    fails('EINVAL', () => fs.openSync(at.directory, OPEN.unnamed | fs.constants.O_RDONLY))
  })

  check('a file of O_TMPFILE with O_EXCL never gets a name', (at) => {
    const fd = fs.openSync(at.directory, OPEN.unnamed | fs.constants.O_RDWR | fs.constants.O_EXCL, 0o600)
    try {
      fails('ENOENT', () => link(`/proc/self/fd/${fd}`, at.path('named'), { follow: true }))
    } finally {
      fs.closeSync(fd)
    }
  })

  check('a program on it runs, and cannot be written while it does', async (at) => {
    fs.copyFileSync('/bin/sleep', at.path('sleeper'))
    fs.chmodSync(at.path('sleeper'), 0o755)
    assert.equal(spawnSync(at.path('sleeper'), ['0']).status, 0)
    const running = spawn(at.path('sleeper'), ['60'], { stdio: 'ignore' })
    await once(running, 'spawn')
    try {
      fails('ETXTBSY', () => fs.openSync(at.path('sleeper'), 'r+'))
      fs.unlinkSync(at.path('sleeper'))
    } finally {
      running.kill('SIGKILL')
      await once(running, 'exit')
    }
  })

  check('an editor saves by a rename over: readers see the old text or the new one, whole', (at) => {
    const path = at.file('text', 'a'.repeat(50_000))
    for (let save = 0; save < 20; save++) {
      const reader = fs.openSync(path, 'r')
      const letter = String.fromCodePoint(0x62 + save)
      const fresh = fs.openSync(at.path('.text.new'), 'wx', 0o600)
      fs.writeSync(fresh, letter.repeat(50_000))
      fs.fsyncSync(fresh)
      fs.fchmodSync(fresh, 0o644)
      fs.closeSync(fresh)
      fs.renameSync(at.path('.text.new'), path)
      assert.equal(fs.readFileSync(reader, 'utf8'), String.fromCodePoint(0x61 + save).repeat(50_000))
      assert.equal(textOf(path), letter.repeat(50_000))
      fs.closeSync(reader)
    }
    assert.deepEqual(fs.readdirSync(at.directory), ['text'])
  })

  check('a shell appends from several processes, and no line is lost', async (at) => {
    const path = at.file('log')
    const writers = Array.from({ length: 4 }, (_, i) =>
      spawn('/bin/sh', ['-c', `for i in $(seq 50); do echo "writer ${i} line $i" >> "$0"; done`, path], {
        stdio: 'ignore',
      }),
    )
    const exits = writers.map((writer) => once(writer, 'exit'))
    for (const exit of exits) assert.deepEqual(await exit, [0, null])
    const lines = textOf(path).trimEnd().split('\n')
    assert.equal(lines.length, 200)
    for (let i = 0; i < 4; i++) {
      const own = lines.filter((line) => line.startsWith(`writer ${i} `))
      assert.deepEqual(
        own,
        Array.from({ length: 50 }, (_, n) => `writer ${i} line ${n + 1}`),
      )
    }
  })
}
