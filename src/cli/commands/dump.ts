/** `holdfast dump`: all of a pool as one stream. */
import { createWriteStream } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { DumpTally } from '../../archive/index.ts'
import type { Pool } from '../../index.ts'
import { bytesOf } from '../../units.ts'
import { hostPlaceFor } from '../copying/places.ts'
import { replaceHostFile } from '../copying/replace-host-file.ts'
import { timeoutOption } from '../options.ts'
import { UsageError } from '../report-error.ts'
import { formatSize } from '../sizes.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags {
  timeout?: number
}

export function dumpVerb(): Command {
  const command = poolVerb('dump', 'Write all of a pool as a tar archive, also while it is in use.', {
    more:
      'Each file is whole, as it was at one instant, whatever is written to it meanwhile; names and directories are as at ' +
      'the beginning. Holes, hard links, symlinks, nodes, owners, times, extended attributes, access control lists and ' +
      'policies are in it; files without a name and /lost+found are not. FILE is replaced when the dump is whole and on disk, ' +
      'and is readable by its owner only. holdfast load makes a pool of it, tar unpacks it.',
    examples: [
      'dump /data/pool pool.tar',
      'dump /data/pool | zstd > pool.tar.zst',
      'dump /data/pool | ssh backup holdfast load - /data/copy',
    ],
  })
    .argument('[FILE]', "where to, '-' or nothing for standard output")
    .addOption(timeoutOption())
  return does(command, (run, poolPath: string, hostFile: string | undefined, flags: Flags) =>
    withPool(run, poolPath, (pool) => dump(run, pool, hostFile ?? '-', flags)),
  )
}

async function dump(run: Run, pool: Pool, hostFile: string, { timeout }: Flags): Promise<Outcome | undefined> {
  const { dumpPool } = await import('../../archive/index.ts')
  const { mapped, sequestered } = await pool.fileSystem.metadata.space()
  using progress = run.progress(bytesOf(mapped - sequestered))
  const options = { signal: run.signal, timeoutMs: timeout, onProgress: (bytes: number) => progress.add(bytes) }
  if (hostFile === '-') {
    if (process.stdout.isTTY) throw new UsageError('an archive is nothing for a terminal: name a FILE, or pipe it')
    const { lost } = await dumpPool(pool, process.stdout, options)
    progress.finish()
    await warnOfLost(run, lost)
    return undefined
  }
  const place = await hostPlaceFor(pool, hostFile, `${basename(resolve(pool.path))}.tar`)
  const made: { tally?: DumpTally } = {}
  await replaceHostFile(run, place, async (temporary) => {
    made.tally = await dumpPool(pool, createWriteStream(temporary, { flags: 'r+', flush: true }), options)
  })
  progress.finish()
  const { files, bytes, lost } = made.tally!
  await warnOfLost(run, lost)
  return {
    json: { path: pool.path, hostFile: place, ...made.tally },
    text: `${place}: ${files} file${files === 1 ? '' : 's'}, ${formatSize(bytes)}\n`,
  }
}

const warnOfLost = async (run: Run, lost: number): Promise<void> => {
  if (lost === 0) return
  await run.warn(`left out: ${lost} file${lost === 1 ? '' : 's'}; move elsewhere what is to be kept`, '/lost+found')
}
