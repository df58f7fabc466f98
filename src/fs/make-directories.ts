/** `mkdir` with `recursive`, and `mkdtemp`. */
import { randomBytes } from 'node:crypto'
import { codeOf, isSystemError, retold, systemError } from '../errors.ts'
import type { Pool } from '../pool/pool.ts'
import { inNodesWords } from './node-words.ts'

/**
 * Makes a directory and those above it. Returns the first that was made; undefined: all were there. Others may make and
 * remove some meanwhile: what is there counts, whoever made it; what goes again is made again.
 */
export async function makeDirectories(pool: Pool, path: string, mode: number): Promise<string | undefined> {
  const wanted = [path]
  let first: string | undefined
  for (let next = wanted.at(-1); next !== undefined; next = wanted.at(-1)) {
    try {
      await pool.mkdir(next, { mode })
      first ??= next
    } catch (error) {
      const code = codeOf(error)
      const above = next.slice(0, Math.max(0, next.lastIndexOf('/')))
      if (code === 'ENOENT' && above !== '') {
        wanted.push(above)
        continue
      }
      if (code !== 'EEXIST') throw asOf(path, error)
      await mustBeDirectory(pool, next, path, error)
    }
    wanted.pop()
  }
  return first
}

const asOf = (path: string, error: unknown): unknown =>
  isSystemError(error) ? retold(error, { syscall: 'mkdir', path }) : error

/** What is there already. A symlink counts as what it leads to: nothing, or itself, is no directory either. */
async function mustBeDirectory(pool: Pool, there: string, path: string, isThere: unknown): Promise<void> {
  const reason = await pool.stat(there).then(
    (stat) => (stat.isDirectory() ? undefined : isThere),
    (error: unknown) => error,
  )
  if (reason === undefined) return
  if (there === path) throw asOf(path, reason)
  throw systemError('ENOTDIR', 'a name on the way is not a directory', { syscall: 'mkdir', path: there })
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const MOST_TRIES = 100

/** Makes a directory of a new name that begins with `prefix`, for its owner alone; returns its path. */
export async function makeTemporaryDirectory(pool: Pool, prefix: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    const path = prefix + [...randomBytes(6)].map((byte) => LETTERS[byte % LETTERS.length]).join('')
    try {
      await inNodesWords({ syscall: 'mkdtemp', path }, () => pool.mkdir(path, { mode: 0o700 }))
      return path
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || tries === MOST_TRIES) throw error
    }
  }
}
