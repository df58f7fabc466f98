/** `holdfast load`: a new pool of a dump. */
import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import { Option } from 'commander'
import { formatSize, parseSize } from '../sizes.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, verb } from '../verb.ts'

interface Flags {
  size?: number
}

export function loadVerb(): Command {
  const command = verb('load', 'Make a new pool of what dump wrote.', {
    more:
      'The pool is there when all of it is, checked against the sum in the archive, and on disk; an error or an ' +
      'interruption leaves nothing. It is as large as the old one and has its policies; it is another pool all the same, ' +
      'with a number of its own.',
    examples: [
      'load pool.tar /data/restored',
      'load pool.tar /data/larger --size 2T',
      'load - /data/restored < pool.tar',
    ],
  })
    .argument('<FILE>', "the archive, '-' for standard input")
    .argument('<POOL>', 'directory of the new pool, missing or empty')
    .addOption(new Option('--size <SIZE>', "bytes of the new pool (default: the old one's)").argParser(parseSize))
  return does(command, load)
}

async function load(run: Run, hostFile: string, path: string, { size }: Flags): Promise<Outcome> {
  const { loadPool } = await import('../../archive/index.ts')
  await using file = hostFile === '-' ? undefined : await open(hostFile, 'r')
  const source = file?.createReadStream() ?? process.stdin
  const stat = await file?.stat()
  using progress = run.progress(stat?.isFile() === true ? stat.size : undefined)
  const loaded = await loadPool(source, path, {
    sizeBytes: size,
    signal: run.signal,
    onProgress: (bytes) => progress.add(bytes),
  })
  progress.finish()
  const { files, sizeBytes } = loaded
  return {
    json: { path, ...loaded },
    text: `${path}: ${formatSize(sizeBytes)}, ${files} file${files === 1 ? '' : 's'}\n`,
  }
}
