/** `holdfast ln`: one more name, or a symlink. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import { placeFor } from '../copying/places.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function lnVerb(): Command {
  const command = poolVerb('ln', 'Give a file one more name, or make a symlink.', {
    more:
      'If PATH is a directory the link goes into it, under the name of TARGET. Nothing is replaced. A symlink holds TARGET ' +
      'as it is typed: without a leading / it is looked up from the directory of the link. It need not exist.',
    examples: ['ln /data/pool /video.bin /backups/video.bin', 'ln -s /data/pool ../releases/7 /www/current'],
  })
    .argument('<TARGET>', 'file of the pool; with -s any path')
    .argument('<PATH>', 'the new name')
    .option('-s, --symbolic', 'make a symlink')
  return does(command, (run, poolPath: string, target: string, path: string, { symbolic }: { symbolic?: boolean }) =>
    withPool(run, poolPath, async (pool) => {
      const place = await placeFor(pool, path, posix.basename(target))
      if (symbolic === true) await pool.symlink(target, place)
      else await pool.link(target, place)
      return { json: { target, path: place } }
    }),
  )
}
