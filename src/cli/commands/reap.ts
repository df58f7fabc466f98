/** `holdfast reap`: what the dead left. */
import type { Command } from 'commander'
import { bytesOf } from '../../units.ts'
import { formatSize } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function reapVerb(): Command {
  const command = poolVerb('reap', 'Clear what dead processes left, and make freed blocks usable.', {
    more: 'Whoever meets the traces of a dead process does this by itself; the verb does it now.',
    examples: ['reap /data/pool'],
  })
  return does(command, (run, poolPath: string) =>
    withPool(run, poolPath, async (pool) => {
      const { participants, blocks } = await pool.reap()
      const freedBytes = bytesOf(blocks)
      return {
        json: { participants, freedBytes },
        text: `${participants} dead cleared, ${formatSize(freedBytes)} freed\n`,
      }
    }),
  )
}
