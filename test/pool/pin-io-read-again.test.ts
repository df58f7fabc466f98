/** Reads from FileHandles into pins beside which something is punched: what may not have arrived is read again. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { PUNCHES, PUNCHES_START } from '../../src/layout/format.ts'
import { makeFifo } from '../../src/platform/fifo.ts'
import { MIB, pinnedContent, sameBytes } from '../support/pinned-content.ts'
import { BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

/** As if somebody were punching everywhere, or had died of it. */
function punchForGood(pool: Pool): void {
  const { table } = pool.fileSystem.table.memory
  for (let word = PUNCHES_START; word < PUNCHES_START + PUNCHES; word++) table.add(word, 1)
}

/** A handle whose reads straight into the views are lost, as if their pages had been dropped. */
function losing(handle: FileHandle): FileHandle & { lost: number } {
  const readv = async (
    views: Uint8Array[],
    position: number,
  ): Promise<{ bytesRead: number; buffers: Uint8Array[] }> => {
    const { bytesRead } = await handle.readv(
      [Buffer.alloc(views.reduce((sum, { length }) => sum + length, 0))],
      position,
    )
    wrapper.lost += bytesRead
    return { bytesRead, buffers: views }
  }
  const wrapper = {
    fd: handle.fd,
    lost: 0,
    readv,
    read: handle.read.bind(handle),
    writev: handle.writev.bind(handle),
  } as unknown as FileHandle & { lost: number }
  return wrapper
}

async function source(t: TestContext, content: Uint8Array, flags: number = constants.O_RDONLY): Promise<FileHandle> {
  const path = join(temporaryDirectory(t, 'disk'), 'source')
  await writeFile(path, content)
  const handle = await open(path, flags)
  t.after(() => handle.close())
  return handle
}

for (const isScattered of [false, true]) {
  test(`promise 1: a read into a ${isScattered ? 'scattered' : 'contiguous'} pin whose pages were dropped is done again`, async (t) => {
    const { pool, pin } = await pinnedContent(t, 3 * MIB, { isScattered })
    const content = randomBytes(3 * MIB + BLOCK)
    const handle = losing(await source(t, content))
    punchForGood(pool)
    assert.equal(await pin.readFrom(handle, { position: 4 }), 3 * MIB)
    assert.equal(handle.lost, 3 * MIB)
    sameBytes(Buffer.concat(pin.buffers), content.subarray(4, 4 + 3 * MIB), 'the pin')
  })
}

test('without a punch nothing is read again', async (t) => {
  const { pin, content } = await pinnedContent(t, MIB)
  assert.equal(await pin.readFrom(losing(await source(t, randomBytes(MIB))), { position: 0 }), MIB)
  sameBytes(pin.buffer, content, 'the pin')
})

test('a read from where the handle is goes on from there, the second time as well', async (t) => {
  const { pool, pin } = await pinnedContent(t, MIB)
  const content = randomBytes(2 * MIB + 10)
  const handle = await source(t, content)
  await handle.read(Buffer.alloc(10), 0, 10)
  punchForGood(pool)
  for (let part = 0; part < 2; part++) {
    // Without a position of the wrapper's own, readv moves the handle's.
    assert.equal(await pin.readFrom(handle), MIB)
    sameBytes(pin.buffer, content.subarray(10 + part * MIB, 10 + (part + 1) * MIB), `part ${part}`)
  }
  assert.equal(await pin.readFrom(handle), 0)
})

test('a second read ends where the file does', async (t) => {
  const { pool, pin, content: before } = await pinnedContent(t, MIB)
  const content = randomBytes(5 * BLOCK + 100)
  const handle = losing(await source(t, content))
  punchForGood(pool)
  assert.equal(await pin.readFrom(handle, { position: BLOCK }), content.length - BLOCK)
  sameBytes(pin.buffer.subarray(0, content.length - BLOCK), content.subarray(BLOCK), 'what there was')
  sameBytes(pin.buffer.subarray(content.length - BLOCK), before.subarray(content.length - BLOCK), 'the rest')
})

test('a second read from an O_DIRECT file is aligned', async (t) => {
  const { pool, pin } = await pinnedContent(t, 2 * MIB, { on: 'disk', isScattered: true })
  const content = randomBytes(2 * MIB)
  let handle: FileHandle
  try {
    handle = await source(t, content, constants.O_RDONLY | constants.O_DIRECT)
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'EINVAL')
    return t.skip('the file system has no O_DIRECT')
  }
  punchForGood(pool)
  const losingHandle = {
    fd: handle.fd,
    writev: handle.writev.bind(handle),
    read: handle.read.bind(handle),
    readv: async (views: Uint8Array[], position: number) => {
      const answer = await handle.readv(views, position)
      for (const view of views) view.fill(0)
      return answer
    },
  } as unknown as FileHandle
  assert.equal(await pin.readFrom(losingHandle, { position: 0 }), 2 * MIB)
  sameBytes(Buffer.concat(pin.buffers), content, 'the pin')
})

test('what came through a pipe is not asked for again', async (t) => {
  const { pool, pin } = await pinnedContent(t, BLOCK)
  const path = join(temporaryDirectory(t), 'fifo')
  makeFifo(path, 0o600)
  const handle = await open(path, constants.O_RDWR)
  t.after(() => handle.close())
  const content = randomBytes(BLOCK)
  await handle.write(content)
  punchForGood(pool)
  assert.equal(await pin.readFrom(handle), BLOCK)
  sameBytes(pin.buffer, content, 'the pin')
})
