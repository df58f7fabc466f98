import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { OfflineStore } from '../../src/metadata/offline-store.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { lie, populate } from './lies.ts'
import { properties } from './subject.ts'

const FACTS = { uuid: properties(64).uuid, blockCount: 64 }
const nobody = (): void => {}

test('a repair that would leave something is not offered, and nothing of it is kept', async (t) => {
  const path = join(temporaryDirectory(t), 'meta.db')
  await createSqliteMetadata(path, properties(64))
  const metadata = await openSqliteMetadata(path)
  await populate(metadata)
  await metadata.close()
  // The one can be repaired where it is, the other cannot.
  lie(path, 'UPDATE inodes SET blocks = blocks + 1 WHERE ino = 5; CREATE TABLE mine (x)')
  const store = await OfflineStore.open(path, true)
  t.after(() => store.close())
  const codes = async (): Promise<string[]> => (await store.check(nobody)).map(({ code }) => code)
  const before = await codes()
  const asked: unknown[] = []
  const left = await store.repair(
    FACTS,
    async (plan) => {
      asked.push(plan)
      return true
    },
    nobody,
  )
  assert.deepEqual(
    left?.map(({ code }) => code),
    ['schema'],
  )
  assert.deepEqual(asked, [])
  assert.deepEqual(await codes(), before)
  assert.deepEqual(before, ['schema', 'inode-blocks'])
})
