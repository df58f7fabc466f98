/** The largest pools: what the host has no files for is refused with words, and whatever is not works, to its last block. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import { fsck } from '../../src/pool/fsck.ts'
import { BLOCK_SIZE, MAX_DEVICE_BLOCKS } from '../../src/units.ts'
import { holdfast } from '../cli/run-holdfast.ts'
import type { MountedType } from '../device/mounted.ts'
import { mountTemporary } from '../device/mounted.ts'

const LARGEST = MAX_DEVICE_BLOCKS * BLOCK_SIZE
/** With the label a file of 16 TiB less 4 KiB. */
const LARGEST_ON_EXT4 = LARGEST - BLOCK_SIZE
const REFUSED = { code: 'EFBIG', message: /has no files of 17592186044416 bytes .* take a smaller size/ }

function directoryOn(t: TestContext, type: MountedType): string | undefined {
  const mounted = mountTemporary(type)
  if (typeof mounted === 'string') {
    t.skip(mounted)
    return undefined
  }
  t.after(() => mounted.release())
  return mounted.directory
}

/** Uses its first blocks as a file does, and its last one as the device does: no file need be that large. */
async function usesItsEnd(path: string): Promise<void> {
  {
    await using pool = await openPool(path)
    await pool.writeFile('/file', Buffer.alloc(3 * BLOCK_SIZE, 'f'))
    await pool.truncate('/file', BLOCK_SIZE)
    await pool.reap()
    const { blockCount } = pool.fileSystem.device
    const last = { start: blockCount - 1, count: 1 } as never
    pool.fileSystem.device.allocate(last)
    new Uint8Array(pool.fileSystem.device.map(last)).fill(7)
    pool.fileSystem.device.discard(last)
    assert.deepEqual([...new Uint8Array(pool.fileSystem.device.map(last)).subarray(0, 2)], [0, 0])
    assert.deepEqual(await pool.check(), [])
  }
  assert.deepEqual((await fsck(path)).findings, [])
}

test('promise 7: on ext4 a pool has at most 16 TiB less 8 KiB: made or grown to more is EFBIG, and nothing is changed', async (t) => {
  const directory = directoryOn(t, 'ext4')
  if (directory === undefined) return
  const path = join(directory, 'pool')
  await assert.rejects(createPool(path, { sizeBytes: LARGEST }), REFUSED)
  const { code, errors } = await holdfast(['mkfs', path, '--size', String(LARGEST)])
  assert.equal(code, 1)
  assert.match(errors, /EFBIG: the host has no files of 17592186044416 bytes/)
  assert.equal((await holdfast(['mkfs', path, '--size', '16T'])).code, 2)
  {
    await using pool = await createPool(path, { sizeBytes: 1 << 20 })
    await assert.rejects(pool.grow(LARGEST), REFUSED)
    assert.equal((await pool.stats()).sizeBytes, 1 << 20)
    await pool.grow(LARGEST_ON_EXT4)
    assert.equal((await pool.stats()).sizeBytes, LARGEST_ON_EXT4)
  }
  await usesItsEnd(path)
  const second = join(directory, 'second')
  await (await createPool(second, { sizeBytes: LARGEST_ON_EXT4 })).close()
  await usesItsEnd(second)
})

for (const type of ['xfs', 'tmpfs'] as const) {
  test(`on ${type} a pool may have as many blocks as there are numbers`, async (t) => {
    const directory = directoryOn(t, type)
    if (directory === undefined) return
    const path = join(directory, 'pool')
    await assert.rejects(createPool(path, { sizeBytes: LARGEST + BLOCK_SIZE }), RangeError)
    await (await createPool(path, { sizeBytes: LARGEST })).close()
    await usesItsEnd(path)
  })
}
