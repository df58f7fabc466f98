/**
 * Changes of layouts, each the body of one transaction: blocks enter a file (`allocate`), leave it (`change`), or come
 * into use (`extend`).
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
import {
  appendExtent,
  blocksIn,
  byFileBlock,
  deviceEnd,
  deviceRun,
  fileEnd,
  firstEndingAfter,
  holes,
  joinedExtents,
  joinedRanges,
  joinedRuns,
  makeExtent,
  split,
} from './extent-arithmetic.ts'
import type { ExtentTable } from './extents.ts'
import type { InodeTable } from './inodes.ts'
import type { LostAndFound } from './lost-and-found.ts'
import type { AllocateRequest, Inode, Layout, LayoutChange, LayoutChangeResult, LayoutDecision } from './metadata.ts'
import type { SpaceTable } from './space.ts'

export class LayoutChanges {
  readonly #inodes: InodeTable
  readonly #extents: ExtentTable
  readonly #space: SpaceTable
  readonly #lostAndFound: LostAndFound
  readonly #reserveBlocks: number

  constructor(
    inodes: InodeTable,
    extents: ExtentTable,
    space: SpaceTable,
    lostAndFound: LostAndFound,
    reserveBlocks: number,
  ) {
    this.#inodes = inodes
    this.#extents = extents
    this.#space = space
    this.#lostAndFound = lostAndFound
    this.#reserveBlocks = reserveBlocks
  }

  allocate(request: AllocateRequest, prepare: (runs: readonly Run[], before: Layout) => void): Layout {
    const { ino, range, preallocate = 0, growTo } = request
    const layout = this.#layoutOf(ino, 'allocate')
    const wanted = holes(layout.extents, range)
    const grows = growTo !== undefined && growTo.size > layout.inode.size
    if (wanted.length === 0 && !grows) return layout
    const need = wanted.reduce((sum, { start, end }) => sum + end - start, 0)
    const space = this.#space.space()
    const available = space.free - this.#reserveBlocks
    if (need > available) throw noSpace('allocate', need, Math.max(available, 0))
    // Blocks of /lost+found are counted twice; there are hardly ever any, so the table need not be asked.
    const isLost = space.sequestered > 0 && this.#lostAndFound.has(ino)
    const ahead = Math.min(preallocate, available - need)
    const added: Extent[] = []
    for (const hole of wanted) {
      const isLast = hole === wanted.at(-1)
      const before = layout.extents[firstEndingAfter(layout.extents, hole.start) - 1]
      let goal = before === undefined ? undefined : deviceEnd(before)
      for (let at: number = hole.start; at < hole.end;) {
        const left = hole.end - at
        const run = this.#space.take(left, goal, isLast ? left + ahead : left)
        appendExtent(added, makeExtent(at, run.start, run.count))
        at += run.count
        goal = run.start + run.count
      }
    }
    if (ahead > 0) this.#takeAhead(layout, added, ahead)
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
    const size = apply(layout)
    if (size === undefined) return layout
    const inode = grown(layout.inode, { size, nowNs })
    this.#inodes.setContent(inode)
    return { inode, extents: layout.extents }
  }

  change(
    change: LayoutChange,
    decide: (removed: readonly Extent[], inode: Inode) => LayoutDecision,
  ): LayoutChangeResult {
    const { ino, nowNs, insert = [] } = change
    const layout = this.#extents.layout(ino)
    if (layout === undefined) return { committed: false, layout, lostAndFound: [] }
    const { inode } = layout
    if (change.onlyIfOrphan === true && inode.nlink > 0) return { committed: false, layout, lostAndFound: [] }
    const deletes = change.deleteInode === true
    const isLost = this.#lostAndFound.has(ino)
    assert(
      !deletes || isLost || (inode.kind === 'file' && inode.nlink === 0),
      'only an orphan or a file of lost+found can be deleted',
    )
    assert(!deletes || insert.length === 0, 'nothing can be put into a deleted file')

    const ranges = deletes ? [{ start: 0, end: Infinity } as never] : joinedRanges(change.remove)
    const { inside: removed, outside: kept } = split(layout.extents, ranges)
    const decision = decide(removed, inode)
    if (!decision.commit) return { committed: false, layout, lostAndFound: [] }
    const { sequestered, freed } = parted(removed, decision.sequester)

    const inserted = insert.map(({ fileBlock, deviceBlock }) => makeExtent(fileBlock, deviceBlock, 1))
    assert(
      split(inserted.toSorted(byFileBlock), ranges).outside.length === 0,
      'blocks can only be put where blocks were removed',
    )
    for (const { deviceBlock } of inserted) {
      assert(this.#space.takeBusyBlock(deviceBlock), `block ${deviceBlock} was not reserved`)
    }
    const extents = joinedExtents([...kept, ...inserted])
    this.#extents.replace(ino, layout.extents, extents)
    for (const run of joinedRuns(freed.map(deviceRun))) this.#space.addBusy(run)
    const lostAndFound = this.#lostAndFound.take(inode, sequestered, nowNs)

    const gone = blocksIn(removed)
    const busy = blocksIn(freed) - inserted.length
    this.#space.count({
      mapped: -busy,
      busy,
      sequestered: blocksIn(sequestered) - (isLost ? gone - inserted.length : 0),
      files: lostAndFound.length - (deletes ? 1 : 0),
    })
    if (deletes) {
      if (isLost) this.#lostAndFound.remove(ino, nowNs)
      this.#inodes.delete(ino)
      return { committed: true, layout: undefined, lostAndFound }
    }
    const after = {
      ...inode,
      size: Math.min(change.size ?? inode.size, inode.size),
      blocks: inode.blocks - gone + inserted.length,
      mtimeNs: nowNs,
      ctimeNs: nowNs,
      changeCount: inode.changeCount + 1,
    }
    this.#inodes.setContent(after)
    return { committed: true, layout: { inode: after, extents }, lostAndFound }
  }

  /** Takes up to `ahead` blocks right behind the last new one, when they are free and the file has nothing there. */
  #takeAhead({ extents }: Layout, added: Extent[], ahead: number): void {
    const last = added.at(-1)!
    const next = extents[firstEndingAfter(extents, fileEnd(last))]
    const room = next === undefined ? ahead : Math.min(ahead, next.fileBlock - fileEnd(last))
    if (room <= 0) return
    const run = this.#space.takeAt(deviceEnd(last), room)
    if (run !== undefined) appendExtent(added, makeExtent(fileEnd(last), run.start, run.count))
  }

  #layoutOf(ino: InodeNumber, syscall: string): Layout {
    const layout = this.#extents.layout(ino)
    if (layout?.inode.kind === 'file') return layout
    if (layout !== undefined) throw systemError('EISDIR', `inode ${ino} is a directory`, { syscall })
    throw systemError('ENOENT', `there is no inode ${ino}`, { syscall })
  }
}

const grown = (inode: Inode, { size, nowNs }: { readonly size: number; readonly nowNs: bigint }): Inode => ({
  ...inode,
  size: Math.max(size, inode.size),
  mtimeNs: nowNs,
  ctimeNs: nowNs,
  changeCount: inode.changeCount + 1,
})

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

export const noSpace = (syscall: string, need: number, available: number): Error =>
  systemError('ENOSPC', `${need} blocks are needed and ${available} are free`, { syscall })
