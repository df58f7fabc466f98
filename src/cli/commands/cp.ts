/** `holdfast cp`: a copy within the pool. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import type { File } from '../../index.ts'
import { fillFromFile, placeFor, replaceFile, statUnlessMissing } from '../copying.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import { UsageError } from '../report-error.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function cpVerb(): Command {
  const command = poolVerb('cp', 'Copy a file within the pool.', {
    more: 'What is at TO is replaced when the copy is whole. If TO is a directory the copy goes into it. Holes stay holes.',
    examples: ['cp /data/pool /a.bin /b.bin', 'cp /data/pool /a.bin /backups/'],
  })
    .argument('<FROM>', 'file of the pool')
    .argument('<TO>', 'where to, in the pool')
  withBusyOptions(command, ' of the replaced file')
  return does(command, (run, poolPath: string, from: string, to: string, flags: BusyFlags) =>
    withPool(run, poolPath, async (pool) => {
      await using source = await pool.open(from, 'r')
      const { ino, size, mode } = await source.stat()
      const place = await placeFor(pool, to, posix.basename(from))
      if ((await statUnlessMissing(pool, place))?.ino === ino) throw new UsageError(`${place} is the file to be copied`)
      using progress = run.progress(size)
      const fill = (file: File): Promise<void> => fillFromFile(run, pool, file, source, progress)
      await replaceFile(run, pool, place, mode, busyOptions(run, flags), fill)
      progress.finish()
      return { json: { from, to: place, bytes: size } }
    }),
  )
}
