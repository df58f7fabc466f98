/**
 * Open inodes: which files this participant has open, and what follows from the last close.
 *
 * Concurrency (unlink while open, across processes). The opener publishes its "open" record, then looks whether the
 * inode is linked: by its change mark, which is even and the one under which it was seen linked. The unlinker makes the
 * mark odd, then looks at all "open" records, inside its transaction (layout/break-last-name.ts). One of the two sees the
 * other: either the opener looks again, or the unlinker makes the file an orphan, whose content is the last closer's.
 * The last closer takes its record back, then looks at the mark in the same way; the unlinker that left an orphan looks
 * at the records once more after its commit. Of those two, too, at least one sees the other; when both see, the deletion
 * is one transaction that happens once. Who dies with a file open leaves the orphan to whoever reaps it.
 *
 * A mark that stays odd (its writer died, or is in the middle) says nothing: then the look is made in a transaction.
 */
import assert from 'node:assert/strict'
import { breakLayout } from '../layout/break-layout.ts'
import { UNKNOWN } from '../layout/change-marks.ts'
import { bucketOf, RecordKind } from '../layout/format.ts'
import type { Claim } from '../layout/own-slot.ts'
import type { Limits } from '../layout/waiting.ts'
import { patienceOf } from '../layout/waiting.ts'
import { codeOf } from '../errors.ts'
import type { Inode } from '../metadata/metadata.ts'
import type { InodeNumber, Run } from '../units.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { FileSystem } from './file-system.ts'
import { DEFAULT_TIMEOUT_MS } from './file-system.ts'
import { OpenInode } from './open-inode.ts'
import { nowNs, storeTimes, trimPreallocation } from './growth.ts'

/** Closed inodes kept for the next open: their layout need not be read again. With more, all are dropped. */
const MOST_IDLE = 1024

export class OpenInodes {
  /** With handles, or closed lately. */
  readonly #byNumber = new Map<InodeNumber, OpenInode>()
  /** Written to in place since their times were last stored. */
  readonly #changed = new Set<OpenInode>()
  /** How many have no record, so are not open. */
  #idle = 0

  /**
   * Opens one more handle; at once when what is known of the inode is so now. undefined: it lost its last name before we could
   * claim it. `limits` of the look otherwise.
   */
  open(fs: FileSystem, ino: InodeNumber, limits?: () => Limits): OpenInode | Promise<OpenInode | undefined> {
    let open = this.#byNumber.get(ino)
    if (open === undefined) {
      open = new OpenInode(ino, fs.device, this.#changed)
      this.#byNumber.set(ino, open)
      this.#idle++
    }
    if (open.openRecord < 0) {
      open.openRecord = publishOpen(fs, ino)
      this.#idle--
    }
    open.handles++
    if (!open.isCurrent(fs) || open.inode.nlink === 0) return this.#afterLook(fs, open, limits?.())
    open.isHeld = true
    return open
  }

  /** One more handle of what this participant has open, whether it has a name still or not. undefined: it has not. */
  openAgain(ino: InodeNumber): OpenInode | undefined {
    const open = this.#byNumber.get(ino)
    if (open?.isHeld !== true) return undefined
    open.handles++
    return open
  }

  async #afterLook(fs: FileSystem, open: OpenInode, limits: Limits | undefined): Promise<OpenInode | undefined> {
    try {
      if ((await lookAgain(fs, open, limits)) && open.inode.nlink > 0) {
        open.isHeld = true
        return open
      }
    } catch (error) {
      await this.close(fs, open)
      throw error
    }
    await this.close(fs, open)
    return undefined
  }

  /** Makes an inode, by `create`, and opens it: nobody can take it for an orphan in between. */
  async openNew(fs: FileSystem, create: (claim: (ino: InodeNumber) => void) => Promise<Inode>): Promise<OpenInode> {
    const claim = new NewClaim(fs)
    try {
      return this.#opened(fs, claim, await create(claim.take))
    } catch (error) {
      claim.drop()
      throw error
    }
  }

  /** The same at once; undefined: `create` says that it can't be. */
  openNewNow(fs: FileSystem, create: (claim: (ino: InodeNumber) => void) => Inode | undefined): OpenInode | undefined {
    const claim = new NewClaim(fs)
    try {
      const inode = create(claim.take)
      if (inode !== undefined) return this.#opened(fs, claim, inode)
    } catch (error) {
      claim.drop()
      throw error
    }
    claim.drop()
    return undefined
  }

  #opened(fs: FileSystem, claim: NewClaim, inode: Inode): OpenInode {
    assert(claim.record >= 0, 'the metadata made an inode without having it claimed')
    const open = new OpenInode(inode.ino, fs.device, this.#changed)
    open.openRecord = claim.record
    open.isHeld = true
    open.handles = 1
    open.adopt({ inode, extents: [] }, claim.generation, claim.mark)
    this.#byNumber.set(inode.ino, open)
    return open
  }

  /** Whether this participant has it open. */
  isOpen(ino: InodeNumber): boolean {
    const open = this.#byNumber.get(ino)
    return open !== undefined && open.openRecord >= 0
  }

  /** What is open of an inode, or was lately. */
  get(ino: InodeNumber): OpenInode | undefined {
    return this.#byNumber.get(ino)
  }

  /** Those with blocks that were allocated ahead. */
  get withPreallocation(): OpenInode[] {
    return [...this.#byNumber.values()].filter((open) => open.preallocated.length > 0)
  }

  /** What was written to in place since its times were last stored. */
  get changed(): ReadonlySet<OpenInode> {
    return this.#changed
  }

  /** The same, of one inode. */
  withNewContent(ino: InodeNumber): OpenInode | undefined {
    if (this.#changed.size === 0) return undefined
    const open = this.get(ino)
    return open?.hasNewContent === true ? open : undefined
  }

  /**
   * Closes one handle. At the last: times are stored, preallocation trimmed, an orphan's content goes when nobody else has
   * it open. undefined: it is done.
   */
  close(fs: FileSystem, open: OpenInode): Promise<void> | undefined {
    open.handles--
    if (open.handles > 0) return undefined
    return open.hasNewContent || open.preallocated.length > 0 ? this.#endAfterStore(fs, open) : this.#end(fs, open)
  }

  async #endAfterStore(fs: FileSystem, open: OpenInode): Promise<void> {
    try {
      await storeTimes(fs, open)
      if (open.handles === 0 && open.preallocated.length > 0) await trimPreallocation(fs, open)
    } finally {
      await this.#end(fs, open)
    }
  }

  /** Unless somebody has opened it again meanwhile, or even closed it: then it is done. */
  #end(fs: FileSystem, open: OpenInode): Promise<void> | undefined {
    if (open.handles > 0 || open.openRecord < 0) return undefined
    fs.table.own.release(open.openRecord)
    open.openRecord = -1
    open.isHeld = false
    if (open.isCurrent(fs) && open.inode.nlink > 0) {
      this.#keep(open)
      return undefined
    }
    this.#byNumber.delete(open.ino)
    const isNamed = (fs.known.inode(open.ino)?.nlink ?? 0) > 0
    return fs.isReadOnly || isNamed ? undefined : removeIfOrphan(fs, open.ino)
  }

  /** This participant has removed an inode: nobody opens it again, so it need not be kept for that. */
  gone(ino: InodeNumber): void {
    const open = this.#byNumber.get(ino)
    if (open === undefined || open.openRecord >= 0) return
    this.#byNumber.delete(ino)
    open.hasNewContent = false
    this.#idle--
  }

  #keep(open: OpenInode): void {
    open.dropPlaces()
    if (++this.#idle <= MOST_IDLE) return
    for (const idle of this.#byNumber.values()) {
      if (idle.openRecord >= 0) continue
      this.#byNumber.delete(idle.ino)
      // Written through a pin after the last close: that time is lost.
      idle.hasNewContent = false
    }
    this.#idle = 0
  }
}

/** The inode as it is after our "open" record was published. False: it is gone. */
async function lookAgain(fs: FileSystem, open: OpenInode, limits: Limits | undefined): Promise<boolean> {
  if (!(await open.refresh(fs))) return false
  // Who only reads keeps no file: there is nothing that anybody would have to see.
  if (open.isCurrent(fs) || fs.isReadOnly) return true
  // Under the store's write lock: who changed it before us has committed, who does it after us finds our record.
  const generation = fs.table.generation(open.bucket)
  let mark = UNKNOWN
  const look = (): undefined => {
    mark = fs.marks.expected(open.ino)
  }
  const patience = limits === undefined ? undefined : patienceOf(fs.table, limits)
  try {
    open.adopt(await fs.metadata.extend(open.ino, nowNs(fs), look, patience), generation, mark)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** The "open" record of an inode that is being made. */
class NewClaim {
  /** Below 0: there is none. */
  record = -1
  generation = 0
  mark = UNKNOWN
  readonly #fs: FileSystem

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  readonly take = (ino: InodeNumber): void => {
    const fs = this.#fs
    // A transaction that is tried again.
    this.drop()
    this.generation = fs.table.generation(bucketOf(ino))
    this.record = publishOpen(fs, ino)
    this.mark = fs.marks.committing(ino)
  }

  drop(): void {
    if (this.record >= 0) this.#fs.table.own.release(this.record)
    this.record = -1
  }
}

/** Filled anew for each record. */
const claim: Claim = { kind: RecordKind.open, flags: 0, ino: 0, offset: 0, length: 0, edges: 0 }
const NO_RUNS: readonly Run[] = []

function publishOpen(fs: FileSystem, ino: InodeNumber): number {
  claim.ino = ino
  const record = fs.table.own.publish(claim, NO_RUNS)
  fs.table.own.grant(record)
  return record
}

/**
 * The last layout change of a file: its content goes when it has no name and nobody has it open. Always as `sequester`:
 * a close must neither fail nor wait, and what is pinned stays in lost+found until its I/O ends.
 */
export async function removeIfOrphan(fs: FileSystem, ino: InodeNumber): Promise<void> {
  const inode = await fs.metadata.inode(ino)
  if (inode === undefined || inode.nlink > 0 || fs.table.isOpenAnywhere(ino)) return
  const result = await breakLayout(fs, {
    ino,
    start: 0,
    end: MAX_FILE_SIZE,
    deleteInode: true,
    onlyIfOrphan: true,
    busy: 'sequester',
    limits: { deadlineMs: fs.table.clock.steadyMs() + DEFAULT_TIMEOUT_MS },
    syscall: 'close',
  })
  if (result?.committed === true) fs.freed()
}

/** Orphans whose last holder died: their content goes. Called when somebody was reaped. */
export async function removeOrphans(fs: FileSystem): Promise<void> {
  for (const ino of await fs.metadata.orphans()) await removeIfOrphan(fs, ino)
}
