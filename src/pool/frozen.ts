/**
 * Frozen: a whole file as at one instant, content, attributes and extended attributes, for as long as it is wanted. Writers
 * get blocks of their own meanwhile and never wait (promise 10).
 *
 * Why it is one instant. Attributes and layout are read under an even change mark, then all blocks are pinned stable
 * (layout/stable.ts), then the mark is looked at again. The same: nothing of the inode has changed up to the grant, so what
 * was read is so at the grant; and from there on the bytes do not change. Another: all of it once more.
 */
import assert from 'node:assert/strict'
import { codeOf, systemError } from '../errors.ts'
import { mustRefresh } from '../files/data.ts'
import { mustBeWritable } from '../files/file-system.ts'
import type { FileSystem } from '../files/file-system.ts'
import { nowNs, storeTimes } from '../files/growth.ts'
import type { OpenInode } from '../files/open-inode.ts'
import { pinStable } from '../files/pinning.ts'
import { segmentsOf } from '../files/segments.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import type { Limits } from '../layout/waiting.ts'
import type { Inode } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { FileOwner } from './open-file.ts'
import type { PinnedFile } from './pin.ts'
import { Pin } from './pin.ts'
import { Stat } from './stat.ts'

/** A run of bytes that has blocks; between these runs are holes. */
export interface FrozenData {
  /** In the file. */
  readonly offset: number
  /** The blocks themselves; not to be written to, and of length 0 after release. */
  readonly bytes: Uint8Array
}

export class Frozen implements Disposable {
  readonly stat: Stat
  readonly xattrs: ReadonlyMap<string, Uint8Array>
  /** Ascending; past the end of the file there is nothing. */
  readonly data: readonly FrozenData[]
  readonly #pin: Pin | undefined

  /** For `file.freeze()`. */
  constructor(inode: Inode, xattrs: ReadonlyMap<string, Uint8Array>, data: readonly FrozenData[], pin?: Pin) {
    this.stat = new Stat(inode)
    this.xattrs = xattrs
    this.data = data
    this.#pin = pin
  }

  /** Lets go of the blocks. A second call does nothing. */
  release(): void {
    this.#pin?.[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

/** `limits` hold for all of it. ETIMEDOUT, AbortError, EROFS, ESTALE and ENOENT as of a pin. */
export async function freeze(
  { fs, pins }: FileOwner,
  file: PinnedFile,
  open: OpenInode,
  limits: Limits,
): Promise<Frozen> {
  const { path } = file
  const { ino } = open
  mustBeWritable(fs, 'freeze', path)
  for (;;) {
    const mark = await markOf(fs, open)
    await mustRefresh(fs, open, 'freeze', path)
    const { inode } = open
    const segments = segmentsOf(open, 0, inode.size).filter(({ extent }) => extent >= 0)
    const xattrs = await xattrsOf(fs, ino)
    const pin = segments.length === 0 ? undefined : await pinAll()
    if (mark !== UNKNOWN && fs.marks.isCurrent(ino, mark)) {
      const views = pin?.buffers ?? []
      assert.equal(views.length, segments.length, 'a view for each segment')
      const data = segments.map(({ offset }, index) => ({ offset, bytes: views[index] }))
      return new Frozen(inode, xattrs, data, pin)
    }
    pin?.release()
    limits.signal?.throwIfAborted()
    if (fs.table.clock.steadyMs() > limits.deadlineMs) {
      throw systemError('ETIMEDOUT', 'the file was changed all the time', { syscall: 'freeze', path })
    }
  }

  /** Undefined: the file has got shorter. */
  async function pinAll(): Promise<Pin | undefined> {
    const range = { offset: 0, length: open.inode.size, mode: 'read', stable: true, withoutHoles: true } as const
    try {
      const pinned = await pinStable(fs, open, range, { busy: 'wait', limits }, path)
      return pins.addStable(new Pin(pins, file, range, pinned), pinned.record)
    } catch (error) {
      if (codeOf(error) !== 'ERANGE') throw error
      return undefined
    }
  }
}

/** The mark to read under. Who died in a change has left it odd: an empty change mends that. */
async function markOf(fs: FileSystem, open: OpenInode): Promise<number> {
  await storeTimes(fs, open)
  const mark = fs.marks.current(open.ino)
  if (mark !== UNKNOWN) return mark
  await fs.metadata.extend(open.ino, nowNs(fs), () => undefined)
  return fs.marks.current(open.ino)
}

/** Extended attributes of an inode; who wants them with other things as at one instant looks at the mark. */
export async function xattrsOf({ metadata }: FileSystem, ino: InodeNumber): Promise<Map<string, Uint8Array>> {
  const xattrs = new Map<string, Uint8Array>()
  for (const name of await metadata.xattrs(ino)) {
    const value = await metadata.xattr(ino, name)
    if (value !== undefined) xattrs.set(name, value)
  }
  return xattrs
}
