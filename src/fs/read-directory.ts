/** Directories as they are listed: `readdir`, and what `opendir` gives. */
import { posix } from 'node:path'
import { checkPath } from '../files/paths.ts'
import type { DirectoryEntry } from '../metadata/metadata.ts'
import type { Pool } from '../pool/pool.ts'
import { inNodesWords } from './node-words.ts'

/** An entry with where it is: `directory` as it was asked for, `below` the names from there. */
export interface Listed {
  readonly entry: DirectoryEntry
  readonly directory: string
  readonly below: string
}

/**
 * Entries in byte order of their names, each directory's own before those below it. ENOENT, ENOTDIR as `syscall`. Symlinks
 * are not followed. A directory that goes meanwhile is left out.
 */
export async function* listed(
  pool: Pool,
  directory: string,
  { recursive, syscall }: { recursive: boolean; syscall: string },
): AsyncGenerator<Listed> {
  checkPath(directory, syscall)
  const ways = ['']
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    const path = way === '' ? directory : posix.join(directory, way)
    const inside: string[] = []
    const entries = pool.entries(path)
    for (;;) {
      const { value: entry, done } = await inNodesWords({ syscall, path }, () => entries.next())
      if (done === true) break
      const below = way === '' ? entry.name : `${way}/${entry.name}`
      if (recursive && entry.kind === 'directory') inside.push(below)
      yield { entry, directory: path, below }
    }
    ways.push(...inside.toReversed())
  }
}

/** As `path.join`, that keeps what it was given. */
export const joined = (directory: string, name: string): string =>
  name === '' ? directory : directory.endsWith('/') ? directory + name : `${directory}/${name}`
