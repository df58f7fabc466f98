/** `holdfast flush-dma`: wait until no pin is left. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { timeoutOption, waitOptions } from '../options.ts'
import { parseSize } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags {
  offset?: number
  length?: number
  timeout?: number
}

export function flushDmaVerb(): Command {
  const command = poolVerb('flush-dma', 'Wait until no pin is left in a range of a file.', {
    more: 'Changes nothing; new pins are let in meanwhile. When the time is up, those who hold the range are listed.',
    examples: ['flush-dma /data/pool /video.bin', 'flush-dma /data/pool /ring --offset 64k --length 4k --timeout 10s'],
  })
    .argument('<PATH>', 'file of the pool')
    .addOption(new Option('--offset <SIZE>', 'where the range begins (default: 0)').argParser(parseSize))
    .addOption(new Option('--length <SIZE>', 'how long it is (default: to the end)').argParser(parseSize))
    .addOption(timeoutOption())
  return does(command, (run, poolPath: string, path: string, { offset, length, ...wait }: Flags) =>
    withPool(run, poolPath, async (pool) => {
      await pool.flushDma(path, { offset, length, ...waitOptions(run, wait) })
      return { json: { path, offset: offset ?? 0, length: length ?? null } }
    }),
  )
}
