/** `rm`: removes a file, or a directory with what is in it. */
import type { RmOptions } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, systemError } from '../errors.ts'
import type { Pool } from '../pool/pool.ts'
import { boolean, integer } from './arguments.ts'
import { inNodesWords, refusal } from './node-words.ts'
import { joined } from './read-directory.ts'

/** What another may be about to end: pinned blocks under `busy: 'fail'`, and a directory that gets files meanwhile. */
const PASSING = new Set(['EBUSY', 'ENOTEMPTY', 'EPERM'])

/** As in node:fs. */
const MOST = 2 ** 32 - 1

interface Retries {
  readonly most: number
  readonly delayMs: number
}

/** Checks what was given; the promise removes. ERR_FS_EISDIR (a directory without `recursive`), ENOENT unless `force`. */
export function removeTree(pool: Pool, path: string, options: RmOptions = {}): Promise<void> {
  const most = integer('options.maxRetries', options.maxRetries ?? 0, 0, MOST)
  const delayMs = integer('options.retryDelay', options.retryDelay ?? 100, 0, MOST)
  const recursive = boolean('options.recursive', options.recursive)
  const force = boolean('options.force', options.force)
  return remove(pool, path, { recursive, force }, { most, delayMs })
}

async function remove(pool: Pool, path: string, { recursive, force }: RmOptions, retries: Retries): Promise<void> {
  let isDirectory: boolean
  try {
    isDirectory = (await inNodesWords({ syscall: 'lstat', path }, () => pool.lstat(path))).isDirectory()
  } catch (error) {
    if (force === true && codeOf(error) === 'ENOENT') return
    throw error
  }
  if (!isDirectory) return removeName(pool, path, retries)
  if (recursive !== true)
    throw refusal('ERR_FS_EISDIR', 'Path is a directory', {
      errno: 'EISDIR',
      syscall: 'rm',
      path,
      message: 'is a directory',
    })
  await removeDirectory(pool, path, retries)
}

/** What somebody else removes meanwhile is removed. */
async function removeDirectory(pool: Pool, path: string, retries: Retries): Promise<void> {
  // First as it is: what cannot be removed at all, such as '.', keeps what is in it.
  if (await removeEmptied(pool, path)) return
  for (let tries = 0; ; tries++) {
    try {
      for await (const { name, kind } of pool.entries(path)) {
        const inside = joined(path, name)
        if (kind === 'directory') await removeDirectory(pool, inside, retries)
        else await removeName(pool, inside, retries)
      }
      if (await removeEmptied(pool, path)) return
      throw systemError('ENOTEMPTY', 'somebody makes files in it meanwhile', { syscall: 'rmdir', path })
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      await mayTryAgain(error, tries, retries)
    }
  }
}

/** False: there is something in it. */
async function removeEmptied(pool: Pool, path: string): Promise<boolean> {
  try {
    await inNodesWords({ syscall: 'rmdir', path }, () => pool.rmdir(path))
  } catch (error) {
    if (codeOf(error) === 'ENOTEMPTY') return false
    if (codeOf(error) !== 'ENOENT') throw error
  }
  return true
}

async function removeName(pool: Pool, path: string, retries: Retries): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await inNodesWords({ syscall: 'unlink', path }, () => pool.unlink(path))
      return
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      await mayTryAgain(error, tries, retries)
    }
  }
}

/** As node:fs: each time later than the last. */
async function mayTryAgain(error: unknown, tries: number, { most, delayMs }: Retries): Promise<void> {
  if (tries >= most || !PASSING.has(codeOf(error) ?? '')) throw error
  await sleep((tries + 1) * delayMs)
}
