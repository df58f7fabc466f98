/** `holdfast df`: the pool in numbers. */
import type { Command } from 'commander'
import type { PoolStats } from '../../index.ts'
import { formatSize } from '../sizes.ts'
import { facts } from '../table.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function dfVerb(): Command {
  const command = poolVerb('df', 'Say how full a pool is, and what is held.', {
    more:
      'used + free + busy + lost+found = size. busy: freed by its file, not usable yet; lost+found: taken from files while ' +
      'pinned. The reserve is a part of free that only freeing may use. available: what new files can have, lost+found ' +
      'that nobody holds and busy space included.',
    examples: ['df /data/pool', 'df /data/pool --json'],
  })
  return does(command, (run, poolPath: string) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const stats = await pool.stats()
      return { json: { path: poolPath, ...stats }, text: `${poolPath}\n${facts(factsOf(stats, pool.isReadOnly))}` }
    }),
  )
}

function factsOf(stats: PoolStats, isReadOnly: boolean): [string, string][] {
  const size = (bytes: number): string => formatSize(bytes).padStart(5)
  const percent = Math.ceil((stats.usedBytes / stats.sizeBytes) * 100)
  return [
    ['size', size(stats.sizeBytes)],
    ['used', `${size(stats.usedBytes)}  ${percent}% in ${count(stats.files, 'file')}`],
    ['free', `${size(stats.freeBytes)}  ${formatSize(stats.reserveBytes)} of it in reserve`],
    ['busy', size(stats.busyBytes)],
    ['lost+found', `${size(stats.sequesteredBytes)}  ${formatSize(stats.sequesteredHeldBytes)} of it held`],
    ['available', size(stats.availableBytes)],
    ['pinned', `${size(stats.pinnedBytes)}  in ${count(stats.pins, 'pin')}`],
    [
      'open in',
      `${String(stats.participants).padStart(5)}  processes and threads${isReadOnly ? '' : ', this one included'}`,
    ],
  ]
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`
