/**
 * The embedded store: `Metadata` on SQLite (node:sqlite). Creating and opening are in sqlite-metadata.ts; here each method
 * of the interface is put together from the tables, as the body of one transaction.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { BlockCount, Extent, InodeNumber, Run } from '../units.ts'
import { noSpace } from './allocation.ts'
import { changeAttributes } from './attribute-changes.ts'
import { findings } from './check.ts'
import { blocksIn, makeRun } from './extent-arithmetic.ts'
import type * as contract from './metadata.ts'
import type { SqliteConnection } from './sqlite-connection.ts'
import { Tables } from './tables.ts'
import type { Tree } from './tree.ts'
import { readTree } from './tree.ts'

export class SqliteStore implements contract.Metadata {
  readonly #connection: SqliteConnection
  #tables: Tables
  #properties: contract.PoolProperties

  /** The connection is opened and its format checked. */
  constructor(connection: SqliteConnection, properties: contract.PoolProperties) {
    this.#connection = connection
    this.#tables = new Tables(connection.db, connection.marks)
    this.#properties = properties
  }

  /** Goes on with another view of the same store; only of a store for reading. */
  protected look(db: DatabaseSync): void {
    this.#connection.replace(db)
    this.#tables = new Tables(db, this.#connection.marks)
  }

  /** One statement that reads. */
  protected read<T>(syscall: string, body: () => T): Promise<T> {
    return this.#connection.read(syscall, body)
  }

  /** Several that must see one state. */
  protected readConsistently<T>(syscall: string, body: () => T): Promise<T> {
    return this.#connection.readConsistently(syscall, body)
  }

  get properties(): contract.PoolProperties {
    return this.#properties
  }

  // ---- names ----

  inode(ino: InodeNumber): Promise<contract.Inode | undefined> {
    return this.read('stat', () => this.#tables.inodes.get(ino))
  }

  lookup(parent: InodeNumber, name: string): Promise<contract.Inode | undefined> {
    return this.read('lookup', () => this.#tables.names.lookup(parent, name))
  }

  entries(
    directory: InodeNumber,
    { after = '', limit = 1000 }: { after?: string; limit?: number } = {},
  ): Promise<contract.DirectoryEntry[]> {
    return this.read('scandir', () => this.#tables.names.entries(directory, after, limit))
  }

  nameOf(ino: InodeNumber): Promise<{ parent: InodeNumber; name: string } | undefined> {
    return this.read('lookup', () => this.#tables.names.nameOf(ino))
  }

  pathOf(ino: InodeNumber): Promise<string | undefined> {
    return this.read('lookup', () => this.#tables.names.pathOf(ino))
  }

  tree(): Promise<Tree> {
    return this.readConsistently('scandir', () => readTree(this.#connection.db))
  }

  create(
    request: contract.CreateRequest,
    claim?: (ino: InodeNumber) => void,
    patience?: contract.Patience,
  ): Promise<contract.Inode> {
    return this.#connection.writeLate('open', () => this.#tables.nameChanges.create(request, claim), patience, true)
  }

  createNow(request: contract.CreateRequest, claim?: (ino: InodeNumber) => void): contract.Inode | undefined {
    return this.#connection.changeNow('open', () => this.#tables.youngFiles.create(request, claim))
  }

  link(request: contract.LinkRequest, patience?: contract.Patience): Promise<contract.Inode> {
    return this.#connection.writeLate('link', () => this.#tables.nameChanges.link(request), patience)
  }

  unlink(
    request: contract.UnlinkRequest,
    decide: contract.DecideLastName,
    patience?: contract.Patience,
  ): Promise<contract.NameLoss> {
    return this.#connection.writeLate('unlink', () => this.#tables.nameChanges.unlink(request, decide), patience, true)
  }

  unlinkNow(request: contract.UnlinkRequest, isOpen: (ino: InodeNumber) => boolean): contract.Inode | undefined {
    return this.#connection.changeNow('unlink', () => this.#tables.youngFiles.remove(request, isOpen))
  }

  removeDirectory(request: contract.UnlinkRequest, patience?: contract.Patience): Promise<contract.Inode> {
    return this.#connection.writeLate('rmdir', () => this.#tables.nameChanges.removeDirectory(request), patience)
  }

  rename(
    request: contract.RenameRequest,
    decide: contract.DecideLastName,
    patience?: contract.Patience,
  ): Promise<contract.NameLoss> {
    return this.#connection.writeLate('rename', () => this.#tables.renames.rename(request, decide), patience)
  }

  setAttributes(
    ino: InodeNumber,
    change: contract.AttributeChange,
    patience?: contract.Patience,
  ): Promise<contract.Inode> {
    return this.#connection.writeLate('setattr', () => changeAttributes(this.#tables, ino, change), patience)
  }

  xattrs(ino: InodeNumber): Promise<string[]> {
    return this.read('listxattr', () => this.#tables.xattrs.names(ino))
  }

  xattr(ino: InodeNumber, name: string): Promise<Uint8Array | undefined> {
    return this.read('getxattr', () => this.#tables.xattrs.get(ino, name))
  }

  setXattr(
    ino: InodeNumber,
    name: string,
    value: Uint8Array,
    { mode, nowNs }: { readonly mode: contract.XattrMode; readonly nowNs: bigint },
    patience?: contract.Patience,
  ): Promise<void> {
    return this.#connection.writeLate(
      'setxattr',
      () => this.#tables.xattrs.set(ino, name, value, mode, nowNs),
      patience,
    )
  }

  removeXattr(ino: InodeNumber, name: string, nowNs: bigint, patience?: contract.Patience): Promise<void> {
    return this.#connection.writeLate('removexattr', () => this.#tables.xattrs.remove(ino, name, nowNs), patience)
  }

  // ---- layout ----

  layout(ino: InodeNumber): Promise<contract.Layout | undefined> {
    return this.read('layout', () => this.#tables.extents.layout(ino))
  }

  layoutNow(ino: InodeNumber): contract.Layout | undefined {
    return this.#connection.readNow('layout', () => this.#tables.extents.layout(ino))
  }

  allocate(
    request: contract.AllocateRequest,
    prepare: (runs: readonly Run[], before: contract.Layout) => void,
    patience?: contract.Patience,
  ): Promise<contract.Layout> {
    return this.#connection.write('allocate', () => this.#tables.layoutChanges.allocate(request, prepare), patience)
  }

  extend(
    ino: InodeNumber,
    nowNs: bigint,
    apply: (layout: contract.Layout) => number | undefined,
    patience?: contract.Patience,
  ): Promise<contract.Layout> {
    return this.#connection.write('write', () => this.#tables.layoutChanges.extend(ino, nowNs, apply), patience)
  }

  changeLayout(
    change: contract.LayoutChange,
    decide: (removed: readonly Extent[], inode: contract.Inode, moved: readonly Extent[]) => contract.LayoutDecision,
    patience?: contract.Patience,
  ): Promise<contract.LayoutChangeResult> {
    return this.#connection.write('truncate', () => this.#tables.layoutChanges.change(change, decide), patience)
  }

  // ---- space ----

  space(): Promise<contract.Space> {
    return this.read('statfs', () => this.#tables.space.space())
  }

  reserve(
    count: number,
    prepare: (runs: readonly Run[]) => void,
    patience?: contract.Patience,
  ): Promise<contract.BusyExtent[]> {
    const body = () => {
      const { free } = this.#tables.space.space()
      if (count > free) throw noSpace('reserve', count, free)
      const runs = this.#tables.space.takeScattered(count)
      prepare(runs)
      this.#tables.space.count({ free: -count, busy: count })
      return runs.flatMap(({ start, count: length }) =>
        Array.from({ length }, (_, index) => this.#tables.space.addBusy(makeRun(start + index, 1))),
      )
    }
    return this.#connection.write('reserve', body, patience)
  }

  busyExtents(page: contract.BusyPage = {}): Promise<contract.BusyExtent[]> {
    return this.read('busy', () => this.#tables.space.busyExtents(page))
  }

  busyExtentsToFree(page: contract.BusyPage): Promise<contract.BusyExtent[]> {
    return this.read('busy', () => this.#tables.space.busyExtentsToFree(page))
  }

  release(ids: readonly number[], patience?: contract.Patience): Promise<void> {
    const body = () => {
      const runs = ids.map((id) => this.#tables.space.takeBusy(id)).filter((run) => run !== undefined)
      this.#tables.space.give(runs)
      const count = blocksIn(runs)
      if (count > 0) this.#tables.space.count({ free: count, busy: -count })
    }
    return this.#connection.write('release', body, patience)
  }

  freeRuns(): Promise<Run[]> {
    return this.read('free', () => this.#tables.space.freeRuns())
  }

  mappedRuns(): Promise<Run[]> {
    return this.read('mapped', () => this.#tables.extents.mappedRuns())
  }

  tenancies({ start, end, limit = 4096 }: { start: number; end: number; limit?: number }): Promise<contract.Tenancy[]> {
    return this.read('tenancies', () => this.#tables.tenancies.between(start, end, limit))
  }

  orphans(): Promise<InodeNumber[]> {
    return this.read('orphans', () => this.#tables.orphans.all().map(({ ino }) => ino as InodeNumber))
  }

  lostAndFound(): Promise<contract.LostAndFoundEntry[]> {
    return this.readConsistently('scandir', () => this.#tables.lostAndFound.entries())
  }

  async grow(blockCount: BlockCount, patience?: contract.Patience): Promise<void> {
    const body = () => {
      this.#tables.space.grow(blockCount)
      return this.#tables.space.space()
    }
    const now = await this.#connection.write('grow', body, patience)
    this.#properties = {
      ...this.#properties,
      blockCount: now.blockCount as BlockCount,
      reserveBlocks: now.reserve as BlockCount,
    }
  }

  // ---- durability ----

  commitLate(alone: contract.Alone): contract.LateCommits {
    return this.#connection.commitLate(alone, this.#tables)
  }

  sync(): Promise<void> {
    return this.#connection.sync()
  }

  get wantsCheckpoint(): boolean {
    return this.#connection.wantsCheckpoint
  }

  checkpoint(): Promise<void> {
    return this.#connection.checkpoint()
  }

  check(): Promise<contract.Finding[]> {
    return this.readConsistently('fsck', () => findings(this.#connection.db))
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}
