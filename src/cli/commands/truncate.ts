/** `holdfast truncate`: another size. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import { parseSizeChange } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags extends BusyFlags {
  size: (presentBytes: number) => number
}

export function truncateVerb(): Command {
  const command = poolVerb('truncate', 'Set the size of a file.', {
    more:
      'Shorter: pinned blocks behind the new end are dealt with by policy: fail says who holds them, wait waits until they ' +
      'are idle, sequester (the default of a new pool) takes them to lost+found at once. Longer: a hole that reads as ' +
      'zeros. The file must exist.',
    examples: [
      'truncate -s 0 /data/pool /log',
      'truncate -s +1G /data/pool /disk.img',
      'truncate -s 64k /data/pool /video.bin --busy wait --timeout 5s',
    ],
  })
    .argument('<PATH>', 'file of the pool')
    .addOption(
      new Option('-s, --size <SIZE>', 'the new size; +SIZE longer by, -SIZE shorter by')
        .argParser(parseSizeChange)
        .makeOptionMandatory(),
    )
  withBusyOptions(command)
  return does(command, (run, poolPath: string, path: string, { size, ...busy }: Flags) =>
    withPool(run, poolPath, async (pool) => {
      await using file = await pool.open(path, 'r+')
      const { size: oldBytes } = await file.stat()
      const sizeBytes = size(oldBytes)
      await file.truncate(sizeBytes, busyOptions(run, busy))
      return { json: { path, oldBytes, sizeBytes } }
    }),
  )
}
