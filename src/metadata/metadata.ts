/**
 * Metadata: what the pool knows about files, directories and space, as domain operations.
 *
 * Each method is ONE whole transaction: it happens or it does not (promise 5), for every process and after every
 * crash, and no transaction lives across an await of the caller. Signatures are asynchronous so that a store on
 * another host can stand in; the embedded one is synchronous inside. Callbacks (`prepare`, `apply`, `decide`) run
 * synchronously inside the transaction, must not wait, and may run again when the transaction is retried; when one
 * throws, the transaction is rolled back and the error passed on.
 *
 * A committed transaction is seen by everybody at once; it is durable after the next `sync()`.
 *
 * Invariants (a block is exactly one of these at any time; `fsck` checks them):
 *   1. free: in `free`, zero on the host, fit for a file at once;
 *   2. mapped: in the extents of exactly one inode, at one place (inodes of /lost+found included);
 *   3. busy: freed by its file, or reserved by somebody, not fit for reuse until `release`d.
 */
import type { BlockCount, DeviceBlock, Extent, FileBlock, FileRange, InodeNumber, Run } from '../units.ts'
import type { Alone, LateCommits } from './late-commits.ts'
import type { Along, CreateRequest, LinkRequest, RenameRequest, UnlinkRequest } from './name-requests.ts'
import type { BusyPolicy, DaxMode } from './policies.ts'
import type { BusyExtent, BusyPage, Space, Tenancy } from './space-views.ts'
import type { Tree } from './tree.ts'

export type { ChangeMarks } from './change-marks.ts'
export type { Alone, LateCommits } from './late-commits.ts'
export * from './limits.ts'
export type * from './name-requests.ts'
export * from './policies.ts'
export type { BusyExtent, BusyPage, Space, Tenancy } from './space-views.ts'

export interface PoolProperties {
  readonly uuid: string
  readonly formatVersion: number
  readonly blockCount: BlockCount
  readonly busy: BusyPolicy
  readonly dax: DaxMode
  readonly leaseBreakTimeMs: number
  /** Free blocks that ordinary allocation leaves alone, so that freeing never fails for lack of space (promise 7). */
  readonly reserveBlocks: BlockCount
}

export type InodeKind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block'

export interface Inode {
  readonly ino: InodeNumber
  readonly kind: InodeKind
  /** Permission bits, 0 to 0o7777; the kind is not in it. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** 0: an orphan, unlinked or never named while somebody has it open; its content lives until the last close. Directories: 2 + subdirectories. */
  readonly nlink: number
  /** Bytes; of a symlink: of its target. */
  readonly size: number
  /** Mapped blocks. */
  readonly blocks: number
  /** Nanoseconds since 1970. */
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint
  /** Goes up with every change of content (as far as the store is told) or attributes. */
  readonly changeCount: number
  /** Policies of this file; undefined: the pool's. Of a directory: what is made in it inherits them. */
  readonly busy: BusyPolicy | undefined
  readonly dax: DaxMode | undefined
  /** Where a symlink points; undefined: it is none. */
  readonly target: string | undefined
  /** Device number of kinds 'character' and 'block', else 0. */
  readonly rdev: number
}

/** An inode and all its extents, ascending by `fileBlock`, not overlapping, merged where they touch in file and device. */
export interface Layout {
  readonly inode: Inode
  readonly extents: readonly Extent[]
}

export interface DirectoryEntry {
  readonly name: string
  readonly ino: InodeNumber
  readonly kind: InodeKind
}

/** How long an operation may wait for other writers; defaults: the store's `busyTimeoutMs`, no signal. */
export interface Patience {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** What the wait is part of: waits of one operation have the same object here, and are told of as one. */
  readonly operation?: object | undefined
}

/**
 * What becomes of a file whose last name goes, decided in the transaction that takes it: 'orphan' (somebody has it open,
 * its content stays), else as for any layout change that takes all blocks out. Not asked for other kinds: they just go.
 */
export type LastNameDecision = 'orphan' | LayoutDecision

export type DecideLastName = (extents: readonly Extent[], inode: Inode) => LastNameDecision

export interface NameLoss {
  /** False: the decision was to roll back; nothing has changed. */
  readonly committed: boolean
  /** The inode that lost a name, after it; undefined: a rename that replaced nothing. */
  readonly inode: Inode | undefined
  /** It went with its last name. */
  readonly isGone: boolean
  readonly lostAndFound: readonly DirectoryEntry[]
}

export interface AttributeChange {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly atimeNs?: bigint
  readonly mtimeNs?: bigint
  /** null: back to the pool's policy. */
  readonly busy?: BusyPolicy | null
  readonly dax?: DaxMode | null
  /**
   * What no directory has after a change of its owner or content: setuid, setgid where its group may execute it, and the
   * attribute 'security.capability' go. Default false.
   */
  readonly dropsPrivileges?: boolean
  /** Asked of the inode before the change. */
  readonly along?: Along | undefined
  readonly nowNs: bigint
}

export interface AllocateRequest {
  readonly ino: InodeNumber
  /** Holes in this range get blocks; what is mapped stays. */
  readonly range: FileRange
  /**
   * Blocks to add behind `range` when they are free right behind its last new block and nothing of the file is mapped
   * there (append preallocation): at most an eighth of what ordinary allocation could still take. Default 0.
   */
  readonly preallocate?: number
  /** In the same transaction: the file has at least this size (bytes) afterwards. `prepare` zeroed what was mapped past EOF. */
  readonly growTo?: { readonly size: number; readonly nowNs: bigint }
}

/** A change that takes blocks out of a file or moves them in it; all of it is committed at once. Order: remove, shift, insert, fill. */
export interface LayoutChange {
  readonly ino: InodeNumber
  /** File blocks that leave the file. `end` may lie beyond the last block. */
  readonly remove: readonly FileRange[]
  /**
   * After the removal these blocks, reserved by `reserve`, take these places (edge copies); the places are in `remove`.
   */
  readonly insert?: readonly { readonly fileBlock: FileBlock; readonly deviceBlock: DeviceBlock }[]
  /** What is mapped from block `from` on moves by `by` blocks; below 0: over blocks that are in `remove`, or holes. */
  readonly shift?: { readonly from: FileBlock; readonly by: number } | undefined
  /** Holes of `range` then get free blocks; `prepare` as of `allocate`. ENOSPC: nothing has changed. */
  readonly fill?: { readonly range: FileRange; readonly prepare: (runs: readonly Run[]) => void } | undefined
  /** New size in bytes; undefined: as it is. */
  readonly size?: number
  /** Remove the inode itself (a file with nlink 0, or any file of /lost+found, its name included); `remove` is then everything. */
  readonly deleteInode?: boolean
  /** Do nothing unless nlink is 0 (the last close). */
  readonly onlyIfOrphan?: boolean
  /** Content stays what it was: mtime and ctime stay, too. */
  readonly keepsTimes?: boolean
  readonly nowNs: bigint
}

/** What the door decided about the extents that leave. */
export type LayoutDecision =
  /** Roll back: nothing changes. */
  | { readonly commit: false }
  /** Commit; `sequester` (parts of the removed extents, ascending) move to lost+found, the rest become busy extents. */
  | { readonly commit: true; readonly sequester: readonly Extent[] }

export interface LayoutChangeResult {
  readonly committed: boolean
  /** After the change; undefined when the inode is gone (or was never there). */
  readonly layout: Layout | undefined
  /** Files made in lost+found, one for each run of the sequestered file range. */
  readonly lostAndFound: readonly DirectoryEntry[]
}

/** A file of /lost+found with where it comes from. Sizes and offsets in bytes. */
export interface LostAndFoundEntry {
  readonly name: string
  readonly ino: InodeNumber
  /** The file the blocks were taken from; it may be gone. */
  readonly originInode: InodeNumber
  /** The name it had in its directory at that time, '' when unknown. */
  readonly originName: string
  readonly offset: number
  readonly length: number
  readonly sinceMs: number
  readonly extents: readonly Extent[]
}

/** How `setXattr` treats a name: as setxattr(2). */
export type XattrMode = 'set' | 'create' | 'replace'

/** A finding of the invariants' check. */
export interface Finding {
  readonly code: string
  readonly message: string
}

export const ROOT_INODE = 1 as InodeNumber
export const LOST_AND_FOUND_INODE = 2 as InodeNumber

export interface Metadata {
  readonly properties: PoolProperties

  // ---- names ----
  inode(ino: InodeNumber): Promise<Inode | undefined>
  lookup(parent: InodeNumber, name: string): Promise<Inode | undefined>
  /** Entries of a directory in byte order of their names, after `after`. Default limit 1000. */
  entries(directory: InodeNumber, options?: { after?: string; limit?: number }): Promise<DirectoryEntry[]>
  /** A name of the inode, and the directory that it is in; undefined for an orphan, and for the root. */
  nameOf(ino: InodeNumber): Promise<{ parent: InodeNumber; name: string } | undefined>
  /** One path of the inode, '/'-rooted; undefined for an orphan. */
  pathOf(ino: InodeNumber): Promise<string | undefined>
  /** All directories and names as at one instant. Price: 1 µs a name, in one piece; 200 bytes of memory. */
  tree(): Promise<Tree>
  /**
   * EEXIST, ENOENT (parent gone), ENOTDIR, EPERM (inside /lost+found), ENAMETOOLONG. `claim` gets the number of the new
   * inode inside the transaction, before anybody else can see it.
   */
  create(request: CreateRequest, claim?: (ino: InodeNumber) => void, patience?: Patience): Promise<Inode>
  /** The same at once, where changes are committed late; undefined: that can't be, or is an error. Ask `create`. */
  createNow?(request: CreateRequest, claim?: (ino: InodeNumber) => void): Inode | undefined
  /** One more name. ENOENT (inode gone, or an orphan that had a name), EEXIST, EPERM (a directory, /lost+found), ENOTDIR. */
  link(request: LinkRequest, patience?: Patience): Promise<Inode>
  /**
   * Takes a name away that is no directory's. Of a file that loses its last one `decide` says what becomes of it.
   * ENOENT, EISDIR, EPERM (in /lost+found).
   */
  unlink(request: UnlinkRequest, decide: DecideLastName, patience?: Patience): Promise<NameLoss>
  /**
   * Takes the name of a file away that was made so lately that nobody else can know it (`commitLate`), and nobody has open, by
   * `isOpen`: both are as if they had never been. Returns the inode as it was last; undefined: ask `unlink`.
   */
  unlinkNow?(request: UnlinkRequest, isOpen: (ino: InodeNumber) => boolean): Inode | undefined
  /** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, lost+found). */
  removeDirectory(request: UnlinkRequest, patience?: Patience): Promise<Inode>
  /**
   * POSIX rename. The result is about the inode it replaced; `decide` as for `unlink`. Same inode on both: no change.
   * 'noReplace': EEXIST. 'exchange': both must be there, of any kinds. ENOENT, EINVAL (into its own child), EISDIR,
   * ENOTDIR, ENOTEMPTY, EBUSY (root, lost+found), EPERM (into or out of lost+found).
   */
  rename(request: RenameRequest, decide: DecideLastName, patience?: Patience): Promise<NameLoss>
  /** ENOENT. */
  setAttributes(ino: InodeNumber, change: AttributeChange, patience?: Patience): Promise<Inode>

  /** Names of the extended attributes, in byte order. ENOENT (the inode). */
  xattrs(ino: InodeNumber): Promise<string[]>
  /** undefined: there is none. */
  xattr(ino: InodeNumber, name: string): Promise<Uint8Array | undefined>
  /** ENODATA ('replace', not there), EEXIST ('create'), ERANGE (name), E2BIG (value), ENOSPC (all names together), ENOENT. */
  setXattr(
    ino: InodeNumber,
    name: string,
    value: Uint8Array,
    options: { readonly mode: XattrMode; readonly nowNs: bigint },
    patience?: Patience,
  ): Promise<void>
  /** ENODATA, ENOENT. */
  removeXattr(ino: InodeNumber, name: string, nowNs: bigint, patience?: Patience): Promise<void>

  // ---- layout ----
  layout(ino: InodeNumber): Promise<Layout | undefined>
  /** The same at once; absent in a store that cannot answer synchronously. */
  layoutNow?(ino: InodeNumber): Layout | undefined
  /**
   * Maps free blocks into the holes of a range, each hole by as few and as contiguous extents as there are, near the
   * file's block before. `prepare` gets the new runs, and the layout without them, before the commit (the host's space is taken there). All or
   * nothing: ENOSPC when free blocks less the reserve do not do. ENOENT: no such inode.
   */
  allocate(
    request: AllocateRequest,
    prepare: (runs: readonly Run[], before: Layout) => void,
    patience?: Patience,
  ): Promise<Layout>
  /**
   * Grows a file under the store's write lock. `apply` gets the layout as it is at that instant, may fill bytes beyond
   * the present size (nobody else can grow it meanwhile) and returns the new size, or undefined to leave everything.
   * A size below the present one leaves the size. `nowNs` becomes mtime and ctime. ENOENT: no such inode.
   */
  extend(
    ino: InodeNumber,
    nowNs: bigint,
    apply: (layout: Layout) => number | undefined,
    patience?: Patience,
  ): Promise<Layout>
  /**
   * The commit of the one door for layout changes. `decide` gets the extents that would leave, cut to `remove`, ascending,
   * the inode, and the extents that `shift` would move, as all are in this transaction.
   */
  changeLayout(
    change: LayoutChange,
    decide: (removed: readonly Extent[], inode: Inode, moved: readonly Extent[]) => LayoutDecision,
    patience?: Patience,
  ): Promise<LayoutChangeResult>

  // ---- space ----
  space(): Promise<Space>
  /** Takes single free blocks, the reserve included, out as busy extents of one block each. ENOSPC. */
  reserve(count: number, prepare: (runs: readonly Run[]) => void, patience?: Patience): Promise<BusyExtent[]>
  /** Busy extents, oldest first. */
  busyExtents(page?: BusyPage): Promise<BusyExtent[]>
  /** The same, for who is about to discard them: EUCLEAN when one of them shares a block with a file, or with anything else. */
  busyExtentsToFree(page: BusyPage): Promise<BusyExtent[]>
  /** Makes busy extents, discarded and flushed by the caller, free; ids that are gone are passed over. EUCLEAN: as before. */
  release(ids: readonly number[], patience?: Patience): Promise<void>
  /** Runs of free space, ascending (recovery discards them after a power failure). */
  freeRuns(): Promise<Run[]>
  /** All mapped extents merged by device block, ascending (recovery makes sure that the host has them). */
  mappedRuns(): Promise<Run[]>
  /**
   * What blocks [start, end) of the device are used for: ascending, each block in exactly one, the first and the last cut
   * to the range. After `limit` (default 4096) it stops; the next call starts where that one ends. Blocks behind the device
   * are none's. Price: a look into an index for each.
   */
  tenancies(range: { start: number; end: number; limit?: number }): Promise<Tenancy[]>
  /** Inodes with nlink 0. */
  orphans(): Promise<InodeNumber[]>
  lostAndFound(): Promise<LostAndFoundEntry[]>
  /** Adopts a larger device: the new blocks are free. */
  grow(blockCount: BlockCount, patience?: Patience): Promise<void>

  // ---- durability ----
  /**
   * From now on changes of names and attributes may be committed late, while `alone` says that nobody could notice. The caller commits
   * them when they are due and before it waits; what needs it here does so itself. Death takes them back. Absent in a store that cannot.
   */
  commitLate?(alone: Alone): LateCommits
  /** Everything committed before the call is durable when it resolves. */
  sync(): Promise<void>
  /** True when a checkpoint would be worth its price. */
  readonly wantsCheckpoint: boolean
  /** Moves the log into the main file as far as readers allow. The caller flushed the device first. */
  checkpoint(): Promise<void>
  /** Checks the invariants of the whole store, SQLite's own integrity included. Empty: sound. */
  check(): Promise<Finding[]>
  close(): Promise<void>
}
