/** Operations that wait for nothing must not keep timers, signals and sockets from their turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryPool } from '../support/temporary-pool.ts'

test('timers run while a program awaits one operation after the other', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', Buffer.alloc(65_536))
  await using file = await pool.open('/file', 'r+')
  const block = Buffer.alloc(4096)
  const operations: Record<string, () => Promise<unknown>> = {
    read: () => file.read(block, { position: 0 }),
    write: () => file.write(block, { position: 0 }),
    pin: async () => (await file.pin({ offset: 0, length: 4096, mode: 'read' })).release(),
    stat: () => pool.stat('/file'),
  }
  for (const [name, operation] of Object.entries(operations)) {
    let isOver = false
    setTimeout(() => (isOver = true), 20)
    let calls = 0
    // Without a turn the timer never fires: the bound makes that a failure instead of a hang.
    while (!isOver && calls < 3_000_000) {
      await operation()
      calls++
    }
    assert.ok(isOver, `${name}: no timer in ${calls} calls`)
  }
})
