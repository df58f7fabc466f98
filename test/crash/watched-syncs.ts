/**
 * Syncs of the log go through a FileHandle, in a module that knows nothing of tests. Here they are watched, or fail, where
 * they reach the host: by the path of what is synced.
 */
import { readlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'

/** Called when a sync begins, and throws what it is to fail with; what it returns is called when it has succeeded. */
export type SyncWatcher = () => () => void

const watchers = new Map<string, SyncWatcher>()
let areWatched = false

export async function watchSyncs(path: string, watcher: SyncWatcher): Promise<Disposable> {
  if (!areWatched) {
    areWatched = true
    await using handle = await open('/dev/null')
    const prototype = Object.getPrototypeOf(handle) as FileHandle
    const { datasync } = prototype
    prototype.datasync = async function watched(this: FileHandle) {
      const over = watchers.get(readlinkSync(`/proc/self/fd/${this.fd}`))?.()
      await datasync.call(this)
      over?.()
    }
  }
  watchers.set(path, watcher)
  return { [Symbol.dispose]: () => void watchers.delete(path) }
}

/** Syncs of the file fail until the result is disposed of. */
export const failingSyncs = (path: string, failure: () => Error): Promise<Disposable> =>
  watchSyncs(path, () => {
    throw failure()
  })
