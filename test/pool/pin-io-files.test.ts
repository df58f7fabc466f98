/** Pins written to and read from FileHandles. */
import assert from 'node:assert/strict'
import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { makeFifo } from '../../src/platform/fifo.ts'
import { MIB, nothingPinned, pinnedContent, sameBytes, someTurns, stateOf } from '../support/pinned-content.ts'
import { BLOCK, temporaryDirectory, noDisk, temporaryPool } from '../support/temporary-pool.ts'

const { O_CREAT, O_DIRECT, O_RDWR } = constants
type Place = 'tmpfs' | 'disk'

/** A handle that bypasses the page cache; undefined, and the test is skipped, where the file system has no such thing. */
async function openDirect(t: TestContext, path: string): Promise<FileHandle | undefined> {
  try {
    const handle = await open(path, O_RDWR | O_CREAT | O_DIRECT)
    t.after(() => handle.close())
    return handle
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    t.skip('the file system has no O_DIRECT')
    return undefined
  }
}

async function openPlain(t: TestContext, path: string, flags = 'w+'): Promise<FileHandle> {
  const handle = await open(path, flags)
  t.after(() => handle.close())
  return handle
}

describe('pins and FileHandles', { concurrency: 1 }, () => {
  for (const on of ['tmpfs', 'disk'] as Place[]) {
    for (const isDirect of [false, true]) {
      const kind = isDirect ? 'an O_DIRECT file' : 'a file'
      for (const isScattered of [false, true]) {
        const layout = isScattered ? 'scattered' : 'contiguous'
        test(`a ${layout} pin goes into ${kind} on ${on} and back, in order`, async (t) => {
          const { pool, pin, content } = await pinnedContent(t, 2 * MIB, { on, isScattered })
          const path = join(temporaryDirectory(t, on), 'file')
          const handle = isDirect ? await openDirect(t, path) : await openPlain(t, path)
          if (handle === undefined) return
          assert.equal(await pin.writeTo(handle, { position: BLOCK }), content.length)
          const plain = await openPlain(t, path, 'r')
          sameBytes((await plain.readFile()).subarray(BLOCK), content, 'the file')
          for (const view of pin.buffers) view.fill(0)
          assert.equal(await pin.readFrom(handle, { position: BLOCK }), content.length)
          pin.release()
          sameBytes(await pool.readFile('/pinned'), content, 'the pinned file')
          await nothingPinned(pool)
        })
      }
    }
  }

  test('copies, where direct access is off, go into O_DIRECT files and back', async (t) => {
    const { file, content } = await pinnedContent(t, 16 * BLOCK, { on: 'disk', dax: 'never' })
    const handle = await openDirect(t, join(temporaryDirectory(t, 'disk'), 'file'))
    if (handle === undefined) return
    for (let offset = 0; offset < content.length; offset += BLOCK) {
      using pin = await file.pin({ offset, length: BLOCK, mode: 'write' })
      assert.equal(await pin.writeTo(handle, { position: offset }), BLOCK)
      pin.buffer.fill(0)
      assert.equal(await pin.readFrom(handle, { position: offset }), BLOCK)
      sameBytes(pin.buffer, content.subarray(offset, offset + BLOCK))
    }
  })

  for (const revocable of [true, false]) {
    test(`holes go into O_DIRECT files as zeros, ${revocable ? '' : 'not '}revocable`, async (t) => {
      const { file, content } = await pinnedContent(t, 8 * BLOCK, { on: 'disk' })
      for (const block of [1, 3, 5]) {
        await file.punchHole(block * BLOCK, BLOCK, { busy: 'sequester' })
        content.fill(0, block * BLOCK, (block + 1) * BLOCK)
      }
      const path = join(temporaryDirectory(t, 'disk'), 'file')
      const handle = await openDirect(t, path)
      if (handle === undefined) return
      using pin = await file.pin({ offset: 0, length: content.length, mode: 'read', revocable })
      assert.equal(await pin.writeTo(handle, { position: 0 }), content.length)
      sameBytes(await (await openPlain(t, path, 'r')).readFile(), content)
    })
  }

  test('without a position a pin goes to and comes from where the file is', async (t) => {
    const { file, content } = await pinnedContent(t, 4 * BLOCK)
    const handle = await openPlain(t, join(temporaryDirectory(t), 'file'))
    await handle.write('head')
    using first = await file.pin({ offset: 0, length: 5000, mode: 'read' })
    using second = await file.pin({ offset: 5000, length: 6000, mode: 'read' })
    await first.writeTo(handle)
    await second.writeTo(handle)
    const whole = Buffer.concat([Buffer.from('head'), content.subarray(0, 11_000)])
    const back = Buffer.alloc(whole.length + 1)
    assert.equal((await handle.read(back, 0, back.length, 0)).bytesRead, whole.length)
    sameBytes(back.subarray(0, -1), whole)
  })

  for (const on of ['tmpfs', 'disk'] as Place[]) {
    test(`an O_DIRECT file on ${on} that ends within a sector is read up to its end`, async (t) => {
      const { pin, content } = await pinnedContent(t, 8 * BLOCK, { on })
      const path = join(temporaryDirectory(t, on), 'file')
      const bytes = content.subarray(0, 3 * BLOCK + 777).toReversed()
      await writeFile(path, bytes)
      const handle = await openDirect(t, path)
      if (handle === undefined) return
      assert.equal(await pin.readFrom(handle, { position: 0 }), bytes.length)
      sameBytes(pin.buffer.subarray(0, bytes.length), bytes)
    })
  }

  test('an unaligned pin is refused by an O_DIRECT file, and let go', { skip: noDisk() }, async (t) => {
    const { pool, file, pin } = await pinnedContent(t, 2 * BLOCK, { on: 'disk' })
    const handle = await openDirect(t, join(temporaryDirectory(t, 'disk'), 'file'))
    if (handle === undefined) return
    pin.release()
    const odd = await file.pin({ offset: 3, length: 100, mode: 'read' })
    await assert.rejects(odd.writeTo(handle, { position: 0 }), { code: 'EINVAL', syscall: 'write' })
    odd.release()
    await nothingPinned(pool)
  })

  test('short reads and short writes are carried on', async (t) => {
    const { pin, content } = await pinnedContent(t, 16 * BLOCK, { isScattered: true })
    const handle = await openPlain(t, join(temporaryDirectory(t), 'file'))
    const few = (views: Uint8Array[]): Uint8Array[] => [views[0].subarray(0, 3001)]
    const short = {
      fd: handle.fd,
      writev: (views: Uint8Array[], position?: number) => handle.writev(few(views), position),
      readv: (views: Uint8Array[], position?: number) => handle.readv(few(views), position),
    } as unknown as FileHandle
    assert.equal(await pin.writeTo(short, { position: 7 }), content.length)
    sameBytes((await handle.readFile()).subarray(7), content, 'the file')
    for (const view of pin.buffers) view.fill(0)
    assert.equal(await pin.readFrom(short, { position: 7 }), content.length)
    sameBytes(Buffer.concat(pin.buffers), content, 'the pin')
  })

  test('a file that ends early gives what it has', async (t) => {
    const { pin, content } = await pinnedContent(t, 4 * BLOCK)
    const path = join(temporaryDirectory(t), 'file')
    await writeFile(path, 'short')
    const handle = await openPlain(t, path, 'r')
    assert.equal(await pin.readFrom(handle), 5)
    assert.equal(await pin.readFrom(handle), 0)
    sameBytes(pin.buffer, Buffer.concat([Buffer.from('short'), content.subarray(5)]))
  })

  test('promise 8: an abort waits for the operation under way, with the blocks still pinned', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const path = join(temporaryDirectory(t), 'fifo')
    makeFifo(path, 0o600)
    const fifo = await open(path, 'r+')
    t.after(() => fifo.close())
    const abort = new AbortController()
    const reading = pin.readFrom(fifo, { signal: abort.signal })
    const state = stateOf(reading)
    pin.release()
    const reason = new Error('enough')
    abort.abort(reason)
    await someTurns()
    assert.equal(state.isSettled, false, 'the kernel may write into the blocks yet')
    assert.equal((await pool.pins()).length, 1)
    await assert.rejects(pool.truncate('/pinned', 0, { busy: 'fail' }), { code: 'EBUSY' })
    await fifo.write('late')
    await assert.rejects(reading, reason)
    await nothingPinned(pool)
    assert.equal((await pool.readFile('/pinned')).subarray(0, 4).toString(), 'late')
  })

  test('aborted before: nothing is written or read; aborted after: nothing is changed', async (t) => {
    const { pin } = await pinnedContent(t, BLOCK)
    const handle = await openPlain(t, join(temporaryDirectory(t), 'file'))
    const reason = new Error('no')
    const signal = AbortSignal.abort(reason)
    await assert.rejects(pin.writeTo(handle, { signal }), reason)
    await assert.rejects(pin.readFrom(handle, { signal }), reason)
    assert.equal((await handle.stat()).size, 0)
    const abort = new AbortController()
    assert.equal(await pin.writeTo(handle, { signal: abort.signal }), BLOCK)
    abort.abort()
    assert.equal((await handle.stat()).size, BLOCK)
  })

  test('errors of the file are passed on, and the pin is let go', async (t) => {
    const { pool, pin } = await pinnedContent(t, BLOCK)
    const full = await openPlain(t, '/dev/full', 'r+')
    const closed = await open(join(temporaryDirectory(t), 'file'), 'w+')
    await closed.close()
    await assert.rejects(pin.writeTo(full), { code: 'ENOSPC', syscall: 'write' })
    await assert.rejects(pin.writeTo(closed), { code: 'EBADF' })
    await assert.rejects(pin.readFrom(closed), { code: 'EBADF' })
    pin.release()
    await nothingPinned(pool)
  })

  test('what is no target or source, position or signal is a mistake of the caller', async (t) => {
    const { pool, file, pin } = await pinnedContent(t, BLOCK)
    const handle = await openPlain(t, join(temporaryDirectory(t), 'file'))
    for (const wrong of [undefined, null, 3, 'path', {}, [], file, Buffer.alloc(9), new WritableStream()] as never[]) {
      await assert.rejects(pin.writeTo(wrong), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
      await assert.rejects(pin.readFrom(wrong), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
    }
    for (const position of [-1, 1.5, NaN, 2 ** 53]) {
      await assert.rejects(pin.writeTo(handle, { position }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
      await assert.rejects(pin.readFrom(handle, { position }), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
    }
    await assert.rejects(pin.writeTo(handle, { position: '0' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(pin.writeTo(handle, { signal: {} as never }), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(pin.writeTo(process.stderr, { position: 0 }), { code: 'ERR_INVALID_ARG_VALUE' })
    const reading = await file.pin({ offset: 0, length: 1, mode: 'read' })
    await assert.rejects(reading.readFrom(handle), { code: 'EBADF' })
    reading.release()
    await assert.rejects(reading.writeTo(handle), { code: 'ESTALE' })
    pin.release()
    await nothingPinned(pool)
  })

  test('a hole of the file is written as zeros', async (t) => {
    const { pool } = await pinnedContent(t, BLOCK)
    await using sparse = await pool.open('/sparse', 'w+')
    await sparse.write('end', { position: 3 * BLOCK })
    using pin = await sparse.pin({ offset: 0, length: 3 * BLOCK + 3, mode: 'read' })
    const handle = await openPlain(t, join(temporaryDirectory(t), 'file'))
    await pin.writeTo(handle)
    const expected = Buffer.concat([Buffer.alloc(3 * BLOCK), Buffer.from('end')])
    sameBytes(await (await openPlain(t, `/proc/self/fd/${handle.fd}`, 'r')).readFile(), expected)
  })

  test('pins survive the close of the FileHandle while an operation is under way', async (t) => {
    const { pin, content } = await pinnedContent(t, 8 * MIB, { on: 'disk' })
    const path = join(temporaryDirectory(t, 'disk'), 'file')
    const handle = await open(path, 'w')
    const writing = pin.writeTo(handle)
    const closing = handle.close()
    assert.equal(await writing, content.length)
    await closing
    sameBytes(await (await openPlain(t, path, 'r')).readFile(), content)
  })
})

test('promise 8: a writeTo that cannot even begin leaves no reference on the pin', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'abc')
  await using file = await pool.open('/file', 'r')
  const pin = await file.pin({ offset: 0, length: 3, mode: 'read' })
  t.mock.method(pool.fileSystem.device, 'prefetch', () => {
    throw new Error('EUCLEAN')
  })
  await assert.rejects(pin.writeTo(process.stdout), /EUCLEAN/)
  pin.release()
  assert.equal(pin.isHeld, false)
})
