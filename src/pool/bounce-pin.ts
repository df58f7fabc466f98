/**
 * Bounce pins: what `pin()` gives where direct access is off (`dax: 'never'`, option 4 of the thread). The buffer is a
 * copy, page aligned as blocks are; nothing is claimed, so no layout change ever fails, waits or sequesters for it. At
 * release the bytes of a write pin go into the file, as far as the file still has them.
 */
import { systemError } from '../errors.ts'
import { mustRefresh, readInto, withCopyClaim } from '../files/data.ts'
import type { FileSystem } from '../files/file-system.ts'
import { allocateRange } from '../files/growth.ts'
import type { OpenInode } from '../files/open-inode.ts'
import type { PinRange } from '../files/pinning.ts'
import { memoryFor } from '../files/pinning.ts'
import { RecordFlag } from '../layout/format.ts'
import type { Limits } from '../layout/waiting.ts'

/** Tries of a write-back that meets a change being committed: each look takes a change of another process further. */
const WRITE_BACK_TRIES = 1000
const nap = new Int32Array(new SharedArrayBuffer(4))

/** A copy of the range; for a write pin its holes get blocks now, so that the write-back cannot run out of space. ERANGE past EOF, ENOSPC, ENOMEM. */
export async function bounceOf(
  fs: FileSystem,
  open: OpenInode,
  range: PinRange,
  limits: Limits,
  path: string | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { offset, length } = range
  await mustRefresh(fs, open, 'pin', path)
  const copy = memoryFor(offset + length <= open.size ? length : 0, path)
  if (copy.length === 0 || (await readInto(fs, open, copy, offset, limits, path)) < length) {
    const what = `bytes ${offset}-${offset + length} are not all within the file, which has ${open.size}; grow it first`
    throw systemError('ERANGE', what, { syscall: 'pin', path })
  }
  if (range.mode === 'write') {
    await allocateRange(fs, open, { start: offset, end: offset + length, limits, syscall: 'pin', path })
  }
  return copy
}

/** Puts a bounce buffer back, at once: release() does not wait. EAGAIN when a layout change of another process won't end. */
export function writeBounceBack(
  fs: FileSystem,
  open: OpenInode,
  offset: number,
  copy: Uint8Array,
  path: string | undefined,
): void {
  for (let tries = 0; tries < WRITE_BACK_TRIES; tries++) {
    if (open.refreshNow(fs) === false) return
    const length = Math.min(copy.length, open.size - offset)
    if (length <= 0) return
    // What was punched meanwhile stays a hole: the punch came later than the pin.
    const obstacle = withCopyClaim(fs, open, offset, length, RecordFlag.write, true, (segment, bytes) => {
      bytes?.set(copy.subarray(segment.offset - offset, segment.offset - offset + segment.length))
    })
    if (obstacle === undefined) {
      open.hasNewContent = true
      return
    }
    Atomics.wait(nap, 0, 0, 0.1)
  }
  throw systemError('EAGAIN', 'a layout change of the range is being committed; release the pin again', {
    syscall: 'release',
    path,
  })
}
