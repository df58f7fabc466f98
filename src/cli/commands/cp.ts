/** `holdfast cp`: a copy within the pool. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import { systemError } from '../../errors.ts'
import type { BusyOptions, Pool } from '../../index.ts'
import { singleMode } from '../copying/attributes.ts'
import { fillFromFile } from '../copying/contents.ts'
import { behindLinks, placeFor, treeName, unlessMissing } from '../copying/places.ts'
import { poolSource, poolTarget, replaceTreeFile } from '../copying/pool-tree.ts'
import { replaceFile } from '../copying/replace-file.ts'
import type { TreeNode } from '../copying/tree.ts'
import { copyTree, treeOutcome } from '../copying/tree.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import { UsageError } from '../report-error.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags extends BusyFlags {
  recursive?: boolean
}

export function cpVerb(): Command {
  const command = poolVerb('cp', 'Copy a file or directory within the pool.', {
    more:
      'What is at TO is replaced when the copy is whole. If TO is a directory the copy goes into it. Holes stay holes. ' +
      'Into the pool and out of it: put and get.\n\n' +
      'With -r directories are copied as put -r does it, and extended attributes of the namespace user, too.',
    examples: ['cp /data/pool /a.bin /b.bin', 'cp /data/pool /a.bin /backups/', 'cp -r /data/pool /site /site.old'],
  })
    .argument('<FROM>', 'file of the pool; with -r a directory, too')
    .argument('<TO>', 'where to, in the pool')
    .option('-r, --recursive', 'directories too, with all that is in them')
  withBusyOptions(command, ' of replaced files')
  return does(command, (run, poolPath: string, from: string, to: string, { recursive, ...busy }: Flags) =>
    withPool(run, poolPath, (pool) =>
      (recursive === true ? copyDirectory : copyFile)(run, pool, from, to, busyOptions(run, busy)),
    ),
  )
}

async function copyFile(run: Run, pool: Pool, from: string, to: string, busy: BusyOptions): Promise<Outcome> {
  if ((await pool.stat(from)).isDirectory())
    throw systemError('EISDIR', 'this is a directory; copy it with -r', { syscall: 'open', path: from })
  await using source = await pool.open(from, 'r')
  const { ino, size, mode } = await source.stat()
  const wanted = await placeFor(pool, to, posix.basename(from))
  const { place, found } = await behindLinks(
    wanted,
    (path) => pool.stat(path),
    (path) => pool.realpath(path),
  )
  if (found?.ino === ino) throw new UsageError(`${place} is the file to be copied`)
  using progress = run.progress(size)
  await replaceFile(run, pool, { path: place, mode: singleMode(pool, mode), busy }, (file) =>
    fillFromFile(run, file, source, progress),
  )
  progress.finish()
  return { json: { from, to: place, bytes: size } }
}

async function copyDirectory(run: Run, pool: Pool, from: string, to: string, busy: BusyOptions): Promise<Outcome> {
  const { ino } = await pool.lstat(from)
  const place = await placeFor(pool, to, treeName(from))
  if ((await unlessMissing(() => pool.lstat(place)))?.ino === ino)
    throw new UsageError(`${place} is what is to be copied`)
  await mustNotBeBelow(pool, from, place)
  using progress = run.progress(undefined)
  const trees = {
    source: poolSource(pool),
    target: poolTarget(pool, busy),
    copyFile: async (path: string, target: string, node: TreeNode): Promise<void> => {
      await using source = await pool.open(path, 'r')
      await replaceTreeFile(run, pool, target, node, busy, (file) => fillFromFile(run, file, source, progress))
    },
  }
  const tally = await copyTree(run, trees, from, place, progress)
  progress.finish()
  return treeOutcome(from, place, tally)
}

/** Without end: each directory that is made would be copied, too. */
async function mustNotBeBelow(pool: Pool, from: string, place: string): Promise<void> {
  if (!(await pool.lstat(from)).isDirectory()) return
  const source = await pool.realpath(from)
  const parent = await pool.realpath(posix.dirname(place))
  if (`${parent}/`.startsWith(source === '/' ? source : `${source}/`))
    throw new UsageError(`${place} is in the directory that is to be copied`)
}
