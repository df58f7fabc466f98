import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { fileSystemOf, isNoCopyOnWrite, setNoCopyOnWrite } from '../../src/platform/file-system.ts'
import { mountTemporary } from '../device/mounted.ts'
import type { MountedType } from '../device/mounted.ts'

for (const type of ['tmpfs', 'ext4', 'xfs', 'btrfs'] satisfies MountedType[]) {
  test(`${type} is known by path and by descriptor`, (t) => {
    const mounted = mountTemporary(type)
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const found = fileSystemOf(mounted.directory)
    assert.equal(found.type, type)
    assert(found.freeBytes > 0 && found.freeBytes <= found.totalBytes)
    const fd = openSync(join(mounted.directory, 'file'), 'w+')
    mounted.onRelease(() => closeSync(fd))
    assert.equal(fileSystemOf(fd).type, type)
    assert.equal(isNoCopyOnWrite(fd), false)
    if (type === 'btrfs') {
      setNoCopyOnWrite(fd)
      assert.equal(isNoCopyOnWrite(fd), true)
    } else {
      assert.throws(() => setNoCopyOnWrite(fd), { syscall: 'ioctl FS_IOC_SETFLAGS' })
    }
  })
}

test('another file system is other, with its magic number', () => {
  assert.equal(fileSystemOf('/proc').type, 'other')
  assert.equal(fileSystemOf('/proc').magic, 0x9fa0)
})

test('numbers agree with statfs, and a missing path is ENOENT', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const { bsize, blocks } = statfsSync(directory)
  assert.equal(fileSystemOf(directory).totalBytes, bsize * blocks)
  assert.equal(fileSystemOf(directory).blockSize, bsize)
  assert.throws(() => fileSystemOf(join(directory, 'missing')), { code: 'ENOENT' })
})
