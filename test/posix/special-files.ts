import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { createServer, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { withUmask } from './as-user.ts'
import type { Check } from './subject.ts'
import { fails, look, modeOf, textOf } from './subject.ts'

/** Pipes, sockets and devices that have names. */
export function specialFileCases(check: Check): void {
  check('a named pipe carries bytes from one process to another', async (at) => {
    execFileSync('mkfifo', [at.path('pipe')])
    assert.ok(look(at.path('pipe')).isFIFO())
    const writer = spawn('/bin/sh', ['-c', 'echo through the pipe > "$0"', at.path('pipe')], { stdio: 'ignore' })
    const exit = once(writer, 'exit')
    assert.equal(textOf(at.path('pipe')), 'through the pipe\n')
    await exit
    assert.equal(look(at.path('pipe')).size, 0n)
    fails('ENXIO', () => fs.openSync(at.path('pipe'), fs.constants.O_WRONLY | fs.constants.O_NONBLOCK))
  })

  check('a socket has a name that can be connected to', async (at) => {
    // Names of sockets are short: 107 bytes.
    const directory = fs.openSync(at.directory, 'r')
    const path = `/proc/self/fd/${directory}/socket`
    const server = createServer((socket) => socket.end('from the server'))
    try {
      server.listen(path)
      await once(server, 'listening')
      assert.ok(look(at.path('socket')).isSocket())
      assert.equal(await text(connect(path)), 'from the server')
      fails('ENXIO', () => fs.openSync(at.path('socket'), 'r'))
    } finally {
      server.close()
      fs.closeSync(directory)
    }
  })

  check(
    'devices keep their numbers and their mode',
    (at) => {
      withUmask(0o027, () => {
        execFileSync('mknod', [at.path('character'), 'c', '1', '3'])
        execFileSync('mknod', [at.path('block'), 'b', '259', '70000'])
      })
      assert.ok(look(at.path('character')).isCharacterDevice())
      assert.ok(look(at.path('block')).isBlockDevice())
      assert.equal(look(at.path('character')).rdev, fs.statSync('/dev/null', { bigint: true }).rdev)
      // The numbers of glibc's makedev: 12 bits and 20.
      assert.equal(look(at.path('block')).rdev, (259n << 8n) | (70_000n & 0xffn) | ((70_000n & ~0xffn) << 12n))
      assert.equal(modeOf(at.path('character')), 0o640)
    },
    { root: true },
  )

  check('special files are linked, renamed, listed and removed as others are', (at) => {
    execFileSync('mkfifo', ['-m', '600', at.path('pipe')])
    assert.equal(modeOf(at.path('pipe')), 0o600)
    fs.linkSync(at.path('pipe'), at.path('second'))
    fs.renameSync(at.path('pipe'), at.path('moved'))
    assert.deepEqual(
      fs.readdirSync(at.directory, { withFileTypes: true }).map((entry) => entry.isFIFO()),
      [true, true],
    )
    fs.chmodSync(at.path('moved'), 0o644)
    assert.equal(modeOf(at.path('second')), 0o644)
    fs.unlinkSync(at.path('moved'))
    fs.unlinkSync(at.path('second'))
    assert.deepEqual(fs.readdirSync(at.directory), [])
  })
}
