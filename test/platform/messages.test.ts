import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { constants as os, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readMessage, writeMessage } from '../../src/platform/messages.ts'

const { EAGAIN, EBADF } = os.errno

describe('messages', () => {
  test('are read as they were written, and that there is none is a number', (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'pipe')
    execFileSync('mkfifo', [path])
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    const bytes = Buffer.alloc(64)
    assert.equal(readMessage(fd, bytes), -EAGAIN)
    assert.equal(writeMessage(fd, Buffer.from('a message, and more'), 9), 0)
    assert.equal(readMessage(fd, bytes), 9)
    assert.equal(bytes.toString('utf8', 0, 10), 'a message\0')
    assert.equal(readMessage(fd, bytes), -EAGAIN)
    closeSync(fd)
    assert.equal(readMessage(fd, bytes), -EBADF)
    assert.equal(writeMessage(fd, bytes, 1), -EBADF)
  })
})
