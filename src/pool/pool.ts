/**
 * Pool: one participant's view of a pool. Any number of processes and threads open the same directory, each gets its own;
 * there is no server.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Device } from '../device/device.ts'
import type { Holder } from '../errors.ts'
import { checkBytes, outOfRange, systemError } from '../errors.ts'
import type { CopyMemory } from '../files/copy-windows.ts'
import { syncAll } from '../files/durability.ts'
import type { FileSystem } from '../files/file-system.ts'
import { mustBeWritable } from '../files/file-system.ts'
import { trimAllPreallocations } from '../files/growth.ts'
import { Known } from '../files/known.ts'
import { KnownPaths } from '../files/known-paths.ts'
import { OpenInodes, removeOrphans } from '../files/open-inodes.ts'
import { RunViews } from '../files/run-views.ts'
import type { TableMarks } from '../layout/change-marks.ts'
import type { Witness } from '../layout/holders.ts'
import type { PinTable } from '../layout/pin-table.ts'
import type { StuckWaits } from '../layout/stuck-waits.ts'
import { Waiting } from '../layout/waiting.ts'
import type { Finding, Metadata, PoolProperties } from '../metadata/metadata.ts'
import { turnIfDue } from '../platform/event-loop.ts'
import type { BlockCount, InodeNumber } from '../units.ts'
import { BLOCK_SIZE, bytesOf, MAX_DEVICE_BLOCKS } from '../units.ts'
import { fileModeMask } from '../platform/process-identity.ts'
import type { File } from './file.ts'
import type { FreeSpaceMaker } from './free-space-maker.ts'
import type { HostReserve } from './host-reserve.ts'
import { LostAndFound } from './lost-and-found.ts'
import { parseFlags } from './open-flags.ts'
import type { OpenInode } from '../files/open-inode.ts'
import type { Pin } from './pin.ts'
import { pinKnown } from './pin-known.ts'
import { OwnLeases } from './own-leases.ts'
import { OwnPins } from './own-pins.ts'
import type { PoolStats } from './pool-stats.ts'
import { listLeases, listPins, statsOf } from './pool-stats.ts'
import { PoolTree } from './pool-tree.ts'
import { STAYS_IN_ITS_THREAD } from './thread-bound.ts'
import type { FileHold } from './why.ts'
import { holdOf } from './why.ts'

/** Every so often stale marks are cleared, lasting pins registered, and a long log is moved; never on the fast path. */
const HOUSEKEEPING_MS = 200

/** Longer than a front end keeps a pin for whoever asks next. */
const PINS_OF_NOBODY_MS = 2

const FOR_READING = parseFlags('r')

/** What `openPool` made. */
export interface PoolParts {
  readonly path: string
  readonly table: PinTable
  readonly metadata: Metadata
  readonly marks: TableMarks
  readonly device: Device
  readonly copyMemory: CopyMemory
  readonly witness: Witness
  readonly space: FreeSpaceMaker
  readonly reserve: HostReserve
  /** Ends mappings, records and locks: the last thing, when nothing is pinned any more. */
  readonly leave: () => void
  readonly isDebug: boolean
  readonly stuckWaits: StuckWaits
  readonly isReadOnly: boolean
}

export class Pool extends PoolTree implements AsyncDisposable {
  readonly path: string
  readonly lostAndFound: LostAndFound
  /** For this project's own front ends; not part of the stable face. */
  readonly fileSystem: FileSystem
  /** A structured clone would be an object without a pool behind it. */
  protected readonly threadBound = STAYS_IN_ITS_THREAD
  protected readonly ownPins: OwnPins
  protected readonly ownLeases: OwnLeases
  readonly #parts: PoolParts
  readonly #housekeeping: NodeJS.Timeout
  #checkpoint: Promise<void> | undefined
  #isOpen = true

  /** For `openPool()`. */
  constructor(parts: PoolParts) {
    super()
    const { table, metadata, marks, device, witness, space } = parts
    this.path = parts.path
    this.#parts = parts
    const runViews = new RunViews(device)
    this.ownPins = new OwnPins(table, runViews, parts.isDebug, () => space.soon())
    const known = new Known(metadata, marks)
    const fs: FileSystem = {
      table,
      metadata,
      device,
      witness,
      waiting: new Waiting(table, parts.stuckWaits),
      properties: metadata.properties,
      isReadOnly: parts.isReadOnly,
      marks,
      known,
      knownPaths: new KnownPaths(known, marks),
      umask: fileModeMask(),
      openInodes: new OpenInodes(),
      runViews,
      copyMemory: parts.copyMemory,
      turnIfDue,
      makeSpace: () =>
        space.make(fs, async () => {
          await trimAllPreallocations(fs)
          await removeOrphans(fs)
        }),
      makeSpaceToFree: async () => (await fs.makeSpace()) || parts.reserve.giveBack(),
      freed: () => space.soon(),
    }
    this.fileSystem = fs
    this.ownLeases = new OwnLeases(fs)
    this.lostAndFound = new LostAndFound(fs, space)
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS).unref()
  }

  /** False from the moment `close()` leaves. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * True: opened with `readOnly`. Reads are copies that are looked at twice, so they are as right as any; what changes
   * something, and `pin`, is EROFS. Nobody else knows of it: a file that others remove goes although it is open here
   * (ESTALE), waits look every 10 ms, and a change whose process died keeps reads of that file waiting, up to their
   * timeout, until somebody who may write opens the pool.
   */
  get isReadOnly(): boolean {
    return this.#parts.isReadOnly
  }

  get properties(): PoolProperties {
    return this.fileSystem.properties
  }

  /** For `openPool()`: where a pin of this participant was taken, in debug mode. */
  takenAt(record: number): string | undefined {
    return this.ownPins.takenAt(record)
  }

  /** Opens the file with the inode number `ino` for reading, whatever its names are; `path` is for errors. ENOENT: it has none any more, or is no file. */
  async openInode(ino: number, path = `inode ${ino}`): Promise<File> {
    this.mustBeOpen('open')
    const open = await this.fileSystem.openInodes.open(this.fileSystem, ino as InodeNumber)
    const file = open === undefined ? undefined : this.handle(open, FOR_READING, path)
    if (file !== undefined && open?.inode.kind === 'file') return file
    await file?.close()
    throw systemError('ENOENT', `no file with a name has the inode number ${ino}`, { syscall: 'open', path })
  }

  /** For this project's own front ends: see pin-known.ts. */
  pinKnown(open: OpenInode, path: string): Pin | undefined {
    this.mustBeOpen('pin')
    return pinKnown(this.fileSystem, this.ownPins, open, path)
  }

  /** Everything pinned in the pool, by any process; of one file when `path` is given. */
  async pins(options: { path?: string } = {}): Promise<Holder[]> {
    this.mustBeOpen('pins')
    return listPins(this.fileSystem, options.path)
  }

  /** Every layout lease in the pool, of any process; of one file when `path` is given. */
  async leases(options: { path?: string } = {}): Promise<Holder[]> {
    this.mustBeOpen('leases')
    return listLeases(this.fileSystem, options.path)
  }

  /**
   * Everything that keeps the blocks and the layout of a file as they are: why a truncate of it waits, or its space does not
   * come back. Of a name that is gone: what lost+found has of the files that had it. ENOENT: it has nothing either.
   */
  async why(path: string): Promise<FileHold> {
    this.mustBeOpen('why')
    return holdOf(this.fileSystem, path, await this.lostAndFound.list())
  }

  /** The pool in numbers (promise 11). */
  async stats(): Promise<PoolStats> {
    this.mustBeOpen('statfs')
    return statsOf(this.fileSystem, await this.lostAndFound.list())
  }

  /** Clears what dead participants left, and gives idle busy space back; returns how much there was. */
  async reap(): Promise<{ participants: number; blocks: number }> {
    this.mustBeOpen('reap')
    mustBeWritable(this.fileSystem, 'reap', this.path)
    const participants = this.fileSystem.table.reap()
    await removeOrphans(this.fileSystem)
    return { participants, blocks: await this.#parts.space.reclaim() }
  }

  /** Checks the invariants of the metadata; empty: sound. Reads everything: seconds for a million files. */
  async check(): Promise<Finding[]> {
    this.mustBeOpen('fsck')
    return this.fileSystem.metadata.check()
  }

  /**
   * Makes the pool larger while it is in use, for every participant at once; durable when it resolves. Never smaller: a
   * size that is not above the present one is a RangeError. The host's space is taken as files need it. EFBIG:
   * the host has no such large files.
   */
  async grow(sizeBytes: number): Promise<void> {
    this.mustBeOpen('grow')
    mustBeWritable(this.fileSystem, 'grow', this.path)
    const { device, metadata } = this.fileSystem
    const { blockCount: present } = await metadata.space()
    const blocks = Math.floor(checkBytes('sizeBytes', sizeBytes) / BLOCK_SIZE)
    if (blocks <= present || blocks > MAX_DEVICE_BLOCKS) {
      throw outOfRange('sizeBytes', `>= ${bytesOf(present + 1)} and <= ${bytesOf(MAX_DEVICE_BLOCKS)}`, sizeBytes)
    }
    // The device first, durably: metadata must not speak of blocks that a power failure could take away.
    device.grow(blocks as BlockCount)
    await device.flush()
    await metadata.grow(blocks as BlockCount)
    await metadata.sync()
  }

  /** Makes everything written and changed so far durable: blocks first, then metadata. */
  async sync(): Promise<void> {
    this.mustBeOpen('sync')
    await syncAll(this.fileSystem)
  }

  #keepHouse(): void {
    const { table, metadata, device } = this.fileSystem
    table.own.tidy()
    this.ownPins.tidy()
    if (!metadata.wantsCheckpoint || this.#checkpoint !== undefined) return
    // The device first: what the main file says of blocks is never newer than the blocks.
    this.#checkpoint = device
      .flush()
      .then(() => metadata.checkpoint())
      // Device and metadata remember a failed flush, and refuse all further work with it.
      .catch(() => undefined)
      .finally(() => {
        this.#checkpoint = undefined
      })
  }

  /**
   * Ends this participant: open files are closed, everything is made durable. EBUSY with `holders` while it has pins;
   * with `force` their views are taken away (length 0), and their blocks stay busy until they are released or the
   * process ends: I/O may still be under way in them. When something can't be made durable (EIO …) it has left all the same.
   * A second call does nothing.
   */
  async close(options: { force?: boolean } = {}): Promise<void> {
    if (!this.#isOpen) return
    // Front ends keep pins for whoever asks next, for less than this.
    if (this.ownPins.held > 0 && options.force !== true) await sleep(PINS_OF_NOBODY_MS)
    if (!this.#isOpen) return
    if (this.ownPins.held > 0) {
      if (options.force !== true) {
        const holders = (await this.pins()).filter((pin) => pin.slot === this.fileSystem.table.own.index)
        const what = `${this.ownPins.held} pins are not released; release them, or close with { force: true }`
        throw systemError('EBUSY', what, { syscall: 'close', path: this.path, holders })
      }
      this.ownPins.revokeAll()
    }
    this.#isOpen = false
    clearInterval(this.#housekeeping)
    const left = (): Error =>
      systemError('EBADF', 'the pool was closed meanwhile', { syscall: 'close', path: this.path })
    this.fileSystem.waiting.end(left)
    await this.#parts.space.close()
    await this.#checkpoint
    try {
      await this.ownLeases.close()
      for (const file of [...this.files]) await file.close()
      if (!this.isReadOnly) {
        await this.fileSystem.device.flush()
        await this.fileSystem.metadata.sync()
      }
    } finally {
      await this.fileSystem.metadata.close()
      this.ownPins.whenNoneHeld(this.#parts.leave)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected mustBeOpen(syscall: string): void {
    if (!this.#isOpen) throw systemError('EBADF', 'the pool is closed', { syscall, path: this.path })
  }
}
