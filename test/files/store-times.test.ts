import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemError } from '../../src/errors.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

test('the time of a write that could not be stored is stored by the next stat', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'abc')
  await pool.utimes('/file', 1, 1)
  await using file = await pool.open('/file', 'r+')
  await file.write('x', { position: 0 })
  const { metadata } = pool.fileSystem
  const setAttributes = t.mock.method(metadata, 'setAttributes', () =>
    Promise.reject(systemError('ETIMEDOUT', 'the metadata was locked', { syscall: 'setattr' })),
  )
  await assert.rejects(file.stat(), { code: 'ETIMEDOUT' })
  setAttributes.mock.restore()
  assert.ok((await file.stat()).mtimeNs > 1_000_000_000n)
})
