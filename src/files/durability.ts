/** Durability: blocks first, then what the metadata says of them, so that it is never newer than they are. */
import type { Limits } from '../layout/waiting.ts'
import type { FileSystem } from './file-system.ts'
import { storeTimes } from './growth.ts'
import type { OpenInode } from './open-inode.ts'

/** Makes everything written to the file so far durable. EIO; after that the pool has to be opened afresh. */
export async function syncFile(fs: FileSystem, open: OpenInode, limits?: Limits): Promise<void> {
  await storeTimes(fs, open, limits)
  await syncDevice(fs)
}

/** The same for everything in the pool. */
export async function syncAll(fs: FileSystem): Promise<void> {
  for (const open of [...fs.openInodes.changed]) await storeTimes(fs, open)
  await syncDevice(fs)
}

async function syncDevice({ device, metadata }: FileSystem): Promise<void> {
  await device.flush()
  await metadata.sync()
}
