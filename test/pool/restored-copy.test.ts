/** Pools whose device is a copy, made while nobody had them open: what copying did to it is mended at the opening. */
import assert from 'node:assert/strict'
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DATA_START } from '../../src/device/label.ts'
import { createPool, openPool } from '../../src/index.ts'
import { unallocatedSpace } from '../../src/platform/file-space.ts'
import { mapShared } from '../../src/platform/memory-map.ts'
import { pagesInLargeFolios } from '../support/page-flags.ts'
import { BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

const BLOCKS = 1024

/** A copy that has no space for blocks of zeros, as `cp --sparse` makes it. */
function copySparse(device: string): void {
  const content = readFileSync(device)
  const copy = openSync(`${device}-copy`, 'wx', 0o600)
  for (let at = 0; at < content.length; at += BLOCK) {
    const block = content.subarray(at, at + BLOCK)
    if (block.some((byte) => byte !== 0)) writeSync(copy, block, 0, BLOCK, at)
  }
  ftruncateSync(copy, content.length)
  closeSync(copy)
  renameSync(`${device}-copy`, device)
}

test('promise 7: blocks of zeros have space again when a sparse copy is opened', async (t) => {
  const path = join(temporaryDirectory(t, 'disk'), 'pool')
  const device = join(path, 'device')
  {
    await using pool = await createPool(path, { sizeBytes: BLOCKS * BLOCK })
    await pool.writeFile('/zeros', Buffer.alloc(512 * BLOCK))
    await pool.writeFile('/ones', Buffer.alloc(16 * BLOCK, 1))
    await pool.sync()
  }
  const spaceOf = (): number => {
    const fd = openSync(device, 'r')
    const gaps = unallocatedSpace(fd, DATA_START, BLOCKS * BLOCK)
    closeSync(fd)
    return gaps === undefined ? -1 : BLOCKS - gaps.reduce((sum, { start, end }) => sum + (end - start) / BLOCK, 0)
  }
  if (spaceOf() < 0) return t.skip('the file system of temporary files cannot tell')
  copySparse(device)
  assert.equal(spaceOf(), 16)
  await using pool = await openPool(path)
  assert.equal(spaceOf(), 512 + 16)
  assert.deepEqual(await pool.readFile('/ones'), Buffer.alloc(16 * BLOCK, 1))
  assert.deepEqual(await pool.readFile('/zeros'), Buffer.alloc(512 * BLOCK))
})

test('promise 1: a copy that is opened is not in large folios, of which a punch may drop more than it should', async (t) => {
  const path = join(temporaryDirectory(t, 'disk'), 'pool')
  const device = join(path, 'device')
  {
    await using pool = await createPool(path, { sizeBytes: BLOCKS * BLOCK })
    await pool.writeFile('/file', Buffer.alloc(512 * BLOCK, 1))
  }
  copyFileSync(device, `${device}-copy`)
  renameSync(`${device}-copy`, device)
  const largeNow = (): number | undefined => {
    const fd = openSync(device, 'r+')
    const memory = mapShared(fd, DATA_START, BLOCKS * BLOCK)
    const large = pagesInLargeFolios(memory)
    memory.unmap()
    closeSync(fd)
    return large
  }
  const before = largeNow()
  if (before === undefined) return t.skip('only root can ask the kernel')
  if (before === 0) return t.skip('the file system of temporary files has no large folios')
  await using pool = await openPool(path)
  assert.equal(largeNow(), 0)
  assert.deepEqual(await pool.readFile('/file'), Buffer.alloc(512 * BLOCK, 1))
})
