/** Small files of the pool directory that are written to: they must be the pool's, and nobody else's under another name. */
import type { Stats } from 'node:fs'
import { systemError } from '../errors.ts'

/** EUCLEAN unless it is a regular file with one name. Who may change the directory meanwhile is trusted (SECURITY.md). */
export function requireOwnFile(file: Stats, path: string): void {
  if (file.isFile() && file.nlink <= 1) return
  const what = 'this must be a regular file that has no other name; remove it, it is made anew'
  throw systemError('EUCLEAN', what, { syscall: 'open', path })
}
