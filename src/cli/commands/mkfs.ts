/** `holdfast mkfs`: a new pool. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { BusyPolicy, DaxMode } from '../../index.ts'
import { parseDuration } from '../durations.ts'
import { busyOption } from '../options.ts'
import { formatSize, parseSize } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'

interface Flags {
  size: number
  busy?: BusyPolicy
  dax?: DaxMode
  leaseBreakTime?: number
}

export function mkfsVerb(): Command {
  const command = poolVerb('mkfs', 'Make a pool in a new or empty directory.', {
    more:
      'The directory must be on ext4, XFS, btrfs or tmpfs. The pool is sparse: it takes space of the host as its files ' +
      'need it. The policies are defaults that each file and each command can override.',
    examples: ['mkfs /data/pool --size 64G', 'mkfs /dev/shm/scratch --size 256M --busy wait'],
  })
    .addOption(
      new Option('--size <SIZE>', 'bytes of the pool, 1M to 16T less 4k, on ext4 less 8k')
        .argParser(parseSize)
        .makeOptionMandatory(),
    )
    .addOption(busyOption(' (default: sequester)'))
    .addOption(
      new Option('--dax <MODE>', 'always: pins are the blocks; never: copies (default: always)').choices([
        'always',
        'never',
      ]),
    )
    .addOption(
      new Option('--lease-break-time <TIME>', 'how long a layout lease may hold a change up (default: 30s)').argParser(
        parseDuration,
      ),
    )
  return does(command, async (_run, path: string, { size, busy, dax, leaseBreakTime }: Flags) => {
    const { createPool } = await import('../../index.ts')
    await using pool = await createPool(path, {
      sizeBytes: size,
      ...(busy === undefined ? {} : { busy }),
      ...(dax === undefined ? {} : { dax }),
      ...(leaseBreakTime === undefined ? {} : { leaseBreakTimeMs: leaseBreakTime }),
    })
    const { sizeBytes } = await pool.stats()
    const { uuid, busy: policy, dax: mode, leaseBreakTimeMs } = pool.properties
    return {
      json: { path, uuid, sizeBytes, busy: policy, dax: mode, leaseBreakTimeMs },
      text: `${path}: ${formatSize(sizeBytes)}, busy ${policy}, dax ${mode}\n`,
    }
  })
}
