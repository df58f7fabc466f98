/** What comes before a pool is opened, or looked at by fsck: is there one, may it be written, and one at a time. */
import { accessSync, constants, existsSync, lstatSync, statSync } from 'node:fs'
import { codeOf, systemError } from '../errors.ts'
import type { PoolDirectory } from './pool-directory.ts'

export const OPENING_TIMEOUT_MS = 45_000
const OPENING_PAUSE_MS = 5

export function requirePool(directory: PoolDirectory): void {
  const { path } = directory
  const entry = statSync(path, { throwIfNoEntry: false })
  if (entry === undefined) {
    const what = 'there is no such directory; make a pool there with createPool or "holdfast mkfs"'
    throw systemError('ENOENT', what, { syscall: 'open', path })
  }
  if (!entry.isDirectory()) throw systemError('ENOTDIR', 'a pool is a directory', { syscall: 'open', path })
  accessSync(path, constants.R_OK | constants.X_OK)
  for (const file of [directory.metadata, directory.device, directory.pins]) {
    if (existsSync(file)) continue
    const what = `this is no pool: it has no ${file.slice(path.length + 1)}; make one with createPool or "holdfast mkfs"`
    throw systemError('ENOENT', what, { syscall: 'open', path })
  }
  if (lstatSync(directory.pins).isDirectory()) return
  const what = 'the directory of the pin table must be a directory of the pool, and no link'
  throw systemError('EUCLEAN', what, { syscall: 'open', path: directory.pins })
}

/** EACCES, EROFS: this process may not write the pool. */
export function requireWritable({ path, metadata, device, pins }: PoolDirectory): void {
  for (const part of [path, metadata, device, pins]) {
    try {
      accessSync(part, constants.W_OK)
    } catch (error) {
      const code = codeOf(error)
      if (code !== 'EACCES' && code !== 'EROFS') throw error
      const what = 'the pool may not be written; to read it, open it with { readOnly: true }'
      throw systemError(code, what, { syscall: 'open', path: part, cause: error })
    }
  }
}

/** Waits for others who open the pool, at most 45 s: ETIMEDOUT. Throws the signal's reason. */
export async function takeOpeningLock(lock: { tryLock(): boolean }, path: string, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + OPENING_TIMEOUT_MS
  while (!lock.tryLock()) {
    signal?.throwIfAborted()
    if (performance.now() > deadline) {
      throw systemError('ETIMEDOUT', 'another process has been opening the pool all the time; is it stopped?', {
        syscall: 'open',
        path,
      })
    }
    await new Promise((resolve) => setTimeout(resolve, OPENING_PAUSE_MS))
  }
}
