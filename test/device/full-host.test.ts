/**
 * What happens to a file device when its host is full. Each kind of host is mounted small; where that cannot be, the
 * reason is in the skip.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { FileDevice } from '../../src/device/file-device.ts'
import { ReadOnlyDevice } from '../../src/device/read-only-device.ts'
import { codeOf } from '../../src/errors.ts'
import { allocateSpaceWhole } from '../../src/platform/file-space.ts'
import { BLOCK_SIZE } from '../../src/units.ts'
import { blocks, run } from './conformance.ts'
import { mountTemporary } from './mounted.ts'
import type { MountedType } from './mounted.ts'

/** Takes what the host has left, to the last block. */
function fill(directory: string): void {
  const fd = openSync(join(directory, 'filler'), 'a')
  let at = 0
  for (let size = 2 ** 28; size >= BLOCK_SIZE;) {
    try {
      allocateSpaceWhole(fd, at, size)
      at += size
    } catch (error) {
      assert.equal(codeOf(error), 'ENOSPC')
      size /= 2
    }
  }
  closeSync(fd)
}

/** As a backup would: fills the page cache with what the kernel thinks best. */
function readStart(path: string, bytes: number): void {
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(2 ** 20)
  for (let at = 0; at < bytes; at += buffer.length) readSync(fd, buffer, 0, buffer.length, at)
  closeSync(fd)
}

/** As who opened the pool for reading only. */
function readBlocks(path: string, count: number): void {
  const device = new ReadOnlyDevice(path, blocks(count))
  for (let at = 0; at < count; at += 32) device.read(at * BLOCK_SIZE, 32 * BLOCK_SIZE)
  device.close()
}

/** A write fault on a full btrfs takes a millisecond: it looks for space before it finds that it needs none. */
const runsOn = (type: MountedType): number => (type === 'btrfs' ? 20 : 200)

/** Runs of 16 blocks with holes of 16 between, written from end to end by a process of its own: SIGBUS ends that one. */
function writeRuns(path: string, runs: number): { signal: string | null; stderr: string } {
  const script = [
    `import { FileDevice } from ${JSON.stringify(import.meta.resolve('../../src/device/file-device.ts'))}`,
    `const device = FileDevice.open(${JSON.stringify(path)}, ${2 ** 20})`,
    `for (let at = 0; at < ${runs}; at++) new Uint8Array(device.map({ start: at * 32, count: 16 })).fill(1)`,
    'await device.flush()',
  ]
  return spawnSync(process.execPath, ['--input-type=module', '--eval', script.join('\n')], { encoding: 'utf8' })
}

for (const type of ['tmpfs', 'ext4', 'xfs', 'btrfs'] satisfies MountedType[]) {
  test(`on a full ${type}`, async (t) => {
    const mounted = mountTemporary(type)
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const { directory } = mounted
    const runs = runsOn(type)
    const path = join(directory, 'device')
    const device = FileDevice.create(path, blocks(2 ** 20))
    mounted.onRelease(() => device.close())
    const taken = (): number => statSync(path).blocks

    await t.test('an allocation that is too large is ENOSPC, names the file, and keeps nothing of what it got', () => {
      device.allocate(run(100, 8))
      const kept = new Uint8Array(device.map(run(100, 8))).fill(3)
      const before = taken()
      const free = statfsSync(directory).bavail
      assert.throws(() => device.allocate(run(0, 2 ** 19)), { code: 'ENOSPC', syscall: 'fallocate', path })
      assert.equal(taken(), before)
      assert(statfsSync(directory).bavail > free - 64, 'the host has its space back')
      assert(kept.every((byte) => byte === 3))
      device.discard(run(100, 8))
    })

    await t.test(
      'every allocated block can be written, after who only reads read it, half of them after something like a backup before',
      async () => {
        readStart(path, (runs / 2) * 32 * BLOCK_SIZE)
        for (let at = 0; at < runs; at++) device.allocate(run(at * 32, 16))
        readBlocks(path, runs * 32)
        fill(directory)
        assert.throws(() => device.allocate(run(16, 16)), { code: 'ENOSPC' })
        const { signal, stderr } = writeRuns(path, runs)
        assert.equal(signal, null, stderr)
        assert.equal(stderr, '')
        assert.equal(new Uint8Array(device.map(run((runs - 1) * 32, 16)))[5], 1)
      },
    )

    await t.test('allocated blocks can be written a second time, after they were written back', () => {
      const { signal, stderr } = writeRuns(path, runs)
      assert.equal(signal, null, stderr)
      assert.equal(stderr, '')
    })

    await t.test('every block can be discarded, in any order, and makes room', async () => {
      for (let at = 0; at < runs; at++) device.discard(run(at * 32 + 7, 1))
      for (let at = runs - 1; at >= 0; at--) device.discard(run(at * 32, 16))
      await device.flush()
      assert(new Uint8Array(device.map(run(0, 16))).every((byte) => byte === 0))
      device.allocate(run(16, 16))
    })
  })
}

test('after a write to the disk failed, every later flush and allocation fails until the device is opened again', async (t) => {
  const small = mountTemporary('tmpfs')
  if (typeof small === 'string') return t.skip(small)
  t.after(() => small.release())
  // a disk that is larger than what backs it: writes fail when the backing is full
  const disk = mountTemporary('ext4', small.directory)
  if (typeof disk === 'string') return t.skip(disk)
  small.onRelease(() => disk.release())
  const path = join(disk.directory, 'device')
  const device = FileDevice.create(path, blocks(4096))
  disk.onRelease(() => device.close())
  const many = run(0, 2048)
  device.allocate(many)
  await device.flush()
  fill(small.directory)
  new Uint8Array(device.map(many)).fill(1)
  // the kernel's own word for it, which differs by version
  await assert.rejects(device.flush(), (error) => ['EIO', 'ENOSPC'].includes(codeOf(error) ?? ''))
  await assert.rejects(device.flush(), { code: 'EIO', syscall: 'fdatasync', path })
  assert.throws(() => device.flushRun(run(0, 1)), { code: 'EIO', syscall: 'msync', path })
  assert.throws(() => device.allocate(run(4000, 1)), { code: 'EIO', syscall: 'fallocate', path })
})
