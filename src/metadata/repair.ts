/**
 * Repairs of meta.db, for fsck: what can be derived is derived anew from what cannot, and nothing that a file holds is
 * thrown away. Each part of this folder's repair-*.ts looks for what it mends itself, so that the order here, and not that of
 * the findings, decides; on a sound store none of them changes anything.
 *
 * Caller has a connection of its own with foreign keys off, in a write transaction, and nobody else has the pool open. It
 * looks at the store once more before it commits: what is not sound then is rolled back, so that a repair makes nothing worse.
 */
import type { DatabaseSync } from 'node:sqlite'
import { repairAttributes, repairCounts } from './repair-counts.ts'
import { repairInodes } from './repair-inodes.ts'
import { repairNames } from './repair-names.ts'
import { repairSpace } from './repair-space.ts'
import { repairTree } from './repair-tree.ts'

/** Blocks that two files had: `to` is free and becomes one's own, with the bytes of `from`. */
export interface BlockCopy {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** More than this is counted and not told one by one. */
const MAX_ACTIONS = 1000

/** One repair of a store: what it did, and what it takes. */
export class Repair {
  readonly db: DatabaseSync
  readonly nowNs: bigint
  /** Blocks that the device has, as its file tells. */
  readonly deviceBlocks: number
  readonly actions: string[] = []
  /** For the caller to do on the device before it commits. */
  readonly copies: BlockCopy[] = []
  #untold = 0

  constructor(db: DatabaseSync, deviceBlocks: number) {
    this.db = db
    this.deviceBlocks = deviceBlocks
    this.nowNs = BigInt(Date.now()) * 1_000_000n
  }

  note(action: string): void {
    if (this.actions.length < MAX_ACTIONS) this.actions.push(action)
    else this.#untold++
  }

  /** As many actions as are worth reading. */
  get told(): readonly string[] {
    return this.#untold === 0 ? this.actions : [...this.actions, `and ${this.#untold} more`]
  }

  /** Notes each row's `message`, then runs the change, when there were any. */
  each(select: string, change: string): void {
    let count = 0
    for (const row of this.db.prepare(select).iterate()) {
      this.note(String(row['message']))
      count++
    }
    if (count > 0) this.db.exec(change)
  }

  /** A number that no inode has or had. */
  nextInode(): number {
    const row = this.db
      .prepare('SELECT max((SELECT last_inode FROM space), (SELECT max(ino) FROM inodes)) + 1 AS ino')
      .get()
    const ino = Number(row?.['ino'])
    this.db.prepare('UPDATE space SET last_inode = ?').run(ino)
    return ino
  }
}

/** Mends what it can. */
export function repair(work: Repair): void {
  repairInodes(work)
  repairNames(work)
  repairTree(work)
  repairSpace(work)
  repairAttributes(work)
  repairCounts(work)
}
