/**
 * Changes of layouts, each the body of one transaction: blocks enter a file (`allocate`), leave it (`change`), come
 * into use (`extend`), or go with their file (`delete`).
 *
 * Invariants
 *   1. A block that leaves a file becomes busy or a part of /lost+found, never free: whether it may be used again is
 *      for others to say (promise 1).
 *   2. Extents of a file stay merged where they touch in file and device.
 *   3. All of a change is in one transaction (promise 5); nothing is written before `decide` has answered.
 */
import assert from 'node:assert/strict'
import { systemError } from '../errors.ts'
import type { Extent, InodeNumber, Run } from '../units.ts'
import { Allocation, blocksOf, refuseTooLarge } from './allocation.ts'
import {
  blocksIn,
  byFileBlock,
  deviceRun,
  fileEnd,
  holes,
  joinedExtents,
  joinedRanges,
  joinedRuns,
  makeExtent,
  shifted,
  split,
} from './extent-arithmetic.ts'
import { damaged } from './damage.ts'
import type { ExtentTable } from './extents.ts'
import type { InodeTable } from './inodes.ts'
import type { LostAndFound } from './lost-and-found.ts'
import { LOST_AND_FOUND_INODE } from './metadata.ts'
import type {
  AllocateRequest,
  DirectoryEntry,
  Inode,
  Layout,
  LayoutChange,
  LayoutChangeResult,
  LayoutDecision,
} from './metadata.ts'
import type { SpaceTable } from './space.ts'
import type { TransactionMarks } from './transaction-marks.ts'

/** Blocks are allocated ahead of need from this part of what is left: an eighth. */
const SPARE_SHIFT = 3

export class LayoutChanges {
  readonly #inodes: InodeTable
  readonly #extents: ExtentTable
  readonly #space: SpaceTable
  readonly #lostAndFound: LostAndFound
  readonly #marks: TransactionMarks
  readonly #allocation: Allocation

  constructor(
    inodes: InodeTable,
    extents: ExtentTable,
    space: SpaceTable,
    lostAndFound: LostAndFound,
    marks: TransactionMarks,
  ) {
    this.#inodes = inodes
    this.#extents = extents
    this.#space = space
    this.#lostAndFound = lostAndFound
    this.#marks = marks
    this.#allocation = new Allocation(space)
  }

  allocate(request: AllocateRequest, prepare: (runs: readonly Run[], before: Layout) => void): Layout {
    const { ino, range, preallocate = 0, growTo } = request
    refuseTooLarge('allocate', { end: range.end, size: growTo?.size ?? 0 })
    const layout = this.#layoutOf(ino, 'allocate')
    const wanted = holes(layout.extents, range)
    const grows = growTo !== undefined && growTo.size > layout.inode.size
    if (wanted.length === 0 && !grows) return layout
    const need = blocksOf(wanted)
    const { available, sequestered } = this.#allocation.spaceFor(need, 'allocate')
    // Blocks of /lost+found are counted twice; there are hardly ever any, so the table need not be asked.
    const isLost = sequestered > 0 && this.#lostAndFound.has(ino)
    // Others must not run out of space for what one file may never use.
    const ahead = wanted.length === 0 ? 0 : Math.min(preallocate, (available - need) >>> SPARE_SHIFT)
    this.#marks.begin(ino)
    const added = this.#allocation.take(layout.extents, wanted, ahead)
    prepare(joinedRuns(added.map(deviceRun)), layout)
    const extents = joinedExtents([...layout.extents, ...added])
    this.#extents.replace(ino, layout.extents, extents)
    const taken = blocksIn(added)
    const blocks = layout.inode.blocks + taken
    const inode = grows ? { ...grown(layout.inode, growTo), blocks } : { ...layout.inode, blocks }
    if (grows) this.#inodes.setContent(inode)
    else this.#inodes.setBlocks(inode)
    this.#space.count({ free: -taken, mapped: taken, sequestered: isLost ? taken : 0 })
    return { inode, extents }
  }

  extend(ino: InodeNumber, nowNs: bigint, apply: (layout: Layout) => number | undefined): Layout {
    const layout = this.#layoutOf(ino, 'write')
    this.#marks.begin(ino)
    const size = apply(layout)
    if (size === undefined) return layout
    refuseTooLarge('write', { size })
    const inode = grown(layout.inode, { size, nowNs })
    this.#inodes.setContent(inode)
    return { inode, extents: layout.extents }
  }

  change(
    change: LayoutChange,
    decide: (removed: readonly Extent[], inode: Inode, moved: readonly Extent[]) => LayoutDecision,
  ): LayoutChangeResult {
    const { ino, nowNs, insert = [], shift, fill, size } = change
    const layout = this.#extents.layout(ino)
    if (layout === undefined) return { committed: false, layout, lostAndFound: [] }
    const { inode } = layout
    if (change.onlyIfOrphan === true && inode.nlink > 0) return { committed: false, layout, lostAndFound: [] }
    assert(inode.kind === 'file', 'only files have a layout')
    const isLost = this.#lostAndFound.has(ino)
    if (change.deleteInode === true) {
      assert(isLost || inode.nlink === 0, 'only an orphan or a file of lost+found can be deleted')
      assert(insert.length === 0 && shift === undefined && fill === undefined, 'nothing can be put into a deleted file')
      this.#markRemoval(ino, layout.extents, isLost)
      const decision = decide(layout.extents, inode, [])
      if (!decision.commit) return { committed: false, layout, lostAndFound: [] }
      const lostAndFound = this.delete(layout, decision.sequester, { nowNs, isLost })
      return { committed: true, layout: undefined, lostAndFound }
    }

    const ranges = joinedRanges(change.remove)
    const { inside: removed, outside: kept } = split(layout.extents, ranges)
    const { moved, placed } = shift === undefined ? { moved: [], placed: kept } : shifted(kept, shift)
    const inserted = insert
      .map(({ fileBlock, deviceBlock }) => makeExtent(fileBlock, deviceBlock, 1))
      .toSorted(byFileBlock)
    assert(split(inserted, ranges).outside.length === 0, 'blocks can only be put where blocks were removed')
    const mapped = joinedExtents([...placed, ...inserted])
    assert(isFreeOfOverlaps(mapped), 'blocks can only be put where nothing is')
    const last = mapped.at(-1)
    const end = Math.max(last === undefined ? 0 : fileEnd(last), fill?.range.end ?? 0)
    refuseTooLarge('fallocate', { end, size: size ?? 0 })
    const wanted = fill === undefined ? [] : holes(mapped, fill.range)
    if (wanted.length > 0) this.#allocation.spaceFor(blocksOf(wanted), 'allocate')

    this.#markRemoval(ino, removed, isLost)
    const decision = decide(removed, inode, moved)
    if (!decision.commit) return { committed: false, layout, lostAndFound: [] }
    const { sequestered, freed } = parted(removed, decision.sequester)
    for (const { deviceBlock } of inserted) {
      if (!this.#space.takeBusyBlock(deviceBlock)) throw damaged(`block ${deviceBlock}, just reserved, is not busy`)
    }
    const added = this.#allocation.take(mapped, wanted, 0)
    if (added.length > 0) fill!.prepare(joinedRuns(added.map(deviceRun)))
    const extents = added.length > 0 ? joinedExtents([...mapped, ...added]) : mapped
    this.#extents.replace(ino, layout.extents, extents)
    const lostAndFound = this.#letGo(inode, sequestered, freed, nowNs)

    const gone = blocksIn(removed)
    const filled = blocksIn(added)
    const busy = blocksIn(freed) - inserted.length
    this.#space.count({
      free: -filled,
      mapped: filled - busy,
      busy,
      sequestered: blocksIn(sequestered) + (isLost ? inserted.length + filled - gone : 0),
    })
    const after = {
      ...inode,
      size: size ?? inode.size,
      blocks: inode.blocks - gone + inserted.length + filled,
      ...(change.keepsTimes === true ? {} : { mtimeNs: nowNs, ctimeNs: nowNs }),
      changeCount: inode.changeCount + 1,
    }
    this.#inodes.setContent(after)
    return { committed: true, layout: { inode: after, extents }, lostAndFound }
  }

  /**
   * Deletes an inode with all its extents: those of `sequester` move to lost+found, the rest becomes busy. It has no name,
   * `lostName` being the one it lost in this transaction, or is a file of lost+found.
   */
  delete(
    { inode, extents }: Layout,
    sequester: readonly Extent[],
    { nowNs, isLost, lostName }: { readonly nowNs: bigint; readonly isLost: boolean; readonly lostName?: string },
  ): DirectoryEntry[] {
    const { sequestered, freed } = parted(extents, sequester)
    this.#extents.replace(inode.ino, extents, [])
    const lostAndFound = this.#letGo(inode, sequestered, freed, nowNs, lostName)
    const busy = blocksIn(freed)
    const change = {
      mapped: -busy,
      busy,
      sequestered: blocksIn(sequestered) - (isLost ? blocksIn(extents) : 0),
    }
    if (extents.length > 0) this.#space.count(change)
    if (isLost) this.#lostAndFound.remove(inode.ino, nowNs)
    this.#inodes.delete(inode)
    return lostAndFound
  }

  /** Blocks that have left a file become busy, or go to lost+found. The counts are the caller's. */
  #letGo(
    origin: Inode,
    sequestered: readonly Extent[],
    freed: readonly Extent[],
    nowNs: bigint,
    lostName?: string,
  ): DirectoryEntry[] {
    for (const run of joinedRuns(freed.map(deviceRun))) this.#space.addBusy(run)
    return this.#lostAndFound.take(origin, sequestered, nowNs, lostName)
  }

  /** What leaves a file may go to lost+found, and a file of lost+found is told of there. */
  #markRemoval(ino: InodeNumber, removed: readonly Extent[], isLost: boolean): void {
    this.#marks.begin(ino)
    if (isLost || removed.length > 0) this.#marks.begin(LOST_AND_FOUND_INODE)
  }

  #layoutOf(ino: InodeNumber, syscall: string): Layout {
    const layout = this.#extents.layout(ino)
    if (layout?.inode.kind === 'file') return layout
    if (layout === undefined) throw systemError('ENOENT', `there is no inode ${ino}`, { syscall })
    const { kind } = layout.inode
    throw systemError(kind === 'directory' ? 'EISDIR' : 'EINVAL', `inode ${ino} is a ${kind}`, { syscall })
  }
}

const grown = (inode: Inode, { size, nowNs }: { readonly size: number; readonly nowNs: bigint }): Inode => ({
  ...inode,
  size: Math.max(size, inode.size),
  mtimeNs: nowNs,
  ctimeNs: nowNs,
  changeCount: inode.changeCount + 1,
})

const isFreeOfOverlaps = (extents: readonly Extent[]): boolean =>
  extents.every((extent, index) => index === 0 || fileEnd(extents[index - 1]) <= extent.fileBlock)

/** Parts the removed extents into those of `chosen`, which are parts of them, and the rest. */
function parted(removed: readonly Extent[], chosen: readonly Extent[]): { sequestered: Extent[]; freed: Extent[] } {
  if (chosen.length === 0) return { sequestered: [], freed: [...removed] }
  const ranges = joinedRanges(chosen.map((extent) => ({ start: extent.fileBlock, end: fileEnd(extent) }) as never))
  const { inside, outside } = split(removed, ranges)
  const same = joinedExtents(inside)
  const asked = joinedExtents(chosen)
  const isSame = same.length === asked.length && asked.every((extent, index) => isEqual(extent, same[index]))
  assert(isSame, 'only extents that leave the file can be sequestered')
  return { sequestered: inside, freed: outside }
}

const isEqual = (a: Extent, b: Extent): boolean =>
  a.fileBlock === b.fileBlock && a.deviceBlock === b.deviceBlock && a.count === b.count
