/**
 * An open inode as this participant knows it: claim "open" in the pin table, cached layout, views of its extents.
 *
 * Invariants
 *   1. The cached extents were the file's layout at some instant at which its bucket's generation was `generation` (the
 *      generation is read first, the layout then). While the generation stays, a mapped block of the cache is mapped.
 *   2. Holes and EOF of the cache may be out of date (allocation and growth do not advance the generation): what the
 *      cache denies is asked of the metadata before it is believed.
 *   3. The record of kind "open" stands from before the inode was last seen linked until the last handle is closed: so
 *      an unlinked file's content lives until the last close in any process, or its death.
 */
import type { Device } from '../device/device.ts'
import type { PinTable } from '../layout/pin-table.ts'
import { bucketOf } from '../layout/format.ts'
import type { Inode, Layout, Metadata } from '../metadata/metadata.ts'
import type { Extent, InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'

export class OpenInode {
  readonly ino: InodeNumber
  readonly bucket: number
  /** Handles of this participant. */
  handles = 0
  /** Record of kind "open" in the own slot. */
  openRecord = -1
  /** As last loaded. */
  inode: Inode
  /** Bytes; as last loaded, or as this participant has made it since. */
  size: number
  /** Written to in place since its times were last stored. */
  hasNewContent = false
  /** Blocks beyond EOF were allocated ahead for appends: the last close trims them. */
  hasPreallocation = false
  generation = 0
  extents: readonly Extent[] = []
  isCached = false
  #memory: (ArrayBuffer | undefined)[] = []
  #last = 0
  readonly #device: Device

  constructor(inode: Inode, device: Device) {
    this.ino = inode.ino
    this.bucket = bucketOf(inode.ino)
    this.inode = inode
    this.size = inode.size
    this.#device = device
  }

  /** Takes over a layout that was read after `generation` was. */
  adopt(layout: Layout, generation: number): void {
    this.inode = layout.inode
    this.size = layout.inode.size
    this.generation = generation
    if (!this.isCached || !isSame(this.extents, layout.extents)) {
      this.extents = layout.extents
      this.#memory = []
      this.#last = 0
    }
    this.isCached = true
  }

  /** Reads the layout anew. False: the inode is gone. */
  async refresh(table: PinTable, metadata: Metadata): Promise<boolean> {
    const generation = table.generation(this.bucket)
    const layout = await metadata.layout(this.ino)
    if (layout !== undefined) this.adopt(layout, generation)
    return layout !== undefined
  }

  /** The same at once; undefined when the store cannot. */
  refreshNow(table: PinTable, metadata: Metadata): boolean | undefined {
    if (metadata.layoutNow === undefined) return undefined
    const generation = table.generation(this.bucket)
    const layout = metadata.layoutNow(this.ino)
    if (layout !== undefined) this.adopt(layout, generation)
    return layout !== undefined
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
