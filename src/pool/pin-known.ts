/**
 * A stable pin of the whole of a file that is known as it is now (`knownAt`), without opening it: nothing waits, and neither a
 * file nor a promise is made. It is for front ends that look at the file again when they have it.
 *
 * No record says that the file is open. It needs none: the claim's own check (layout/claims.ts) finds any change that has
 * taken blocks since the layout was read, unlinking included, and whoever comes later finds the pin.
 */
import type { FileSystem } from '../files/file-system.ts'
import type { OpenInode } from '../files/open-inode.ts'
import { pinStableNow } from '../files/pinning.ts'
import type { OwnPins } from './own-pins.ts'
import { Pin } from './pin.ts'

/**
 * undefined: somebody writes to the blocks or changes the layout; the file is empty, or has no direct access. The views are
 * not revocable. Price: 3 µs, and 2 µs a run when there are several.
 */
export function pinKnown(fs: FileSystem, pins: OwnPins, open: OpenInode, path: string): Pin | undefined {
  const { size, dax = fs.properties.dax } = open.inode
  if (fs.isReadOnly || dax === 'never' || size === 0 || size !== open.size) return undefined
  const range = { offset: 0, length: size, mode: 'read', stable: true, revocable: false } as const
  const pinned = pinStableNow(fs, open, range)
  if (pinned === undefined) return undefined
  const file = { ino: open.ino, path, contentChanged: () => undefined }
  return pins.addStable(new Pin(pins, file, range, pinned), pinned.record)
}
