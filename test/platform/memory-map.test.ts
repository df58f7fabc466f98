import assert from 'node:assert/strict'
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { mapShared } from '../../src/platform/memory-map.ts'
import { createMemoryFile } from '../../src/platform/memory-file.ts'
import { allocateSpace, punchHole } from '../../src/platform/file-space.ts'
import { pagesInLargeFolios } from '../support/page-flags.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'

function file(t: TestContext, size: number): number {
  const fd = createMemoryFile('test')
  t.after(() => closeSync(fd))
  ftruncateSync(fd, size)
  return fd
}

test('a mapping shows the file and the file shows the mapping', (t) => {
  const fd = file(t, 8192)
  const memory = mapShared(fd, 4096, 4096)
  t.after(() => memory.unmap())
  assert.equal(memory.length, 4096)
  const view = new Uint8Array(memory.view(10, 20))
  assert.equal(view.length, 20)
  writeSync(fd, Buffer.of(7), 0, 1, 4096 + 10)
  assert.equal(view[0], 7)
  view[1] = 8
  const read = Buffer.alloc(1)
  readSync(fd, read, 0, 1, 4096 + 11)
  assert.equal(read[0], 8)
})

test('Atomics work on a mapping', (t) => {
  const memory = mapShared(file(t, 4096), 0, 4096)
  t.after(() => memory.unmap())
  const [first, second] = [new Int32Array(memory.view(0, 4096)), new Int32Array(memory.view(0, 4096))]
  Atomics.store(first, 3, 5)
  assert.equal(Atomics.compareExchange(second, 3, 5, 6), 5)
  assert.equal(Atomics.load(first, 3), 6)
})

test('views outside the mapping, and after its end, are refused', (t) => {
  const memory = mapShared(file(t, 4096), 0, 4096)
  for (const [offset, length] of [
    [0, 4097],
    [4096, 1],
    [-1, 1],
    [0, 0],
    [0.5, 1],
    [NaN, 1],
    [1, 2 ** 53],
  ] as const) {
    assert.throws(() => memory.view(offset, length), { name: 'AssertionError' }, `${offset}, ${length}`)
    assert.throws(() => memory.sync(offset, length), { name: 'AssertionError' })
    assert.throws(() => memory.prefetch(offset, length), { name: 'AssertionError' })
  }
  memory.unmap()
  memory.unmap()
  assert.throws(() => memory.view(0, 1), { name: 'AssertionError' })
})

test('faults do not read ahead', (t) => {
  const memory = mapShared(file(t, 4096), 0, 4096)
  t.after(() => memory.unmap())
  const [, ours] = readFileSync('/proc/self/smaps', 'utf8').split(`${memory.address.toString(16).padStart(8, '0')}-`)
  assert(ours !== undefined)
  assert.match(/^VmFlags:(.*)$/m.exec(ours)?.[1] ?? '', / rr\b/)
})

test('sync and prefetch take any part that starts with a page', (t) => {
  const memory = mapShared(file(t, 4 << 20), 0, 4 << 20)
  t.after(() => memory.unmap())
  memory.prefetch(4096, (4 << 20) - 4096)
  memory.sync(8192, 1)
  assert.throws(() => memory.sync(1, 1), { code: 'EINVAL', syscall: 'msync' })
})

test('what cannot be mapped says why', () => {
  const fd = openSync('/proc/self/status', 'r')
  try {
    assert.throws(() => mapShared(fd, 0, 4096), { syscall: 'mmap' })
  } finally {
    closeSync(fd)
  }
  assert.throws(() => mapShared(-1, 0, 4096), { code: 'EBADF', syscall: 'mmap' })
})

for (const on of ['disk', 'tmpfs'] as const) {
  test(`what a mapping brings into memory lies in small folios, on ${on}`, (t) => {
    const fd = openSync(join(temporaryDirectory(t, on), 'file'), 'w+')
    t.after(() => closeSync(fd))
    const length = 8 << 20
    ftruncateSync(fd, length)
    allocateSpace(fd, 0, length)
    const memory = mapShared(fd, 0, length)
    t.after(() => memory.unmap())
    memory.prefetch(0, length / 2)
    const bytes = new Uint8Array(memory.view(0, length))
    for (let at = length / 4; at < length; at += 8192) bytes[at] = 1
    fdatasyncSync(fd)
    punchHole(fd, 0, length / 8)
    allocateSpace(fd, 0, length / 8)
    memory.prefetch(0, length / 8)
    const large = pagesInLargeFolios(memory)
    if (large === undefined) return t.skip('only root can ask the kernel')
    assert.equal(large, 0)
  })
}
