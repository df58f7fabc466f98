/** The device of who may only read: copies, by a descriptor, without a trace on the host. */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { FileDevice } from '../../src/device/file-device.ts'
import { ReadOnlyDevice } from '../../src/device/read-only-device.ts'
import { BLOCK_SIZE } from '../../src/units.ts'
import { blocks, run } from './conformance.ts'

function made(t: TestContext, parent = '/dev/shm'): { path: string; device: FileDevice; reader: ReadOnlyDevice } {
  const directory = mkdtempSync(join(parent, 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'device')
  const device = FileDevice.create(path, blocks(1024))
  t.after(() => device.close())
  const reader = new ReadOnlyDevice(path, blocks(1024))
  t.after(() => reader.close())
  return { path, device, reader }
}

for (const parent of ['/dev/shm', tmpdir()]) {
  test(`on ${parent} it reads what others write, at once, from any byte and of any length`, (t) => {
    const { device, reader } = made(t, parent)
    device.allocate(run(3, 600))
    const bytes = new Uint8Array(device.map(run(3, 600)))
    for (let i = 0; i < bytes.length; i += 1000) bytes[i] = i % 251
    for (const [start, length] of [
      [3 * BLOCK_SIZE, 1],
      [3 * BLOCK_SIZE + 999, 3000],
      [4 * BLOCK_SIZE, 1 << 20],
      [3 * BLOCK_SIZE, 600 * BLOCK_SIZE],
    ]) {
      const from = start - 3 * BLOCK_SIZE
      assert.ok(Buffer.from(bytes.subarray(from, from + length)).equals(reader.read(start, length)))
    }
    bytes[5] = 99
    assert.equal(reader.read(3 * BLOCK_SIZE + 5, 1)[0], 99)
  })
}

test('promise 7: reading blocks that were discarded takes no space of the host', (t) => {
  const { path, device, reader } = made(t)
  device.allocate(run(0, 512))
  new Uint8Array(device.map(run(0, 512))).fill(7)
  device.discard(run(0, 512))
  const before = statSync(path).blocks
  assert.ok(reader.read(0, 512 * BLOCK_SIZE).every((byte) => byte === 0))
  assert.equal(statSync(path).blocks, before)
})

test('it neither maps nor holds the file', async (t) => {
  const { path, device } = made(t)
  const child = fork(join(import.meta.dirname, 'reading-child.ts'), [path])
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  assert.ok(!readFileSync(`/proc/${child.pid}/maps`, 'utf8').includes(path))
  device.grow(blocks(2048))
})

test('it reads beyond the size it knew when others grew the device', (t) => {
  const { device, reader } = made(t)
  assert.throws(() => reader.read(1024 * BLOCK_SIZE, 1), { code: 'EUCLEAN' })
  device.grow(blocks(2048))
  device.allocate(run(2000, 1))
  new Uint8Array(device.map(run(2000, 1)))[0] = 5
  assert.equal(reader.read(2000 * BLOCK_SIZE, 1)[0], 5)
})

test('what would change something is EROFS and changes nothing', (t) => {
  const { path, device, reader } = made(t)
  device.allocate(run(0, 1))
  const before = statSync(path)
  const refused = (name: string): void =>
    assert.throws(() => (reader[name as keyof ReadOnlyDevice] as () => void)(), { code: 'EROFS', path }, name)
  for (const name of ['map', 'allocate', 'discard', 'flushRun', 'grow']) refused(name)
  const after = statSync(path)
  assert.deepEqual([after.size, after.blocks, after.mtimeMs], [before.size, before.blocks, before.mtimeMs])
})

test('a flush works, also one that a close comes after', async (t) => {
  const { reader } = made(t)
  await reader.flush()
  const flushed = reader.flush()
  reader.close()
  await flushed
  reader.close()
  assert.throws(() => reader.read(0, 1), /the device is open/)
})

test('it is opened where it may be read, and refused as any device where it is none', (t) => {
  const { path, device } = made(t)
  chmodSync(path, 0o400)
  new ReadOnlyDevice(path, device.blockCount).close()
  assert.throws(() => new ReadOnlyDevice(path, blocks(1025)), { code: 'EUCLEAN', path })
  assert.throws(() => new ReadOnlyDevice(`${path}.gone`, blocks(1)), { code: 'ENOENT' })
  assert.throws(() => new ReadOnlyDevice(join(path, '..'), blocks(1)), { code: 'EINVAL' })
})
