/** Growing a pool while it is in use: every participant gets the new space, pins and views stay, figures add up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import type { Pool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const MIB = 1 << 20

async function addsUp(pool: Pool): Promise<number> {
  const { sizeBytes, freeBytes, usedBytes, busyBytes, sequesteredBytes } = await pool.stats()
  assert.equal(freeBytes + usedBytes + busyBytes + sequesteredBytes, sizeBytes)
  return sizeBytes
}

test('a full pool that is grown takes more, in the process that grew it and in all others', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 2 * MIB })
  const here = await openedAgain(t, pool)
  const elsewhere = await startProcess(t, pool)
  await pool.writeFile('/kept', Buffer.alloc(MIB, 'kept'))
  await using kept = await pool.open('/kept', 'r')
  using pin = await kept.pin({ offset: 0, length: MIB, mode: 'read' })
  await assert.rejects(pool.writeFile('/large', Buffer.alloc(4 * MIB)), { code: 'ENOSPC' })
  await pool.grow(16 * MIB)
  assert.equal(await addsUp(pool), 16 * MIB)
  assert.equal(await addsUp(here), 16 * MIB)
  await here.writeFile('/large', Buffer.alloc(4 * MIB, 'here'))
  await elsewhere.run(async ({ pool: theirs }) => {
    await theirs.writeFile('/theirs', Buffer.alloc(4 << 20, 'them'))
    const file = await theirs.open('/large', 'r')
    const taken = await file.pin({ offset: 0, length: 4096, mode: 'read' })
    const text = Buffer.from(taken.buffer).toString('latin1', 0, 4)
    taken.release()
    await file.close()
    if (text !== 'here') throw new Error(text)
  })
  assert.ok((await pool.readFile('/theirs')).equals(Buffer.alloc(4 * MIB, 'them')))
  assert.ok(Buffer.concat(pin.buffers).equals(Buffer.alloc(MIB, 'kept')), 'views taken before are as they were')
  assert.deepEqual(await pool.check(), [])
})

test('two processes that grow it at once leave the larger size; growing again, or not at all, is said', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 2 * MIB })
  const other = await openedAgain(t, pool)
  await Promise.all([pool.grow(8 * MIB), other.grow(32 * MIB).catch(() => other.grow(32 * MIB))])
  assert.equal(await addsUp(pool), 32 * MIB)
  for (const size of [0, MIB, 32 * MIB, 32 * MIB + BLOCK - 1]) {
    await assert.rejects(pool.grow(size), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  }
  await assert.rejects(pool.grow('1G' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.equal(await addsUp(other), 32 * MIB)
})

test('the size outlives the participants, and a crash between device and metadata', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 2 * MIB })
  const grower = await startProcess(t, pool)
  await grower.run(async (here) => {
    const { metadata } = here.pool.fileSystem
    metadata.grow = () => {
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => {})
    }
    void here.pool.grow(8 << 20)
  })
  await grower.kill()
  assert.equal(await addsUp(pool), 2 * MIB, 'what the metadata does not know of is not there')
  await pool.grow(4 * MIB)
  await pool.writeFile('/file', Buffer.alloc(3 * MIB, 1))
  const { path } = pool
  await pool.close()
  await using again = await openPool(path)
  assert.equal(await addsUp(again), 4 * MIB)
  assert.ok((await again.readFile('/file')).equals(Buffer.alloc(3 * MIB, 1)))
  await assert.rejects(createPool(path, { sizeBytes: MIB }), { code: 'EEXIST' })
})
