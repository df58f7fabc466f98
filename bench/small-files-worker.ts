/** `node small-files-worker.ts pool|host DIRECTORY NUMBER FILES`: makes, writes and removes files when told to go. */
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { openPool } from '../src/index.ts'

const [, , kind, directory, number, files] = process.argv
const data = Buffer.alloc(4096, 1)

if (kind === 'pool') {
  await using pool = await openPool(directory)
  await run(async (name) => {
    await using file = await pool.open(`/${name}`, 'w')
    await file.write(data)
    await file.close()
    await pool.unlink(`/${name}`)
  })
} else {
  await run(async (name) => {
    const path = join(directory, name)
    await using file = await open(path, 'w')
    await file.write(data)
    await file.close()
    await unlink(path)
  })
}

async function run(cycle: (name: string) => Promise<void>): Promise<void> {
  for (let i = 0; i < 30; i++) await cycle(`warm-${number}-${i}`)
  const told = new Promise((resolve) => process.once('message', resolve))
  process.send?.('ready')
  await told
  for (let i = 0; i < Number(files); i++) await cycle(`file-${number}-${i}`)
  const isOver = new Promise((resolve) => process.once('disconnect', resolve))
  process.send?.('done')
  await isOver
}
