/**
 * A process beside the one that measures: `node holders-worker.ts POOL PATH`, over IPC. It pins and releases for a while
 * and says how often (`spin`), keeps many pins (`keep`), or has a lease and says when it was recalled (`lease`).
 */
import { openPool } from '../src/index.ts'

type Order = { spin: number } | { keep: number } | { lease: true }

const [, , poolPath, path] = process.argv
const pool = await openPool(poolPath)
const file = await pool.open(path, 'r')
const kept: unknown[] = []

/** Pins and releases for so many milliseconds; how often. */
function spin(ms: number): number {
  const range = { offset: 0, length: 4096, mode: 'read', revocable: false } as const
  let count = 0
  for (const end = performance.now() + ms; performance.now() < end;) {
    for (let i = 0; i < 1000; i++) file.pinSync(range).release()
    count += 1000
  }
  return count
}

process.on('message', (order: Order) => {
  if ('spin' in order) {
    process.send?.(spin(order.spin))
  } else if ('keep' in order) {
    for (let i = 0; i < order.keep; i++)
      kept.push(file.pinSync({ offset: i * 4096, length: 4096, mode: 'read', revocable: false }))
    process.send?.('kept')
  } else {
    void file
      .lease({
        type: 'layout',
        onRecall: (_, lease) => {
          const at = String(process.hrtime.bigint())
          void lease.release().then(() => process.send?.(at))
        },
      })
      .then(() => process.send?.('leased'))
  }
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
