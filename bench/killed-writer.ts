/** Writes files into the pool in directory argv[2], holds pins, and is killed with all of it open. */
import { openPool } from '../src/index.ts'

const FILES = 500

const pool = await openPool(process.argv[2])
for (let i = 0; i < FILES; i++) {
  await pool.writeFile(`/written-${i}`, Buffer.alloc(10_000, i))
  if (i % 2 === 0) await pool.truncate(`/written-${i}`, 5000)
}
const file = await pool.open('/written-1', 'r+')
await file.pin({ offset: 0, length: 4096, mode: 'write' })
process.kill(process.pid, 'SIGKILL')
