/** `holdfast mv`: another name within the pool. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import { placeFor } from '../copying.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function mvVerb(): Command {
  const command = poolVerb('mv', 'Rename or move a file or directory within the pool.', {
    more: 'A file at TO is replaced, at once and whole. If TO is a directory, FROM goes into it.',
    examples: ['mv /data/pool /draft.txt /final.txt', 'mv /data/pool /new.bin /live.bin --busy fail'],
  })
    .argument('<FROM>', 'file or directory of the pool')
    .argument('<TO>', 'its new name, or a directory')
  withBusyOptions(command, ' of the replaced file')
  return does(command, (run, poolPath: string, from: string, to: string, flags: BusyFlags) =>
    withPool(run, poolPath, async (pool) => {
      const place = await placeFor(pool, to, posix.basename(from))
      await pool.rename(from, place, busyOptions(run, flags))
      return { json: { from, to: place } }
    }),
  )
}
