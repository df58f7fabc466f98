/** A file of the host made or replaced, whole or not at all: written beside its place and renamed over it. */
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Run } from '../verb.ts'
import { temporaryName } from './places.ts'

/** `fill` writes the empty file that it gets the path of, and gives it its mode: it begins as nobody else's. */
export async function replaceHostFile(run: Run, place: string, fill: (path: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(place), temporaryName())
  try {
    closeSync(openSync(temporary, 'wx', 0o600))
    await fill(temporary)
    run.signal.throwIfAborted()
    renameSync(temporary, place)
  } catch (error) {
    rmSync(temporary, { force: true })
    if (error instanceof Error) error.message = error.message.replaceAll(temporary, place)
    throw error
  }
}
