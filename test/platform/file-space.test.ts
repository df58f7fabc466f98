import assert from 'node:assert/strict'
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { allocateSpace, allocateSpaceWhole, punchHole, unallocatedSpace } from '../../src/platform/file-space.ts'

const PAGE = 4096

function file(t: TestContext, size: number): number {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  const fd = openSync(join(directory, 'file'), 'w+')
  t.after(() => {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  ftruncateSync(fd, size)
  return fd
}

test('space is allocated and given back, and the size of the file never changes', (t) => {
  const fd = file(t, 10 * PAGE)
  allocateSpace(fd, 2 * PAGE, 4 * PAGE)
  assert.equal(fstatSync(fd).blocks, 4 * 8)
  allocateSpace(fd, 9 * PAGE, 4 * PAGE)
  assert.equal(fstatSync(fd).size, 10 * PAGE)
  punchHole(fd, 0, 20 * PAGE)
  assert.equal(fstatSync(fd).size, 10 * PAGE)
})

test('the gaps of a file are those without space, reserved space included, across many extents', (t) => {
  const fd = file(t, 2000 * PAGE)
  if (unallocatedSpace(fd, 0, PAGE) === undefined) return t.skip('this file system cannot tell')
  assert.deepEqual(unallocatedSpace(fd, 0, 2000 * PAGE), [{ start: 0, end: 2000 * PAGE }])
  // more than one call of the kernel can answer
  for (let page = 1; page < 1000; page += 2) allocateSpace(fd, page * PAGE, PAGE)
  const gaps = unallocatedSpace(fd, 0, 2000 * PAGE)
  assert.equal(gaps?.length, 501)
  assert.deepEqual(gaps?.[0], { start: 0, end: PAGE })
  assert.deepEqual(gaps?.[300], { start: 600 * PAGE, end: 601 * PAGE })
  assert.deepEqual(gaps?.[500], { start: 1000 * PAGE, end: 2000 * PAGE })
  assert.deepEqual(unallocatedSpace(fd, PAGE, PAGE), [])
  assert.deepEqual(unallocatedSpace(fd, PAGE, 2 * PAGE), [{ start: 2 * PAGE, end: 3 * PAGE }])
})

test('data that was written and not yet placed is not a gap', (t) => {
  const fd = file(t, 100 * PAGE)
  if (unallocatedSpace(fd, 0, PAGE) === undefined) return t.skip('this file system cannot tell')
  writeSync(fd, Buffer.alloc(PAGE, 1), 0, PAGE, 5 * PAGE)
  assert.deepEqual(unallocatedSpace(fd, 4 * PAGE, 3 * PAGE), [
    { start: 4 * PAGE, end: 5 * PAGE },
    { start: 6 * PAGE, end: 7 * PAGE },
  ])
  allocateSpaceWhole(fd, 0, 10 * PAGE)
  fsyncSync(fd)
  assert.deepEqual(unallocatedSpace(fd, 0, 10 * PAGE), [])
})

test('errors carry code and system call', () => {
  assert.throws(() => allocateSpace(-1, 0, PAGE), { code: 'EBADF', syscall: 'fallocate' })
  assert.throws(() => punchHole(-1, 0, PAGE), { code: 'EBADF', syscall: 'fallocate' })
  assert.throws(() => allocateSpace(0, -1, PAGE), { name: 'AssertionError' })
  assert.throws(() => allocateSpace(0, 0, 0), { name: 'AssertionError' })
  const fd = openSync('/proc/self/oom_score_adj', 'r+')
  try {
    assert.throws(() => allocateSpace(fd, 0, PAGE), { code: 'EOPNOTSUPP', message: /put the pool on/ })
  } finally {
    closeSync(fd)
  }
})
