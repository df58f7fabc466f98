/** `holdfast leases`: who has leases on layouts. */
import type { Command } from 'commander'
import { holdersTable } from '../holders.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function leasesVerb(): Command {
  const command = poolVerb('leases', 'List the layout leases of all processes, or those of one file.', {
    more:
      'A layout change asks the holders of leases in its range to let go; one that is recalled has been asked and has not ' +
      'answered yet, one that is revoked did not answer in time.',
    examples: ['leases /data/pool', 'leases /data/pool /video.bin --json'],
  }).argument('[PATH]', 'a file of the pool')
  return does(command, (run, poolPath: string, path: string | undefined) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const leases = await pool.leases(path === undefined ? {} : { path })
      return { json: { leases }, text: leases.length === 0 ? 'no leases\n' : holdersTable(leases) }
    }),
  )
}
