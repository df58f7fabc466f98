/** Pin tables of another version: refused while they are in use, made anew when nobody is there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPool } from '../../src/index.ts'
import { CHUNK_WORDS, FORMAT_VERSION, RECORD_WORDS, SLOT_WORDS, Table } from '../../src/layout/format.ts'
import { startProcess } from '../support/participant.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const OTHER = FORMAT_VERSION + 6
const content = stamped(3, 4)

test('a pool whose pin table has another version is refused while somebody has it open, and its participants go on', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', content)
  const { table } = pool.fileSystem.table.memory
  table.store(Table.version, OTHER)
  const expected = {
    code: 'EPROTONOSUPPORT',
    message: new RegExp(`version ${OTHER}, .* version ${FORMAT_VERSION} only`),
  }
  await assert.rejects(openPool(pool.path), expected)
  await assert.rejects(openPool(pool.path, { readOnly: true }), expected)
  assert.equal(table.load(Table.version), OTHER)
  assert.equal((await pool.stats()).participants, 1)
  await using file = await pool.open('/file', 'r')
  using pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
  assert.ok(content.subarray(0, BLOCK).equals(pin.buffer))
  table.store(Table.version, FORMAT_VERSION)
  await (await openPool(pool.path)).close()
})

test('a pin table of another version that nobody uses is made anew, whatever is in its slots', async (t) => {
  const first = await temporaryPool(t)
  await first.writeFile('/file', content)
  const dying = await startProcess(t, first)
  await first.close()
  await dying.run(
    async (here, words) => {
      here.kept.file = await here.pool.open('/file', 'r+')
      here.kept.pin = await here.kept.file.pin({ offset: 0, length: 4096, mode: 'write' })
      const { memory, own } = here.pool.fileSystem.table
      // What another version may have written there: nothing that makes sense in this one.
      for (let word = 0; word < words.slot; word++)
        if (word !== 6) memory.slot(own.index).set(word, 0x0101_0101 * (word % 5))
      for (let word = 0; word < words.records; word++) memory.chunk(own.index, 0).set(word, 0x0101_0112)
      for (let word = 1024; word < 3000; word++) memory.table.set(word, word)
      memory.table.store(1, words.version)
    },
    { slot: SLOT_WORDS, records: Math.min(CHUNK_WORDS, 8 * RECORD_WORDS), version: OTHER },
  )
  await dying.kill()
  const pool = await openPool(first.path)
  t.after(() => pool.close({ force: true }))
  assert.equal(pool.fileSystem.table.memory.table.load(Table.version), FORMAT_VERSION)
  const { participants, pins, stuckWaits } = await pool.stats()
  assert.deepEqual([participants, pins, stuckWaits, await pool.leases()], [1, 0, 0, []])
  await using file = await pool.open('/file', 'r+')
  const lease = await file.lease({ type: 'layout', onRecall: () => undefined })
  using pin = await file.pin({ offset: 0, length: 4 * BLOCK, mode: 'read', longTerm: true })
  assert.ok(content.equals(pin.buffer))
  await lease.release()
  pin.release()
  await pool.truncate('/file', 0, { busy: 'fail' })
  await checkSound(pool)
})
