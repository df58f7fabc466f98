/**
 * Places: ranges of an open inode that a pin was asked for, resolved to their blocks. Programs pin the same ranges again
 * and again, so some are kept: a place says where its blocks are, and has the view of pins that are not revocable.
 *
 * Invariant. A place says what the cache of the inode says, of a range that lies below the cached EOF and is pinned by direct
 * access: when extents or policy change, or the file gets shorter, all places go (open-inode.ts). Whether the cache still
 * holds is the business of the claim, for a place as for a range just resolved.
 *
 * Price: 250 bytes for each place kept, with its view.
 */
import type { Claim } from '../layout/own-slot.ts'
import { edgesOf } from '../layout/own-slot.ts'
import { RecordKind } from '../layout/format.ts'
import type { BlockCount, DeviceBlock, Extent, InodeNumber, Run } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'

/** A range in one run of blocks; as a claim, ready to be published: `flags` are set for each pin. */
export interface Place extends Claim, Run {
  /** Index of the cached extent. */
  readonly extent: number
  /** Of all pins of the place that are not revocable; made for the first. */
  view: Uint8Array | undefined
}

/** Most places kept of an inode. A prime: the places of ranges at any regular distance do not meet. */
const MOST = 1021

/** Where a range that starts here is kept. Most files are smaller than 2 GiB, and integers faster. */
const indexOf = (offset: number): number =>
  (offset <= 0x7fff_ffff ? offset >>> 12 : Math.floor(offset / BLOCK_SIZE)) % MOST

export class Places {
  /** A place each; the last range that was asked for wins. */
  readonly #kept: (Place | undefined)[] = []

  get(offset: number, length: number): Place | undefined {
    const place = this.#kept[indexOf(offset)]
    return place !== undefined && place.offset === offset && place.length === length ? place : undefined
  }

  /** Keeps a range of the inode that lies in one extent. */
  add(ino: InodeNumber, offset: number, length: number, { fileBlock, deviceBlock }: Extent, extent: number): Place {
    const first = Math.floor(offset / BLOCK_SIZE)
    return (this.#kept[indexOf(offset)] = {
      kind: RecordKind.pin,
      flags: 0,
      ino,
      offset,
      length,
      edges: edgesOf(offset, length),
      start: (deviceBlock + first - fileBlock) as DeviceBlock,
      count: (Math.ceil((offset + length) / BLOCK_SIZE) - first) as BlockCount,
      extent,
      view: undefined,
    })
  }

  clear(): void {
    // Setting it is slow, also to what it is.
    if (this.#kept.length > 0) this.#kept.length = 0
  }
}
