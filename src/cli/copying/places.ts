/** Where a copy goes: what is at a path, and what the last operand of cp, mv and ln means. */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, posix, resolve } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { Pool, Stat } from '../../index.ts'
import { UsageError } from '../report-error.ts'

/** Beside the place of a copy that is under way. */
export const temporaryName = (): string => `.holdfast-${randomBytes(4).toString('hex')}`

export async function unlessMissing<T>(look: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return undefined
  }
}

/** `path`, or `name` in it when it is a directory: as cp and mv understand their last operand. */
export async function placeFor(pool: Pool, path: string, name: string): Promise<string> {
  const found = await unlessMissing(() => pool.stat(path))
  return found?.isDirectory() === true ? posix.join(path, name) : path
}

/** The same on the host, for copies out of `pool`. */
export async function hostPlaceFor(pool: Pool, path: string, name: string): Promise<string> {
  const found = await unlessMissing(() => stat(path))
  await mustNotBeIn(pool, found === undefined ? dirname(resolve(path)) : path)
  return found?.isDirectory() === true ? join(path, name) : path
}

/** Somebody's files among the pool's own would be a damaged pool. */
async function mustNotBeIn(pool: Pool, path: string): Promise<void> {
  const [place, own] = [await unlessMissing(() => realpath(path)), await realpath(pool.path)]
  if (place === own || place?.startsWith(`${own}/`) === true)
    throw new UsageError(`${path} is the directory of the pool itself`)
}

/** What a tree is called in the directory it is copied into; '' for those that have no name there: `.`, `..` and `/`. */
export function treeName(path: string): string {
  const name = basename(path)
  return name === '.' || name === '..' ? '' : name
}

/** A link leads to the file that is meant; a rename would replace the link. */
export async function behindLinks<Found extends Stat | Stats>(
  path: string,
  look: (path: string) => Promise<Found>,
  follow: (path: string) => Promise<string>,
): Promise<{ place: string; found: Found | undefined }> {
  const found = await unlessMissing(() => look(path))
  return { place: found === undefined ? path : await follow(path), found }
}
