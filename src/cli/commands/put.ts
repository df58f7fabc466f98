/** `holdfast put`: a host file into the pool. */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { systemError } from '../../errors.ts'
import type { File } from '../../index.ts'
import { fillFromHandle, fillFromStream, placeFor, replaceFile } from '../copying.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import type { Progress } from '../progress.ts'
import { UsageError } from '../report-error.ts'
import type { Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

const STDIN_MODE = 0o666

export function putVerb(): Command {
  const command = poolVerb('put', 'Copy a file of the host into the pool.', {
    more:
      'What is at PATH is replaced when the copy is whole: readers see the old file or the new one, and an interruption ' +
      'changes nothing. If PATH is a directory the file goes into it.',
    examples: [
      'put /data/pool video.mp4 /videos/video.mp4',
      'put /data/pool - /dump.sql < dump.sql',
      'put /data/pool index.html /index.html --busy wait --timeout 5s',
    ],
  })
    .argument('<HOSTFILE>', "file to copy, '-' for standard input")
    .argument('<PATH>', 'where to, in the pool')
  withBusyOptions(command, ' of the replaced file')
  return does(command, async (run, poolPath: string, hostFile: string, path: string, flags: BusyFlags) => {
    // Before the pool is opened: a mistyped name should cost nothing.
    await using source = hostFile === '-' ? undefined : await openSource(hostFile)
    return await withPool(run, poolPath, async (pool) => {
      const place = source === undefined ? path : await placeFor(pool, path, basename(hostFile))
      if (source === undefined && path.endsWith('/'))
        throw new UsageError('standard input has no name: give a path for the file')
      const host = await source?.stat()
      using progress = run.progress(host?.isFile() === true ? host.size : undefined)
      const fill = (file: File): Promise<void> => fillFrom(run, file, source, progress)
      await replaceFile(run, pool, place, host?.mode ?? STDIN_MODE, busyOptions(run, flags), fill)
      progress.finish()
      return { json: { path: place, bytes: progress.doneBytes } }
    })
  })
}

async function openSource(path: string): Promise<FileHandle> {
  const source = await open(path, 'r')
  if (!(await source.stat()).isDirectory()) return source
  await source.close()
  throw systemError('EISDIR', 'this is a directory; put copies single files', { syscall: 'open', path })
}

async function fillFrom(run: Run, file: File, source: FileHandle | undefined, progress: Progress): Promise<void> {
  if (source === undefined) return fillFromStream(run, file, process.stdin, progress)
  if ((await source.stat()).isFile()) return fillFromHandle(run, file, source, progress)
  return fillFromStream(run, file, source.createReadStream({ autoClose: false }), progress)
}
