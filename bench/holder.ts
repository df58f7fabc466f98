/** A process that pins when told to: `node holder.ts POOL PATH`, over IPC. Ends when its parent disconnects. */
import { openPool } from '../src/index.ts'

const [, , poolPath, path] = process.argv
const pool = await openPool(poolPath)
const file = await pool.open(path, 'r')
let pin: { release(): void } | undefined

process.on('message', (message) => {
  if (message === 'pin') {
    void file.pin({ offset: 0, length: 4096, mode: 'read' }).then((taken) => {
      pin = taken
      process.send?.('pinned')
    })
  } else {
    const at = process.hrtime.bigint()
    pin?.release()
    process.send?.(String(at))
  }
})
process.on('disconnect', () => void file.close().then(() => pool.close()))
process.send?.('ready')
