/** `holdfast lost+found ls|cat|reclaim`: what was pinned when its file let go of it. */
import type { Command } from 'commander'
import { lostFilesTable } from '../lost-files.ts'
import { write } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { does, poolVerb, verb } from '../verb.ts'
import { withPool, withPoolToRead } from '../with-pool.ts'

export function lostAndFoundVerb(): Command {
  return verb('lost+found', 'See, read and free blocks that were pinned when their file let go of them.', {
    more: 'Idle ones go by themselves when space is wanted, or when the pool is opened afresh.',
    examples: ['lost+found ls /data/pool', 'lost+found reclaim /data/pool'],
  })
    .usage('ls|cat|reclaim POOL …')
    .helpCommand(false)
    .addCommand(listVerb())
    .addCommand(catVerb())
    .addCommand(reclaimVerb())
}

function listVerb(): Command {
  const command = poolVerb('ls', 'List the files of lost+found and who holds them.', {
    examples: ['lost+found ls /data/pool', 'lost+found ls /data/pool --json'],
  })
  return does(command, (run, poolPath: string) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const files = await pool.lostAndFound.list()
      return { json: { files }, text: files.length === 0 ? 'nothing in lost+found\n' : lostFilesTable(files) }
    }),
  )
}

function catVerb(): Command {
  const command = poolVerb('cat', 'Write files of lost+found to standard output, as they are now.', {
    more: 'Data that arrived after the file let go of its blocks is in it.',
    examples: ['lost+found cat /data/pool 12-0-65536 > late.bin'],
  }).argument('<NAME...>', "names as 'lost+found ls' has them")
  return does(command, (run, poolPath: string, names: string[]) =>
    withPoolToRead(run, poolPath, async (pool) => {
      for (const name of names) await write(process.stdout, await pool.lostAndFound.read(name))
      return undefined
    }),
  )
}

function reclaimVerb(): Command {
  const command = poolVerb('reclaim', 'Free files of lost+found: those named, or all that nobody holds.', {
    examples: ['lost+found reclaim /data/pool', 'lost+found reclaim /data/pool 12-0-65536'],
  }).argument('[NAME...]', "names as 'lost+found ls' has them")
  return does(command, (run, poolPath: string, names: string[]) =>
    withPool(run, poolPath, async (pool) => {
      let freedBytes = 0
      for (const name of names.length === 0 ? [undefined] : names) {
        run.signal.throwIfAborted()
        freedBytes += await pool.lostAndFound.reclaim(name)
        run.hasChanged = true
      }
      return { json: { freedBytes }, text: `${formatSize(freedBytes)} freed\n` }
    }),
  )
}
