/** `holdfast set`: policies of one file, or of what is made in a directory. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { BusyPolicy, DaxMode } from '../../index.ts'
import { busyOption } from '../options.ts'
import { UsageError } from '../report-error.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags {
  /** False: the pool's again. */
  busy?: BusyPolicy | false
  dax?: DaxMode | false
}

export function setVerb(): Command {
  const command = poolVerb('set', 'Set the policies of a file or directory.', {
    more:
      "They are stored with the file and override the pool's; a command's own --busy overrides both. Those of a directory " +
      'are inherited by files and directories that are made in it from then on; what is there keeps its own.',
    examples: [
      'set /data/pool /live.bin --busy wait',
      'set /data/pool /live.bin --no-busy --dax never',
      'set /data/pool /rings --busy fail',
    ],
  })
    .argument('<PATH>', 'file or directory of the pool')
    .addOption(busyOption(''))
    .option('--no-busy', "the pool's policy again")
    .addOption(new Option('--dax <MODE>', 'always: pins are the blocks; never: copies').choices(['always', 'never']))
    .option('--no-dax', "the pool's mode again")
  return does(command, (run, poolPath: string, path: string, { busy, dax }: Flags) => {
    if (busy === undefined && dax === undefined)
      throw new UsageError('nothing to set: give --busy, --no-busy, --dax or --no-dax')
    return withPool(run, poolPath, async (pool) => {
      await pool.configure(path, { busy: busy === false ? null : busy, dax: dax === false ? null : dax })
      const now = await pool.stat(path)
      return { json: { path, busy: now.busy ?? null, dax: now.dax ?? null } }
    })
  })
}
