/** `holdfast mkdir`: directories. */
import type { Command } from 'commander'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function mkdirVerb(): Command {
  const command = poolVerb('mkdir', 'Make directories.', {
    examples: ['mkdir /data/pool /videos', 'mkdir -p /data/pool /backups/2026/05'],
  })
    .argument('<PATH...>', 'directories of the pool')
    .option('-p, --parents', 'make those above too; no error when there already')
  return does(command, (run, poolPath: string, paths: string[], { parents }: { parents?: boolean }) =>
    withPool(run, poolPath, async (pool) => {
      for (const path of paths) {
        await pool.mkdir(path, { recursive: parents === true })
        run.hasChanged = true
      }
      return { json: { paths } }
    }),
  )
}
