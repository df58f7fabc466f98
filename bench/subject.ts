/** A pool to measure, with a file of one extent, and a host file beside it. */
import { rm } from 'node:fs/promises'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { File, Pool } from '../src/index.ts'
import { createPool } from '../src/index.ts'

export const MIB = 1 << 20

export interface Subject extends AsyncDisposable {
  readonly directory: string
  readonly path: string
  readonly pool: Pool
}

/** Default place: the system's temporary directory, a disk on most machines. */
export async function makeSubject(sizeBytes: number, parent = tmpdir()): Promise<Subject> {
  const directory = mkdtempSync(join(parent, 'holdfast-bench-'))
  const path = join(directory, 'pool')
  const pool = await createPool(path, { sizeBytes })
  return {
    directory,
    path,
    pool,
    [Symbol.asyncDispose]: async () => {
      await pool.close({ force: true })
      await rm(directory, { recursive: true })
    },
  }
}

/** A file of `bytes` bytes in one extent. */
export async function makeFile(pool: Pool, path: string, bytes: number): Promise<File> {
  const file = await pool.open(path, 'w+')
  await file.allocate(0, bytes)
  const piece = Buffer.alloc(MIB, 0x5a)
  for (let done = 0; done < bytes; done += MIB) await file.write(piece.subarray(0, Math.min(MIB, bytes - done)))
  return file
}
