/** Which file answers a path: itself, an index of the directory, or the name with an extension. */
import { posix } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { File } from '../../pool/file.ts'
import type { Pool } from '../../pool/pool.ts'
import type { Settings } from './options.ts'
import type { RequestPath } from './request-path.ts'

/** 'redirect': it is a directory, whose name ends with a slash. */
export async function findFile(
  pool: Pool,
  { path, hasSlash }: RequestPath,
  { index, extensions }: Settings,
): Promise<File | 'redirect' | undefined> {
  if (hasSlash)
    return firstOf(
      pool,
      index.map((name) => `${path}/${name}`),
    )
  const file = await opened(pool, path === '' ? '/' : path)
  if (file !== undefined) return file
  if (posix.extname(path) !== '' || extensions.length === 0) return undefined
  return firstOf(
    pool,
    extensions.map((extension) => `${path}.${extension}`),
  )
}

async function firstOf(pool: Pool, paths: readonly string[]): Promise<File | undefined> {
  for (const path of paths) {
    const file = await opened(pool, path)
    if (file !== undefined && file !== 'redirect') return file
  }
  return undefined
}

const ABSENT: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO']

async function opened(pool: Pool, path: string): Promise<File | 'redirect' | undefined> {
  try {
    return await pool.open(path, 'r')
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EISDIR') return 'redirect'
    if (ABSENT.includes(code)) return undefined
    throw error
  }
}
