/** What fsck put into lost+found since no name led to it: ordinary files, through the mount's operations, too. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { fsck } from '../../src/pool/fsck.ts'
import { lie } from '../metadata/lies.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import { name, Requests, struct, u32, u64 } from './requests.ts'

test('what fsck reconnected is written to where it is, and where it is moved to', async (t) => {
  const made = await temporaryPool(t)
  await made.writeFile('/a', 'before')
  await made.close()
  lie(join(made.path, 'meta.db'), "DELETE FROM dentries WHERE name = 'a'")
  await fsck(made.path, { approve: () => Promise.resolve(true) })

  const pool = await openedAgain(t, made)
  const requests = new Requests(t, pool)
  const lost = await requests.at('lost+found')
  const { nodeId } = await requests.lookup(lost, '#3')
  const listed = await requests.ask('listxattr', nodeId, struct(u32(9999), u32(0)))
  assert.equal(listed.length, 0, 'nobody holds it')
  const handle = await requests.open(nodeId)
  await requests.write(nodeId, handle, 0, 'where')
  await requests.release(nodeId, handle)
  await requests.ask('rename', lost, struct(u64(1), name('#3'), name('back')))
  const again = await requests.open((await requests.lookup(1, 'back')).nodeId)
  await requests.write(nodeId, again, 5, '!')
  await requests.release(nodeId, again)
  assert.equal(await pool.readFile('/back', 'utf8'), 'where!')
})
