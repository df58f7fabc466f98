import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usedFile } from '../../src/pool/used-file.ts'

const failing = (code: string) => async (): Promise<never> => {
  throw Object.assign(new Error(code), { code })
}

test('of two failures the first is told, with its code', async () => {
  await assert.rejects(usedFile({ close: failing('EIO') }, failing('ENOSPC')), { code: 'ENOSPC' })
  await assert.rejects(
    usedFile({ close: failing('EIO') }, async () => 1),
    { code: 'EIO' },
  )
})

test('the file is closed, and the result handed on', async () => {
  let closes = 0
  const file = { close: async () => void closes++ }
  assert.equal(await usedFile(file, async () => 7), 7)
  await assert.rejects(usedFile(file, failing('EIO')), { code: 'EIO' })
  assert.equal(closes, 2)
})
