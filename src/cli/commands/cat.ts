/** `holdfast cat`: files to standard output. */
import type { Command } from 'commander'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function catVerb(): Command {
  const command = poolVerb('cat', 'Write files to standard output, straight from their blocks.', {
    examples: ['cat /data/pool /notes.txt', 'cat /data/pool /part.1 /part.2 | sha256sum'],
  }).argument('<PATH...>', 'files of the pool')
  return does(command, (run, poolPath: string, paths: string[]) =>
    withPoolToRead(run, poolPath, async (pool) => {
      for (const path of paths) {
        await using file = await pool.open(path, 'r')
        await file.sendTo(process.stdout, { signal: run.signal })
      }
      return undefined
    }),
  )
}
