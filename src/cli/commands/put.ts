/** `holdfast put`: a file or directory of the host into the pool. */
import { lstat, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { systemError } from '../../errors.ts'
import type { File, Pool } from '../../index.ts'
import { singleMode } from '../copying/attributes.ts'
import { fillFromHandle, fillFromHost, fillFromStream } from '../copying/contents.ts'
import { hostSource } from '../copying/host-tree.ts'
import { behindLinks, placeFor, treeName } from '../copying/places.ts'
import { poolTarget, replaceTreeFile } from '../copying/pool-tree.ts'
import { replaceFile } from '../copying/replace-file.ts'
import type { TreeNode } from '../copying/tree.ts'
import { copyTree, treeOutcome } from '../copying/tree.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import type { Progress } from '../progress.ts'
import { UsageError } from '../report-error.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags extends BusyFlags {
  recursive?: boolean
}

const STDIN_MODE = 0o666

export function putVerb(): Command {
  const command = poolVerb('put', 'Copy a file or directory of the host into the pool.', {
    more:
      'What is at PATH is replaced when the copy is whole: readers see the old file or the new one, and an interruption ' +
      'changes nothing. If PATH is a directory the file goes into it.\n\n' +
      'With -r directories are copied with all that is in them, into those that are there: symlinks as symlinks, hard ' +
      'links as hard links, with permission bits and times, and as root with owners; sparse files stay sparse. Fifos, ' +
      'sockets and devices are left out with a warning, extended attributes without: Node.js has no call for them. ' +
      'What fails is said, and the rest goes on; then the exit code is 1. An interruption leaves whole files. The way ' +
      'back is get -r, within the pool there is cp -r.',
    examples: [
      'put /data/pool video.mp4 /videos/video.mp4',
      'put /data/pool - /dump.sql < dump.sql',
      'put -r /data/pool photos /photos',
      'put /data/pool index.html /index.html --busy wait --timeout 5s',
    ],
  })
    .argument('<HOSTFILE>', "file to copy, '-' for standard input; with -r a directory, too")
    .argument('<PATH>', 'where to, in the pool')
    .option('-r, --recursive', 'directories too, with all that is in them')
  withBusyOptions(command, ' of replaced files')
  return does(command, (run, poolPath: string, hostFile: string, path: string, { recursive, ...busy }: Flags) =>
    recursive === true ? putTree(run, poolPath, hostFile, path, busy) : putFile(run, poolPath, hostFile, path, busy),
  )
}

async function putFile(run: Run, poolPath: string, hostFile: string, path: string, flags: BusyFlags): Promise<Outcome> {
  // Before the pool is opened: a mistyped name should cost nothing.
  await using source = hostFile === '-' ? undefined : await openSource(hostFile)
  return await withPool(run, poolPath, async (pool) => {
    if (source === undefined && path.endsWith('/'))
      throw new UsageError('standard input has no name: give a path for the file')
    const place = await placeOf(pool, source === undefined ? path : await placeFor(pool, path, basename(hostFile)))
    const host = await source?.stat()
    using progress = run.progress(host?.isFile() === true ? host.size : undefined)
    const mode = singleMode(pool, host?.mode ?? STDIN_MODE)
    await replaceFile(run, pool, { path: place, mode, busy: busyOptions(run, flags) }, (file) =>
      fillFrom(run, file, source, progress),
    )
    progress.finish()
    return { json: { path: place, bytes: progress.doneBytes } }
  })
}

const placeOf = async (pool: Pool, path: string): Promise<string> => {
  const { place } = await behindLinks(
    path,
    (at) => pool.stat(at),
    (at) => pool.realpath(at),
  )
  return place
}

async function openSource(path: string): Promise<FileHandle> {
  const source = await open(path, 'r')
  if (!(await source.stat()).isDirectory()) return source
  await source.close()
  throw systemError('EISDIR', 'this is a directory; copy it with -r', { syscall: 'open', path })
}

async function fillFrom(run: Run, file: File, source: FileHandle | undefined, progress: Progress): Promise<void> {
  if (source === undefined) return fillFromStream(run, file, process.stdin, progress)
  if ((await source.stat()).isFile()) return fillFromHandle(run, file, source, progress)
  return fillFromStream(run, file, source.createReadStream({ autoClose: false }), progress)
}

async function putTree(run: Run, poolPath: string, hostPath: string, path: string, flags: BusyFlags): Promise<Outcome> {
  if (hostPath === '-') throw new UsageError('standard input is no directory')
  await lstat(hostPath)
  return await withPool(run, poolPath, async (pool) => {
    const to = await placeFor(pool, path, treeName(hostPath))
    const busy = busyOptions(run, flags)
    using progress = run.progress(undefined)
    const trees = {
      source: hostSource(poolPath),
      target: poolTarget(pool, busy),
      copyFile: async (from: string, place: string, node: TreeNode): Promise<void> => {
        await replaceTreeFile(run, pool, place, node, busy, (file) => fillFromHost(run, file, from, progress))
      },
    }
    const tally = await copyTree(run, trees, hostPath, to, progress)
    progress.finish()
    return treeOutcome(hostPath, to, tally)
  })
}
