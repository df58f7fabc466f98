/** A file as at one instant, while others change it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Frozen } from '../../src/index.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

/** What a frozen file has, holes as zeros. */
function contentOf(frozen: Frozen): Buffer {
  const content = Buffer.alloc(frozen.stat.size)
  for (const { offset, bytes } of frozen.data) content.set(bytes, offset)
  return content
}

test('a frozen file stays what it was, whatever is done to it, and whoever does it does not wait', async (t) => {
  const pool = await temporaryPool(t)
  const content = Buffer.alloc(3 * BLOCK + 17, 'before')
  await pool.writeFile('/file', content)
  await pool.setXattr('/file', 'user.a', 'before')
  await using file = await pool.open('/file')
  const frozen = await file.freeze()
  const other = await openedAgain(t, pool)
  await using writer = await other.open('/file', 'r+')
  await writer.write(Buffer.alloc(content.length + 5000, 'after'), { position: 0 })
  await other.setXattr('/file', 'user.a', 'after')
  await writer.punchHole(0, BLOCK)
  await writer.truncate(10)
  await other.unlink('/file')
  assert.ok(contentOf(frozen).equals(content))
  assert.equal(Buffer.from(frozen.xattrs.get('user.a') ?? []).toString(), 'before')
  frozen.release()
  frozen.release()
  assert.equal(frozen.data[0].bytes.length, 0, 'no use after release (promise 8)')
  assert.equal((await pool.stats()).pins, 0)
})

test('holes of any size cost nothing, blocks past the end are not there', async (t) => {
  const pool = await temporaryPool(t)
  await using file = await pool.open('/file', 'w+')
  await file.truncate(2 ** 45)
  await file.write('middle', { position: 2 ** 40 })
  await file.truncate(2 ** 40 + 6)
  await file.allocate(2 ** 40, 10 * BLOCK, { keepSize: true })
  using frozen = await file.freeze()
  const data = frozen.data.map(({ offset, bytes }) => [offset, Buffer.from(bytes).toString()])
  assert.deepEqual(data, [[2 ** 40, 'middle']])
  await using empty = await pool.open('/empty', 'w+')
  using nothing = await empty.freeze()
  assert.deepEqual([nothing.stat.size, nothing.data], [0, []])
})

test('a file of a pool without direct access is frozen as any other', async (t) => {
  const pool = await temporaryPool(t, { dax: 'never' })
  await pool.writeFile('/file', 'before')
  await using file = await pool.open('/file', 'r+')
  using frozen = await file.freeze()
  await file.write('after!', { position: 0 })
  assert.equal(contentOf(frozen).toString(), 'before')
})

test('who writes by a pin is waited for, in time (promise 4)', async (t) => {
  const pool = await temporaryPool(t, { busy: 'fail' })
  await pool.writeFile('/file', 'before')
  await using file = await pool.open('/file', 'r+')
  const pin = await file.pin({ offset: 0, length: 6, mode: 'write' })
  await assert.rejects(file.freeze({ timeoutMs: 20 }), { code: 'ETIMEDOUT' })
  await assert.rejects(file.freeze({ signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })
  const waiting = file.freeze()
  pin.buffer.set(Buffer.from('after!'))
  pin.release()
  using frozen = await waiting
  assert.equal(contentOf(frozen).toString(), 'after!')
})

test('a change that died in the middle keeps nobody from freezing', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'content')
  await using file = await pool.open('/file')
  pool.fileSystem.marks.begin((await file.stat()).ino as never)
  // As when its process had died: nobody ends it.
  using frozen = await file.freeze({ timeoutMs: 1000 })
  assert.equal(contentOf(frozen).toString(), 'content')
})

test('what changes between the look and the pin is looked at again', async (t) => {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await pool.writeFile('/file', 'before')
  await using file = await pool.open('/file')
  const { metadata } = pool.fileSystem
  const look = metadata.xattrs.bind(metadata)
  let looks = 0
  metadata.xattrs = async (ino) => {
    if (++looks === 1) await other.writeFile('/file', ' and after', { flags: 'a' })
    return look(ino)
  }
  using frozen = await file.freeze()
  assert.deepEqual([contentOf(frozen).toString(), looks], ['before and after', 2])
})
