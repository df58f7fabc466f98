/** `holdfast get`: a file of the pool to the host. */
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Stats } from 'node:fs'
import type { Command } from 'commander'
import { codeOf } from '../../errors.ts'
import type { File, Pool } from '../../index.ts'
import { sendToHandle, temporaryName } from '../copying.ts'
import type { Progress } from '../progress.ts'
import type { Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function getVerb(): Command {
  const command = poolVerb('get', 'Copy a file of the pool to the host.', {
    more:
      'A host file is replaced when the copy is whole and on disk. If HOSTFILE is a directory the file goes into it. ' +
      'Holes stay holes. This is how a file of a pool in use is backed up.',
    examples: ['get /data/pool /videos/video.mp4 video.mp4', 'get /data/pool /dump.sql - | gzip > dump.sql.gz'],
  })
    .argument('<PATH>', 'file of the pool')
    .argument('<HOSTFILE>', "where to, '-' for standard output")
  return does(command, (run, poolPath: string, path: string, hostFile: string) =>
    withPool(run, poolPath, async (pool) => {
      await using file = await pool.open(path, 'r')
      const { size } = await file.stat()
      if (hostFile === '-') {
        await file.sendTo(process.stdout, { signal: run.signal })
        return undefined
      }
      using progress = run.progress(size)
      const place = await hostPlace(hostFile, basename(path))
      const old = await statUnlessMissing(place)
      if (old === undefined || old.isFile()) await replaceHostFile(run, pool, file, place, old, progress)
      else await sendToSpecialFile(run, file, place)
      progress.finish()
      return { json: { path, hostFile: place, bytes: size } }
    }),
  )
}

async function hostPlace(hostFile: string, name: string): Promise<string> {
  const found = await statUnlessMissing(hostFile)
  if (found?.isDirectory() === true) return join(hostFile, name)
  // A link leads to the file that is meant; a rename would replace the link.
  return found === undefined ? hostFile : realpath(hostFile)
}

async function statUnlessMissing(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
}

/** A pipe, a terminal, /dev/null: written to, never replaced. */
async function sendToSpecialFile({ signal }: Run, file: File, place: string): Promise<void> {
  await using target = await open(place, 'w')
  await file.sendTo(target, { signal })
}

/** Written beside its place and renamed over it, so that there is never half of it. */
async function replaceHostFile(
  run: Run,
  pool: Pool,
  file: File,
  place: string,
  old: Stats | undefined,
  progress: Progress,
): Promise<void> {
  const temporary = join(dirname(place), temporaryName())
  const { mode } = await file.stat()
  try {
    {
      await using target = await open(temporary, 'wx', mode & 0o777)
      if (old !== undefined) await target.chmod(old.mode & 0o7777)
      await sendToHandle(run, pool, file, target, progress)
      await target.sync()
    }
    run.signal.throwIfAborted()
    await rename(temporary, place)
  } catch (error) {
    await rm(temporary, { force: true })
    if (error instanceof Error) error.message = error.message.replaceAll(temporary, place)
    throw error
  }
}
