/**
 * The embedded store: `Metadata` on SQLite (node:sqlite). Creating and opening are in sqlite-metadata.ts; here each method
 * of the interface is put together from the tables, as the body of one transaction.
 */
import type { BlockCount, Extent, InodeNumber, Run } from '../units.ts'
import { systemError } from '../errors.ts'
import { findings } from './check.ts'
import { blocksIn, makeRun } from './extent-arithmetic.ts'
import { ExtentTable } from './extents.ts'
import { InodeTable } from './inodes.ts'
import { LayoutChanges, noSpace } from './layout-change.ts'
import { LostAndFound } from './lost-and-found.ts'
import type * as contract from './metadata.ts'
import { NameTable } from './names.ts'
import { SpaceTable } from './space.ts'
import type { SqliteConnection } from './sqlite-connection.ts'

export class SqliteStore implements contract.Metadata {
  readonly #connection: SqliteConnection
  readonly #inodes: InodeTable
  readonly #names: NameTable
  readonly #extents: ExtentTable
  readonly #space: SpaceTable
  readonly #lostAndFound: LostAndFound
  readonly #changes: LayoutChanges
  readonly #orphans
  #properties: contract.PoolProperties

  /** The connection is opened and its format checked. */
  constructor(connection: SqliteConnection, properties: contract.PoolProperties) {
    const { db } = connection
    this.#connection = connection
    this.#properties = properties
    this.#inodes = new InodeTable(db)
    this.#space = new SpaceTable(db)
    this.#extents = new ExtentTable(db)
    this.#names = new NameTable(db, this.#inodes, this.#space)
    this.#lostAndFound = new LostAndFound(db, this.#inodes, this.#names, this.#extents)
    this.#changes = new LayoutChanges(
      this.#inodes,
      this.#extents,
      this.#space,
      this.#lostAndFound,
      properties.reserveBlocks,
    )
    this.#orphans = db.prepare('SELECT ino FROM inodes WHERE nlink = 0 ORDER BY ino')
  }

  get properties(): contract.PoolProperties {
    return this.#properties
  }

  // ---- names ----

  inode(ino: InodeNumber): Promise<contract.Inode | undefined> {
    return this.#connection.read('stat', () => this.#inodes.get(ino))
  }

  lookup(parent: InodeNumber, name: string): Promise<contract.Inode | undefined> {
    return this.#connection.read('lookup', () => this.#names.lookup(parent, name))
  }

  entries(
    directory: InodeNumber,
    { after = '', limit = 1000 }: { after?: string; limit?: number } = {},
  ): Promise<contract.DirectoryEntry[]> {
    return this.#connection.read('scandir', () => this.#names.entries(directory, after, limit))
  }

  pathOf(ino: InodeNumber): Promise<string | undefined> {
    return this.#connection.read('lookup', () => this.#names.pathOf(ino))
  }

  create(request: contract.CreateRequest, patience?: contract.Patience): Promise<contract.Inode> {
    return this.#connection.write('open', () => this.#names.create(request), patience)
  }

  unlink(request: contract.UnlinkRequest, patience?: contract.Patience): Promise<contract.Inode> {
    return this.#connection.write('unlink', () => this.#names.unlink(request), patience)
  }

  removeDirectory(request: contract.UnlinkRequest, patience?: contract.Patience): Promise<contract.Inode> {
    return this.#connection.write('rmdir', () => this.#names.removeDirectory(request), patience)
  }

  rename(
    request: contract.RenameRequest,
    patience?: contract.Patience,
  ): Promise<{ replaced: contract.Inode | undefined }> {
    return this.#connection.write('rename', () => this.#names.rename(request), patience)
  }

  setAttributes(
    ino: InodeNumber,
    change: contract.AttributeChange,
    patience?: contract.Patience,
  ): Promise<contract.Inode> {
    const body = () => {
      const inode = this.#inodes.get(ino)
      if (inode === undefined) throw systemError('ENOENT', `there is no inode ${ino}`, { syscall: 'setattr' })
      const after: contract.Inode = {
        ...inode,
        mode: change.mode ?? inode.mode,
        uid: change.uid ?? inode.uid,
        gid: change.gid ?? inode.gid,
        atimeNs: change.atimeNs ?? inode.atimeNs,
        mtimeNs: change.mtimeNs ?? inode.mtimeNs,
        ctimeNs: change.nowNs,
        changeCount: inode.changeCount + 1,
        busy: change.busy === null ? undefined : (change.busy ?? inode.busy),
        dax: change.dax === null ? undefined : (change.dax ?? inode.dax),
      }
      this.#inodes.setAttributes(after)
      return after
    }
    return this.#connection.write('setattr', body, patience)
  }

  // ---- layout ----

  layout(ino: InodeNumber): Promise<contract.Layout | undefined> {
    return this.#connection.read('layout', () => this.#extents.layout(ino))
  }

  layoutNow(ino: InodeNumber): contract.Layout | undefined {
    return this.#connection.readNow('layout', () => this.#extents.layout(ino))
  }

  allocate(
    request: contract.AllocateRequest,
    prepare: (runs: readonly Run[], before: contract.Layout) => void,
    patience?: contract.Patience,
  ): Promise<contract.Layout> {
    return this.#connection.write('allocate', () => this.#changes.allocate(request, prepare), patience)
  }

  extend(
    ino: InodeNumber,
    nowNs: bigint,
    apply: (layout: contract.Layout) => number | undefined,
    patience?: contract.Patience,
  ): Promise<contract.Layout> {
    return this.#connection.write('write', () => this.#changes.extend(ino, nowNs, apply), patience)
  }

  changeLayout(
    change: contract.LayoutChange,
    decide: (removed: readonly Extent[], inode: contract.Inode) => contract.LayoutDecision,
    patience?: contract.Patience,
  ): Promise<contract.LayoutChangeResult> {
    return this.#connection.write('truncate', () => this.#changes.change(change, decide), patience)
  }

  // ---- space ----

  space(): Promise<contract.Space> {
    return this.#connection.read('statfs', () => this.#space.space())
  }

  reserve(
    count: number,
    prepare: (runs: readonly Run[]) => void,
    patience?: contract.Patience,
  ): Promise<contract.BusyExtent[]> {
    const body = () => {
      const { free } = this.#space.space()
      if (count > free) throw noSpace('reserve', count, free)
      const runs = this.#space.takeScattered(count)
      prepare(runs)
      this.#space.count({ free: -count, busy: count })
      return runs.flatMap(({ start, count: length }) =>
        Array.from({ length }, (_, index) => this.#space.addBusy(makeRun(start + index, 1))),
      )
    }
    return this.#connection.write('reserve', body, patience)
  }

  busyExtents(limit = 4096): Promise<contract.BusyExtent[]> {
    return this.#connection.read('busy', () => this.#space.busyExtents(limit))
  }

  release(ids: readonly number[], patience?: contract.Patience): Promise<void> {
    const body = () => {
      const runs = ids.map((id) => this.#space.takeBusy(id)).filter((run) => run !== undefined)
      this.#space.give(runs)
      const count = blocksIn(runs)
      if (count > 0) this.#space.count({ free: count, busy: -count })
    }
    return this.#connection.write('release', body, patience)
  }

  freeRuns(): Promise<Run[]> {
    return this.#connection.read('free', () => this.#space.freeRuns())
  }

  mappedRuns(): Promise<Run[]> {
    return this.#connection.read('mapped', () => this.#extents.mappedRuns())
  }

  orphans(): Promise<InodeNumber[]> {
    return this.#connection.read('orphans', () => this.#orphans.all().map(({ ino }) => ino as InodeNumber))
  }

  lostAndFound(): Promise<contract.LostAndFoundEntry[]> {
    return this.#connection.readConsistently('scandir', () => this.#lostAndFound.entries())
  }

  async grow(blockCount: BlockCount, patience?: contract.Patience): Promise<void> {
    const body = () => {
      const present = this.#space.space().blockCount
      const added = blockCount - present
      if (added <= 0) return present
      this.#space.give([makeRun(present, added)])
      this.#space.count({ blockCount: added, free: added })
      return blockCount
    }
    const now = await this.#connection.write('grow', body, patience)
    this.#properties = { ...this.#properties, blockCount: now as BlockCount }
  }

  // ---- durability ----

  sync(): Promise<void> {
    return this.#connection.sync()
  }

  get wantsCheckpoint(): boolean {
    return this.#connection.log.wantsCheckpoint
  }

  checkpoint(): Promise<void> {
    return this.#connection.checkpoint()
  }

  check(): Promise<contract.Finding[]> {
    return this.#connection.readConsistently('fsck', () => findings(this.#connection.db))
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}
