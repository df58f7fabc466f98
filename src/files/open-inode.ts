/**
 * An open inode as this participant knows it: claim "open" in the pin table, cached layout, views of its extents, places
 * in them.
 *
 * Invariants
 *   1. The cached extents were the file's layout at some instant at which its bucket's generation was `generation` (the
 *      generation is read first, the layout then). While the generation stays, a mapped block of the cache is mapped.
 *   2. Holes and EOF of the cache may be out of date (allocation and growth do not advance the generation): what the
 *      cache denies is believed only while the inode's change mark is `mark`; else the metadata is asked first.
 *   3. The record of kind "open" stands from before the inode was last seen linked until the last handle is closed: so
 *      an unlinked file's content lives until the last close in any process, or its death.
 *
 * With no handle left it is kept for the next open (open-inodes.ts); then it claims nothing.
 */
import type { Device } from '../device/device.ts'
import type { TableMarks } from '../layout/change-marks.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import type { Basis } from '../layout/claims.ts'
import { NEVER } from '../layout/claims.ts'
import type { PinTable } from '../layout/pin-table.ts'
import { bucketOf } from '../layout/format.ts'
import type { Inode, Layout, Metadata } from '../metadata/metadata.ts'
import type { Extent, FileRange, InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { Place } from './places.ts'
import { Places } from './places.ts'

/** What tells how things are now. */
interface Sources {
  readonly table: PinTable
  readonly marks: TableMarks
  readonly metadata: Metadata
}

export class OpenInode implements Basis {
  readonly ino: InodeNumber
  readonly bucket: number
  /** Handles of this participant. */
  handles = 0
  /** Record of kind "open" in the own slot. */
  openRecord = -1
  /** It was seen with a name after that was published, or made by us: its content stays until the last close. */
  isHeld = false
  /** As last read; not before `isCached`. */
  inode!: Inode
  /** Bytes. */
  size = 0
  /** Blocks that were allocated ahead for appends: the last close gives back those that are past EOF then. */
  preallocated: readonly FileRange[] = []
  /** What the cache was read under: a {@link Basis} of claims. */
  generation = 0
  arrivals = NEVER
  /** Ranges that were pinned. */
  readonly places = new Places()
  /** Everything known is so while this is the inode's change mark. */
  #mark = UNKNOWN
  extents: readonly Extent[] = []
  isCached = false
  #hasNewContent = false
  #memory: (ArrayBuffer | undefined)[] = []
  #last = 0
  readonly #device: Device
  readonly #changed: Set<OpenInode>

  /** It is in `changed` while it has content whose time is not stored. */
  constructor(ino: InodeNumber, device: Device, changed: Set<OpenInode>) {
    this.ino = ino
    this.bucket = bucketOf(ino)
    this.#device = device
    this.#changed = changed
  }

  /** Written to in place since its times were last stored. */
  get hasNewContent(): boolean {
    return this.#hasNewContent
  }

  set hasNewContent(hasNewContent: boolean) {
    if (this.#hasNewContent === hasNewContent) return
    this.#hasNewContent = hasNewContent
    if (hasNewContent) this.#changed.add(this)
    else this.#changed.delete(this)
  }

  /** Takes over a layout that was read after `generation` was, and is so while `mark` stands. */
  adopt(layout: Layout, generation: number, mark: number): void {
    const hasMoved = !this.isCached || !isSame(this.extents, layout.extents)
    if (hasMoved || layout.inode.size < this.size || layout.inode.dax !== this.inode.dax) this.places.clear()
    if (hasMoved) {
      this.extents = layout.extents
      this.#memory = []
      this.#last = 0
    }
    this.#mark = mark
    this.inode = layout.inode
    this.size = layout.inode.size
    this.generation = generation
    this.arrivals = NEVER
    this.isCached = true
  }

  /**
   * This participant has changed the inode's attributes and nothing else, in one transaction before which its mark was
   * `before`: what is known stays so but for them, unless others have changed it, too (known.ts).
   */
  attributesChanged(marks: TableMarks, before: number, inode: Inode): void {
    const after = (before + 2) | 0
    if (before === UNKNOWN || this.#mark !== before || !marks.isCurrent(this.ino, after)) return
    if (inode.dax !== this.inode.dax) this.places.clear()
    this.inode = inode
    this.#mark = after
  }

  /** Whether everything known is so now, the layout under its present generation included. */
  isCurrent({ table, marks }: Sources): boolean {
    return this.isCached && marks.isCurrent(this.ino, this.#mark) && table.generation(this.bucket) === this.generation
  }

  /** Reads the layout anew, unless what is known is so now. False: the inode is gone. */
  async refresh(sources: Sources): Promise<boolean> {
    if (this.isCurrent(sources)) return true
    const { table, marks, metadata } = sources
    const generation = table.generation(this.bucket)
    const mark = marks.current(this.ino)
    return this.#adoptRead(sources, await metadata.layout(this.ino), generation, mark)
  }

  /** The same at once; undefined when the store cannot. */
  refreshNow(sources: Sources): boolean | undefined {
    if (this.isCurrent(sources)) return true
    const { table, marks, metadata } = sources
    if (metadata.layoutNow === undefined) return undefined
    const generation = table.generation(this.bucket)
    const mark = marks.current(this.ino)
    return this.#adoptRead(sources, metadata.layoutNow(this.ino), generation, mark)
  }

  #adoptRead({ marks }: Sources, layout: Layout | undefined, generation: number, mark: number): boolean {
    if (layout === undefined) return false
    this.adopt(layout, generation, mark !== UNKNOWN && marks.isCurrent(this.ino, mark) ? mark : UNKNOWN)
    return true
  }

  /** Index of the cached extent that holds a file block, or -1. The last answer is tried first. */
  find(fileBlock: number): number {
    const { extents } = this
    const guess = extents[this.#last]
    if (guess !== undefined && guess.fileBlock <= fileBlock && fileBlock < guess.fileBlock + guess.count)
      return this.#last
    const next = this.firstAtOrBehind(fileBlock)
    if (next === extents.length || extents[next].fileBlock > fileBlock) return -1
    this.#last = next
    return next
  }

  /** Index of the first cached extent that ends behind a file block. */
  firstAtOrBehind(fileBlock: number): number {
    const { extents } = this
    let low = 0
    let high = extents.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const extent = extents[middle]
      if (extent.fileBlock + extent.count <= fileBlock) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The memory of a cached extent, for views that are not revocable: made once. Touch it under a claim only. */
  memory(index: number): ArrayBuffer {
    const known = this.#memory[index]
    if (known !== undefined) return known
    const { deviceBlock, count } = this.extents[index]
    return (this.#memory[index] = this.#device.map({ start: deviceBlock, count }))
  }

  /** A range below EOF that lies in one cached extent; undefined: it lies in several, or not in extents alone. */
  place(offset: number, length: number): Place | undefined {
    return this.places.get(offset, length) ?? this.#resolve(offset, length)
  }

  #resolve(offset: number, length: number): Place | undefined {
    const index = this.find(Math.floor(offset / BLOCK_SIZE))
    if (index < 0) return undefined
    const extent = this.extents[index]
    if (offset + length > (extent.fileBlock + extent.count) * BLOCK_SIZE) return undefined
    return this.places.add(this.ino, offset, length, extent, index)
  }

  /** No handle is left: what only pins want is not kept for the next open. */
  dropPlaces(): void {
    this.places.clear()
  }

  /** Makes the view of a place, one for all pins that are not revocable. Touch it under a claim only. */
  makeView(place: Place): Uint8Array {
    const { offset, length, extent } = place
    const at = offset - this.extents[extent].fileBlock * BLOCK_SIZE
    return (place.view = new Uint8Array(this.memory(extent), at, length))
  }

  /** Whether cached extents cover bytes [start, end) without a hole. */
  isMapped(start: number, end: number): boolean {
    const endBlock = Math.ceil(end / BLOCK_SIZE)
    let block = Math.floor(start / BLOCK_SIZE)
    for (let i = this.firstAtOrBehind(block); block < endBlock; i++) {
      const extent = this.extents[i]
      if (extent === undefined || extent.fileBlock > block) return false
      block = extent.fileBlock + extent.count
    }
    return true
  }
}

function isSame(a: readonly Extent[], b: readonly Extent[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    if (a[i].fileBlock !== b[i].fileBlock || a[i].deviceBlock !== b[i].deviceBlock || a[i].count !== b[i].count)
      return false
  }
  return true
}
