/**
 * A file of the pool made or replaced, whole or not at all. The new one is written without a name, and gets it when it is
 * complete: no reader sees half of it, an interruption changes nothing, and a process that is killed leaves nothing, for
 * what has no name goes with whoever had it open. Over what is there it is renamed, from a name beside it,
 * `.holdfast-` and eight digits; only a kill between these two steps leaves that.
 */
import { posix } from 'node:path'
import { codeOf, systemError } from '../../errors.ts'
import type { BusyOptions, File, Pool, Stat } from '../../index.ts'
import type { Run } from '../verb.ts'
import { temporaryName, unlessMissing } from './places.ts'

export interface NewFile {
  readonly path: string
  /** Permission bits, given what it replaces. */
  readonly mode: (replaced: Stat | undefined) => number
  /** For the replaced file's pinned blocks. */
  readonly busy: BusyOptions
}

/** Makes the file at a path what `fill` writes. A file that is replaced hands on its policies, and is gone only when the new one is durable. */
export async function replaceFile(
  run: Run,
  pool: Pool,
  { path, mode, busy }: NewFile,
  fill: (file: File) => Promise<void>,
): Promise<void> {
  const replaced = await unlessMissing(() => pool.lstat(path))
  if (replaced?.isDirectory() === true) throw systemError('EISDIR', 'this is a directory', { syscall: 'open', path })
  const directory = posix.dirname(path)
  await pool.stat(directory)
  try {
    await using file = await pool.openUnnamed(directory, { mode: mode(replaced) })
    if (replaced?.busy !== undefined || replaced?.dax !== undefined) {
      await file.configure({ busy: replaced.busy, dax: replaced.dax })
    }
    await fill(file)
    if (replaced !== undefined) await file.sync()
    run.signal.throwIfAborted()
    await putInPlace(path, replaced !== undefined, (place) => file.link(place), namesIn(pool, busy))
    run.hasChanged = true
  } catch (error) {
    throw inWordsOf(error, directory, path)
  }
}

/** Lets `make` make something at a path, or beside it and then over what is there. */
export async function putInPlace(
  path: string,
  isTaken: boolean,
  make: (place: string) => Promise<void>,
  { rename, unlink }: Names,
): Promise<void> {
  if (!isTaken) {
    try {
      return await make(path)
    } catch (error) {
      // Somebody was quicker: then that is replaced.
      if (codeOf(error) !== 'EEXIST') throw error
    }
  }
  const temporary = posix.join(posix.dirname(path), temporaryName())
  try {
    await make(temporary)
    await rename(temporary, path)
  } catch (error) {
    throw inWordsOf(error, temporary, path)
  } finally {
    // Renamed, it is gone; but over another name of the same inode, which a second copy may have made, it is not.
    await unlessMissing(() => unlink(temporary))
  }
}

/** Where names are made: the pool, or the host. */
interface Names {
  readonly rename: (from: string, to: string) => Promise<void>
  readonly unlink: (path: string) => Promise<void>
}

/** `busy` is for the pinned blocks of what is replaced. */
export const namesIn = (pool: Pool, busy: BusyOptions): Names => ({
  rename: (from, to) => pool.rename(from, to, busy),
  unlink: (path) => pool.unlink(path, { busy: 'sequester' }),
})

/** Nobody asked for the name that was used meanwhile: errors name what was asked for. */
function inWordsOf(error: unknown, used: string, asked: string): unknown {
  if (!(error instanceof Error)) return error
  error.message = error.message.replace(`'${used}'`, `'${asked}'`)
  if ('path' in error && error.path === used) error.path = asked
  return error
}
