/** A name that is replaced by rename is there at every instant: who opens it gets the old file or the new one, whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startProcess } from '../support/participant.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

test('opening and reading a name that another process replaces all the time never misses', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/name', 'a'.repeat(5000))
  const replacer = await startProcess(t, pool)
  let isOver = false
  const replaced = replacer
    .run(async (here) => {
      for (let i = 0; i < 400; i++) {
        await here.pool.writeFile('/new', 'abc'[i % 3].repeat(5000))
        await here.pool.rename('/new', '/name')
      }
    })
    .finally(() => (isOver = true))
  let reads = 0
  for (; !isOver || reads < 50; reads++) {
    const text = await pool.readFile('/name', 'utf8')
    assert.match(text, /^(?:a{5000}|b{5000}|c{5000})$/)
  }
  await replaced
  assert.deepEqual(await pool.check(), [])
})
