/**
 * The end of a name: what becomes of its inode. Called inside of a transaction, in two steps, since nothing may be
 * written before the decision: `fateOf` asks, `lose` does what was said after the entry went.
 */
import type { Extent } from '../units.ts'
import type { ExtentTable } from './extents.ts'
import type { InodeTable } from './inodes.ts'
import type { LayoutChanges } from './layout-change.ts'
import { LOST_AND_FOUND_INODE } from './metadata.ts'
import type { DecideLastName, Inode, NameLoss } from './metadata.ts'
import type { TransactionMarks } from './transaction-marks.ts'

/** 'stays': it has other names, or is an orphan now. Else it goes with its extents, some of them to lost+found. */
export type Fate = 'stays' | { readonly extents: readonly Extent[]; readonly sequester: readonly Extent[] }

export class NameLosses {
  readonly #inodes: InodeTable
  readonly #extents: ExtentTable
  readonly #changes: LayoutChanges
  readonly #marks: TransactionMarks

  constructor(inodes: InodeTable, extents: ExtentTable, changes: LayoutChanges, marks: TransactionMarks) {
    this.#inodes = inodes
    this.#extents = extents
    this.#changes = changes
    this.#marks = marks
  }

  /**
   * What becomes of `inode`, no directory, when it loses a name; undefined: nothing is to change. The caller marked the
   * directories.
   */
  fateOf(inode: Inode, decide: DecideLastName): Fate | undefined {
    if (inode.nlink > 1) return 'stays'
    if (inode.kind !== 'file') return { extents: [], sequester: [] }
    const extents = inode.blocks === 0 ? [] : this.#extents.of(inode.ino)
    this.#marks.begin(inode.ino)
    if (extents.length > 0) this.#marks.begin(LOST_AND_FOUND_INODE)
    const decision = decide(extents, inode)
    if (decision === 'orphan') return 'stays'
    return decision.commit ? { extents, sequester: decision.sequester } : undefined
  }

  /** `name`, one of `inode`, is taken away already. */
  lose(inode: Inode, name: string, fate: Fate, nowNs: bigint): NameLoss {
    if (fate === 'stays') {
      return { committed: true, inode: this.#inodes.loseName(inode, name, nowNs), isGone: false, lostAndFound: [] }
    }
    const layout = { inode, extents: fate.extents }
    const lostAndFound = this.#changes.delete(layout, fate.sequester, { nowNs, isLost: false, lostName: name })
    return { committed: true, inode: withoutName(inode, nowNs), isGone: true, lostAndFound }
  }
}

/** An inode that is gone, as it was last. */
export const withoutName = (inode: Inode, nowNs: bigint): Inode => ({
  ...inode,
  nlink: 0,
  ctimeNs: nowNs,
  changeCount: inode.changeCount + 1,
})

export const nothingLost: NameLoss = { committed: true, inode: undefined, isGone: false, lostAndFound: [] }

/** The decision was that nothing happens. */
export const refusedLoss = (inode: Inode): NameLoss => ({ committed: false, inode, isGone: false, lostAndFound: [] })
