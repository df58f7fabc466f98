import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileSystemOf } from '../../src/platform/file-system.ts'
import { createMemoryFile } from '../../src/platform/memory-file.ts'
import type { LongTermPin } from '../../src/platform/long-term-pin.ts'
import { tryLongTermPin } from '../../src/platform/long-term-pin.ts'
import { mapShared } from '../../src/platform/memory-map.ts'

const PAGE = 4096

/** Tries it on a page of an open file, which is closed. */
function tried(fd: number): LongTermPin {
  writeSync(fd, Buffer.alloc(2 * PAGE, 1))
  const mapping = mapShared(fd, 0, 2 * PAGE)
  closeSync(fd)
  try {
    return tryLongTermPin(mapping.address, mapping.length)
  } finally {
    mapping.unmap()
  }
}

/** A new file in a directory that goes with the test. */
function fileIn(t: TestContext, parent: string): number {
  const directory = mkdtempSync(join(parent, 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return openSync(join(directory, 'file'), 'w+')
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length

const isAllowed = tried(createMemoryFile('probe')).outcome !== 'unknown'

test('memory files and files of tmpfs are taken', { skip: !isAllowed }, (t) => {
  assert.deepEqual(tried(createMemoryFile('memory')), { outcome: 'taken' })
  assert.deepEqual(tried(fileIn(t, '/dev/shm')), { outcome: 'taken' })
})

const isOnDisk = fileSystemOf(tmpdir()).type !== 'tmpfs'

test('files of a disk are refused, and trying leaves no ring behind', { skip: !isAllowed || !isOnDisk }, (t) => {
  const before = openDescriptors()
  const { outcome } = tried(fileIn(t, tmpdir()))
  assert.equal(outcome, 'refused')
  assert.equal(openDescriptors(), before)
})

test('what cannot be tried is unknown, with the reason', () => {
  const source = (name: string): string =>
    JSON.stringify(new URL(`../../src/platform/${name}.ts`, import.meta.url).href)
  // With no descriptor left there is no ring: what a kernel looks like that allows none.
  const script = `
    import { openSync } from 'node:fs'
    import { tryLongTermPin } from ${source('long-term-pin')}
    import { createMemoryFile } from ${source('memory-file')}
    import { mapShared } from ${source('memory-map')}
    import { allocateSpace, extendTo } from ${source('file-space')}
    const fd = createMemoryFile('memory')
    extendTo(fd, 4096)
    const { address } = mapShared(fd, 0, 4096)
    try { for (;;) openSync('/dev/null') } catch {}
    process._rawDebug(JSON.stringify(tryLongTermPin(address, 4096)))`
  const limited = 'ulimit -n 200; exec "$0" --input-type=module --disable-warning=ExperimentalWarning --eval "$1" 2>&1'
  const text = execFileSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(text), { outcome: 'unknown', reason: 'io_uring is not allowed here (EMFILE)' })
})
