/** `holdfast punch`: a hole in a file. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import { parseSize } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags extends BusyFlags {
  offset: number
  length: number
}

export function punchVerb(): Command {
  const command = poolVerb('punch', 'Make a range of a file a hole that reads as zeros.', {
    more: 'The size stays; whole blocks of the range become free. Pinned blocks are dealt with as in truncate.',
    examples: [
      'punch /data/pool /disk.img --offset 1G --length 256M',
      'punch /data/pool /ring --offset 0 --length 4k --busy fail',
    ],
  })
    .argument('<PATH>', 'file of the pool')
    .addOption(new Option('--offset <SIZE>', 'where the range begins').argParser(parseSize).makeOptionMandatory())
    .addOption(new Option('--length <SIZE>', 'how long it is').argParser(parseSize).makeOptionMandatory())
  withBusyOptions(command)
  return does(command, (run, poolPath: string, path: string, { offset, length, ...busy }: Flags) =>
    withPool(run, poolPath, async (pool) => {
      await pool.punchHole(path, offset, length, busyOptions(run, busy))
      return { json: { path, offset, length } }
    }),
  )
}
