/**
 * A snapshot reader: it adds up a table of accounts while another participant moves money between them all the time. The
 * stable pin shows the table as it was at one instant, for as long as it is held; the writer never waits for it.
 *
 *   node examples/snapshot-reader.ts
 *
 * In a program of yours the import reads `from 'holdfast'`. The two openings of the pool here may as well be two processes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { createPool, openPool } from '../src/index.ts'

const ACCOUNTS = 8192
const TABLE = { offset: 0, length: ACCOUNTS * 4 }

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: 8 << 20 })
  await pool.writeFile('/accounts', new Uint32Array(ACCOUNTS).fill(100))
  await using writer = await openPool(join(directory, 'pool'))

  let isOver = false
  let moves = 0
  const moving = (async () => {
    await using accounts = await writer.open('/accounts', 'r+')
    const table = new Uint32Array(ACCOUNTS)
    await accounts.read(table, { position: 0 })
    while (!isOver) {
      const [from, to] = [Math.floor(Math.random() * ACCOUNTS), Math.floor(Math.random() * ACCOUNTS)]
      table[from]--
      table[to]++
      // One write: the whole table is replaced at an instant, as far as pins of it are concerned.
      await accounts.write(table, { position: 0 })
      moves++
      await turn()
    }
  })()

  await using accounts = await pool.open('/accounts', 'r')
  for (let reader = 1; reader <= 5; reader++) {
    using pin = await accounts.pin({ ...TABLE, mode: 'read', stable: true })
    const before = moves
    // As slow as it likes: what it looks at stays.
    let sum = 0
    for (const view of pin.buffers) {
      const table = new Uint32Array(view.buffer, view.byteOffset, view.length / 4)
      for (let at = 0; at < table.length; at += 1024) {
        for (const money of table.subarray(at, at + 1024)) sum += money
        await pause(5)
      }
    }
    console.log(`reader ${reader}: ${sum} in ${ACCOUNTS} accounts, ${moves - before} moves meanwhile`)
  }
  isOver = true
  await moving
} finally {
  await rm(directory, { recursive: true })
}
