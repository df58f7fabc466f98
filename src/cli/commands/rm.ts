/** `holdfast rm`: files and directories away. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import { codeOf, systemError } from '../../errors.ts'
import type { BusyOptions, Pool } from '../../index.ts'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../metadata/metadata.ts'
import type { BusyFlags } from '../options.ts'
import { busyOptions, withBusyOptions } from '../options.ts'
import type { Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

interface Flags extends BusyFlags {
  recursive?: boolean
  force?: boolean
}

export function rmVerb(): Command {
  const command = poolVerb('rm', 'Remove files.', {
    more:
      'With the policy sequester (the default of a new pool) pinned blocks go to lost+found and the name goes at once; ' +
      'with wait the name goes when they are idle; with fail a pinned file stays. Of a file with several names only the ' +
      'last one matters. A symlink goes itself, never what it points to.',
    examples: [
      'rm /data/pool /old.bin',
      'rm -r /data/pool /backups/2025',
      'rm /data/pool /live.bin --busy wait --timeout 10s',
    ],
  })
    .argument('<PATH...>', 'files of the pool')
    .option('-r, --recursive', 'directories too, with all that is in them')
    .option('-f, --force', 'no error when there is nothing at PATH')
  withBusyOptions(command)
  return does(command, (run, poolPath: string, paths: string[], flags: Flags) =>
    withPool(run, poolPath, async (pool) => {
      let removed = 0
      for (const path of paths) removed += await remove(run, pool, path, flags)
      return { json: { removed } }
    }),
  )
}

/** Returns the names taken away. */
async function remove(run: Run, pool: Pool, path: string, { recursive, force, ...busy }: Flags): Promise<number> {
  const options = busyOptions(run, busy)
  try {
    const found = await pool.lstat(path)
    if (!found.isDirectory()) return await removeFile(run, pool, path, options)
    if (recursive !== true) {
      throw systemError('EISDIR', 'this is a directory; remove it with -r', { syscall: 'unlink', path })
    }
    if (found.ino === ROOT_INODE || found.ino === LOST_AND_FOUND_INODE) {
      throw systemError('EBUSY', 'this directory is part of the pool; name what is in it', { syscall: 'rmdir', path })
    }
    return await removeTree(run, pool, path, options)
  } catch (error) {
    if (force === true && codeOf(error) === 'ENOENT') return 0
    throw error
  }
}

async function removeTree(run: Run, pool: Pool, path: string, options: BusyOptions): Promise<number> {
  let removed = 0
  for await (const { name, kind } of pool.entries(path)) {
    run.signal.throwIfAborted()
    const below = posix.join(path, name)
    removed += await (kind === 'directory' ? removeTree : removeFile)(run, pool, below, options)
  }
  await pool.rmdir(path)
  return removed + 1
}

async function removeFile(run: Run, pool: Pool, path: string, options: BusyOptions): Promise<number> {
  await pool.unlink(path, options)
  run.hasChanged = true
  return 1
}
