/** `holdfast mv`: another name within the pool. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import { placeFor } from '../copying/places.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import { UsageError } from '../report-error.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags extends BusyFlags {
  /** False: --no-clobber. */
  clobber: boolean
  exchange?: boolean
}

export function mvVerb(): Command {
  const command = poolVerb('mv', 'Rename or move a file or directory within the pool.', {
    more: 'A file at TO is replaced, at once and whole. If TO is a directory, FROM goes into it.',
    examples: [
      'mv /data/pool /draft.txt /final.txt',
      'mv /data/pool /new.bin /live.bin --busy fail',
      'mv /data/pool --exchange /site.next /site',
    ],
  })
    .argument('<FROM>', 'file or directory of the pool')
    .argument('<TO>', 'its new name, or a directory')
    .option('-n, --no-clobber', 'replace nothing: fail with EEXIST when TO is there')
    .option('--exchange', 'FROM and TO, of whatever kind, change places in one step')
  withBusyOptions(command, ' of the replaced file')
  return does(command, (run, poolPath: string, from: string, to: string, { clobber, exchange, ...busy }: Flags) => {
    if (!clobber && exchange === true) throw new UsageError('--no-clobber and --exchange exclude each other')
    return withPool(run, poolPath, async (pool) => {
      const place = exchange === true ? to : await placeFor(pool, to, posix.basename(from))
      await pool.rename(from, place, { ...busyOptions(run, busy), noReplace: !clobber, exchange })
      return { json: { from, to: place } }
    })
  })
}
