/** `holdfast get`: a file or directory of the pool to the host. */
import { chmod, open, realpath, stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import type { Command } from 'commander'
import { systemError } from '../../errors.ts'
import type { File, Pool } from '../../index.ts'
import { singleMode } from '../copying/attributes.ts'
import { sendToHost } from '../copying/contents.ts'
import { hostTarget } from '../copying/host-tree.ts'
import { behindLinks, hostPlaceFor, treeName } from '../copying/places.ts'
import { poolSource } from '../copying/pool-tree.ts'
import { replaceHostFile } from '../copying/replace-host-file.ts'
import type { TreeNode } from '../copying/tree.ts'
import { copyTree, treeOutcome } from '../copying/tree.ts'
import { UsageError } from '../report-error.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function getVerb(): Command {
  const command = poolVerb('get', 'Copy a file or directory of the pool to the host.', {
    more:
      'A host file is replaced when the copy is whole and on disk. If HOSTFILE is a directory the file goes into it. ' +
      'Holes stay holes. This is how the files of a pool in use are backed up.\n\n' +
      'With -r directories are copied as put -r does it, but for /lost+found; times arrive to a microsecond.',
    examples: [
      'get /data/pool /videos/video.mp4 video.mp4',
      'get /data/pool /dump.sql - | gzip > dump.sql.gz',
      'get -r /data/pool / /backups/pool',
    ],
  })
    .argument('<PATH>', 'file of the pool; with -r a directory, too')
    .argument('<HOSTFILE>', "where to, '-' for standard output")
    .option('-r, --recursive', 'directories too, with all that is in them')
  return does(command, (run, poolPath: string, path: string, hostFile: string, flags: { recursive?: boolean }) =>
    withPoolToRead(run, poolPath, (pool) => (flags.recursive === true ? getTree : getFile)(run, pool, path, hostFile)),
  )
}

async function getFile(run: Run, pool: Pool, path: string, hostFile: string): Promise<Outcome | undefined> {
  if ((await pool.stat(path)).isDirectory())
    throw systemError('EISDIR', 'this is a directory; copy it with -r', { syscall: 'open', path })
  await using file = await pool.open(path, 'r')
  if (hostFile === '-') {
    await file.sendTo(process.stdout, { signal: run.signal })
    return undefined
  }
  const { size, mode } = await file.stat()
  using progress = run.progress(size)
  const wanted = await hostPlaceFor(pool, hostFile, treeName(path))
  const { place, found } = await behindLinks<Stats>(wanted, stat, realpath)
  if (found === undefined || found.isFile()) {
    await replaceHostFile(run, place, async (temporary) => {
      await sendToHost(run, pool, file, temporary, true, progress)
      await chmod(temporary, singleMode(pool, mode)(found))
    })
  } else await sendToSpecialFile(run, file, place)
  progress.finish()
  return { json: { path, hostFile: place, bytes: size } }
}

/** A pipe, a terminal, /dev/null: written to, never replaced. */
async function sendToSpecialFile({ signal }: Run, file: File, place: string): Promise<void> {
  await using target = await open(place, 'w')
  await file.sendTo(target, { signal })
}

async function getTree(run: Run, pool: Pool, path: string, hostPath: string): Promise<Outcome> {
  if (hostPath === '-') throw new UsageError('standard output takes single files')
  await pool.lstat(path)
  const to = await hostPlaceFor(pool, hostPath, treeName(path))
  using progress = run.progress(undefined)
  const trees = {
    source: poolSource(pool),
    target: hostTarget,
    copyFile: async (from: string, place: string, node: TreeNode, isTaken: boolean): Promise<void> => {
      await using file = await pool.open(from, 'r')
      await replaceHostFile(run, place, async (temporary) => {
        await sendToHost(run, pool, file, temporary, isTaken, progress)
        await hostTarget.finish(temporary, node)
      })
    },
  }
  const tally = await copyTree(run, trees, path, to, progress)
  progress.finish()
  return treeOutcome(path, to, tally)
}
