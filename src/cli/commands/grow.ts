/** `holdfast grow`: a larger pool. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { formatSize, parseSize } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function growVerb(): Command {
  const command = poolVerb('grow', 'Make a pool larger.', {
    more: 'It may be in use: all who have it open see the new size at once. A pool never gets smaller.',
    examples: ['grow /data/pool --size 2T'],
  }).addOption(
    new Option('--size <SIZE>', 'bytes it is to have, up to 16T less 4k, on ext4 less 8k')
      .argParser(parseSize)
      .makeOptionMandatory(),
  )
  return does(command, (run, path: string, { size }: { size: number }) =>
    withPool(run, path, async (pool) => {
      const { sizeBytes: oldBytes } = await pool.stats()
      await pool.grow(size)
      const { sizeBytes } = await pool.stats()
      return { json: { path, oldBytes, sizeBytes }, text: `${path}: ${formatSize(sizeBytes)}\n` }
    }),
  )
}
