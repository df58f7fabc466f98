import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { FileDevice } from '../../src/device/file-device.ts'
import { DATA_START } from '../../src/device/label.ts'
import { makeFifo } from '../../src/platform/fifo.ts'
import { fileSystemOf } from '../../src/platform/file-system.ts'
import { blocks, run } from './conformance.ts'
import { mountTemporary } from './mounted.ts'

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

test('create makes a sparse file of the size, for its owner only', (t) => {
  const path = join(temporary(t), 'device')
  FileDevice.create(path, blocks(1000)).close()
  const found = statSync(path)
  assert.equal(found.size, DATA_START + 4_096_000)
  assert.equal(found.mode & 0o777, 0o600)
  assert.equal(found.blocks, 0)
})

test('create refuses a path that exists and leaves it alone', (t) => {
  const path = join(temporary(t), 'device')
  writeFileSync(path, 'precious')
  assert.throws(() => FileDevice.create(path, blocks(1)), { code: 'EEXIST', path })
  assert.equal(statSync(path).size, 8)
})

test('create on a file system that cannot hold a device says so and leaves no file', () => {
  // every Linux has this one, and root may not make files there either
  assert.throws(() => FileDevice.create('/proc/self/device', blocks(1)), { code: 'ENOENT' })
  assert.equal(fileSystemOf('/proc').type, 'other')
})

test('open refuses what is missing, not a regular file, or shorter than it should be', (t) => {
  const directory = temporary(t)
  const at = (name: string): string => join(directory, name)
  const open =
    (name: string, count = 4) =>
    (): FileDevice =>
      FileDevice.open(at(name), blocks(count))
  assert.throws(open('missing'), { code: 'ENOENT', path: at('missing') })
  mkdirSync(at('directory'))
  assert.throws(open('directory'), { code: 'EINVAL', path: at('directory') })
  FileDevice.create(at('device'), blocks(4)).close()
  symlinkSync('device', at('link'))
  assert.throws(open('link'), { code: 'EINVAL', path: at('link') })
  makeFifo(at('pipe'), 0o600)
  assert.throws(open('pipe'), { code: 'EINVAL', path: at('pipe') })
  assert.throws(open('device', 5), { code: 'EUCLEAN', path: at('device'), message: /20480 bytes.*24576/ })
  truncateSync(at('device'), DATA_START + 4 * 4096 - 1)
  assert.throws(open('device', 4), { code: 'EUCLEAN', path: at('device') })
  truncateSync(at('device'), DATA_START + 5 * 4096)
  open('device', 4)().close()
})

test('open says what to do when permission is missing', (t) => {
  const directory = temporary(t)
  const path = join(directory, 'device')
  FileDevice.create(path, blocks(4)).close()
  chmodSync(path, 0o400)
  if (process.getuid?.() === 0) return t.skip('root may open everything')
  assert.throws(() => FileDevice.open(path, blocks(4)), {
    code: 'EACCES',
    path,
    message: /must be readable and writable/,
  })
})

test('a device on a read-only file system is refused', (t) => {
  const mounted = mountTemporary('tmpfs')
  if (typeof mounted === 'string') return t.skip(mounted)
  t.after(() => mounted.release())
  const path = join(mounted.directory, 'device')
  FileDevice.create(path, blocks(4)).close()
  mounted.makeReadOnly()
  assert.throws(() => FileDevice.open(path, blocks(4)), { code: 'EROFS', path })
})

test('on btrfs the device is NOCOW, and one that is not is refused', (t) => {
  const mounted = mountTemporary('btrfs')
  if (typeof mounted === 'string') return t.skip(mounted)
  t.after(() => mounted.release())
  const path = join(mounted.directory, 'device')
  const device = FileDevice.create(path, blocks(4))
  device.close()
  FileDevice.open(path, blocks(4)).close()
  writeFileSync(join(mounted.directory, 'plain'), '')
  truncateSync(join(mounted.directory, 'plain'), DATA_START + 4 * 4096)
  assert.throws(() => FileDevice.open(join(mounted.directory, 'plain'), blocks(4)), {
    code: 'EOPNOTSUPP',
    message: /NOCOW/,
  })
  assert.equal(existsSync(path), true)
})

test('no descriptor and no mapping is left after close, also of an open that failed and a flush that still ran', async (t) => {
  const path = join(temporary(t), 'device')
  const before = readdirSync('/proc/self/fd').length
  const device = FileDevice.create(path, blocks(8))
  device.allocate(run(0, 8))
  device.grow(blocks(1000))
  device.grow(blocks(100_000))
  const running = device.flush()
  device.close()
  await running
  assert.throws(() => FileDevice.open(path, blocks(200_000)), { code: 'EUCLEAN' })
  assert.throws(() => FileDevice.create(path, blocks(8)), { code: 'EEXIST' })
  assert.equal(readdirSync('/proc/self/fd').length, before)
  const maps = readFileSync('/proc/self/maps', 'utf8')
  assert.equal(maps.includes(path), false)
})

test('growing block by block to a thousand times the size keeps few mappings', (t) => {
  const path = join(temporary(t), 'device')
  const device = FileDevice.create(path, blocks(1))
  t.after(() => device.close())
  for (let count = 2; count <= 1000; count++) device.grow(blocks(count))
  const maps = readFileSync('/proc/self/maps', 'utf8')
  assert(maps.split('\n').filter((line) => line.endsWith(path)).length <= 11)
})
