/**
 * Pool: one participant's view of a pool. Any number of processes and threads open the same directory, each gets its own;
 * there is no server.
 */
import type { Device } from '../device/device.ts'
import type { Holder } from '../errors.ts'
import { codeOf, named, systemError } from '../errors.ts'
import { CopyWindows } from '../files/copy-windows.ts'
import type { BusyOptions, FileSystem } from '../files/file-system.ts'
import { limitsOf } from '../files/file-system.ts'
import { nowNs, storeTimes } from '../files/growth.ts'
import {
  entriesOf,
  fileAt,
  makeDirectory,
  permissions,
  removeDirectory,
  removeName,
  renameName,
} from '../files/names.ts'
import { OpenInodes, removeOrphans } from '../files/open-inodes.ts'
import { inodeAt, placeOf } from '../files/paths.ts'
import { RunViews } from '../files/run-views.ts'
import type { Witness } from '../layout/holders.ts'
import type { PinTable } from '../layout/pin-table.ts'
import { Waiting } from '../layout/waiting.ts'
import type { DirectoryEntry, Finding, Metadata, PoolProperties } from '../metadata/metadata.ts'
import { turnIfDue } from '../platform/event-loop.ts'
import { fileModeMask } from '../platform/process-identity.ts'
import type { PolicyChange, RangeOptions } from './file.ts'
import { File } from './file.ts'
import type { FreeSpaceMaker } from './free-space-maker.ts'
import type { HostReserve } from './host-reserve.ts'
import { LostAndFound } from './lost-and-found.ts'
import { parseFlags } from './open-flags.ts'
import { OwnPins } from './own-pins.ts'
import type { PoolStats } from './pool-stats.ts'
import { listPins, statsOf } from './pool-stats.ts'
import { Stat } from './stat.ts'

/** Every so often stale marks are cleared, lasting pins registered, and a long log is moved; never on the fast path. */
const HOUSEKEEPING_MS = 200

/** What `openPool` made. */
export interface PoolParts {
  readonly path: string
  readonly table: PinTable
  readonly metadata: Metadata
  readonly device: Device
  readonly witness: Witness
  readonly space: FreeSpaceMaker
  readonly reserve: HostReserve
  /** Ends mappings, records and locks: the last thing, when nothing is pinned any more. */
  readonly leave: () => void
  readonly isDebug: boolean
}

export interface OpenOptions extends BusyOptions {
  /** Permission bits of a file that is created; default 0o666 less the umask. */
  mode?: number | undefined
}

export class Pool implements AsyncDisposable {
  readonly path: string
  readonly lostAndFound: LostAndFound
  /** For this project's own front ends; not part of the stable face. */
  readonly fileSystem: FileSystem
  readonly #parts: PoolParts
  readonly #pins: OwnPins
  readonly #files = new Set<File>()
  readonly #housekeeping: NodeJS.Timeout
  #checkpoint: Promise<void> | undefined
  #bounceKey = 0
  #isOpen = true

  /** For `openPool()`. */
  constructor(parts: PoolParts) {
    const { table, metadata, device, witness, space } = parts
    this.path = parts.path
    this.#parts = parts
    const runViews = new RunViews(device)
    this.#pins = new OwnPins(table, runViews, parts.isDebug)
    const fs: FileSystem = {
      table,
      metadata,
      device,
      witness,
      waiting: new Waiting(table),
      properties: metadata.properties,
      umask: fileModeMask(),
      openInodes: new OpenInodes(),
      runViews,
      copyWindows: new CopyWindows(device),
      turnIfDue,
      makeSpace: () => space.make(fs, () => removeOrphans(fs)),
      makeSpaceToFree: async () => (await fs.makeSpace()) || parts.reserve.giveBack(),
      freed: () => space.soon(),
    }
    this.fileSystem = fs
    this.lostAndFound = new LostAndFound(fs, space)
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS).unref()
  }

  get properties(): PoolProperties {
    return this.fileSystem.properties
  }

  /** For `openPool()`: where a pin of this participant was taken, in debug mode. */
  takenAt(record: number): string | undefined {
    return this.#pins.takenAt(record)
  }

  /**
   * Opens a file. `flags` and `mode` as in node:fs. Truncating ('w') is a layout change: see `File.truncate` for
   * `busy`, `timeoutMs`, `signal`. ENOENT, EEXIST, EISDIR, ENOTDIR, EPERM (making or writing files in /lost+found).
   */
  async open(path: string, flags: string | number = 'r', options: OpenOptions = {}): Promise<File> {
    this.#mustBeOpen('open')
    const mode = parseFlags(flags)
    const fs = this.fileSystem
    const inode = await fileAt(fs, path, { ...mode, mode: options.mode }, limitsOf(fs, options))
    const owner = {
      fs,
      pins: this.#pins,
      nextBounceKey: () => --this.#bounceKey,
      forget: (file: File) => void this.#files.delete(file),
    }
    this.#mustBeOpen('open')
    const opened = await fs.openInodes.open(fs, inode, path)
    // A close of the pool that came meanwhile has closed the files there were: this one must not outlive it.
    this.#mustBeOpen('open')
    const file = new File(owner, opened, mode, path)
    this.#files.add(file)
    try {
      if (mode.truncates && mode.mayWrite && inode.size > 0) await file.truncate(0, options)
    } catch (error) {
      await file.close()
      throw error
    }
    return file
  }

  /** Reads a whole file, by copy; with `encoding` as a string. */
  async readFile(path: string): Promise<Buffer>
  async readFile(path: string, encoding: BufferEncoding): Promise<string>
  async readFile(path: string, encoding?: BufferEncoding): Promise<Buffer | string> {
    await using file = await this.open(path, 'r')
    const { size } = await file.stat()
    const data = Buffer.allocUnsafe(size)
    const { bytesRead } = await file.read(data, { position: 0 })
    const whole = data.subarray(0, bytesRead)
    return encoding === undefined ? whole : whole.toString(encoding)
  }

  /** Makes or replaces a file's content, by copy. `flags` 'w' (default), 'wx', 'a' …. Not atomic: write beside it and rename for that. */
  async writeFile(
    path: string,
    data: NodeJS.ArrayBufferView | string,
    options: OpenOptions & { flags?: string } = {},
  ): Promise<void> {
    await using file = await this.open(path, options.flags ?? 'w', options)
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    for (let done = 0; done < bytes.byteLength;) done += (await file.write(bytes, { offset: done })).bytesWritten
  }

  /** Makes a directory; with `recursive` also those above, and none is no error. Mode default 0o777 less the umask. */
  async mkdir(path: string, options: { mode?: number; recursive?: boolean } = {}): Promise<void> {
    this.#mustBeOpen('mkdir')
    await makeDirectory(this.fileSystem, path, options)
  }

  /** Names in a directory, in byte order. */
  async readdir(path: string): Promise<string[]> {
    const names: string[] = []
    for await (const entry of this.entries(path)) names.push(entry.name)
    return names
  }

  /** Entries of a directory in byte order of their names, read in portions: a name that stays is seen exactly once, whatever changes. */
  async *entries(path: string): AsyncGenerator<DirectoryEntry> {
    this.#mustBeOpen('scandir')
    yield* entriesOf(this.fileSystem, path)
  }

  /** ENOENT, ENOTDIR. */
  async stat(path: string): Promise<Stat> {
    this.#mustBeOpen('stat')
    const { metadata, openInodes } = this.fileSystem
    const inode = await inodeAt(metadata, path, 'stat')
    const open = openInodes.get(inode.ino)
    if (open?.hasNewContent !== true) return new Stat(inode)
    await storeTimes(this.fileSystem, open)
    return new Stat(open.inode)
  }

  /** Whether there is something at the path. */
  async exists(path: string): Promise<boolean> {
    this.#mustBeOpen('access')
    return placeOf(this.fileSystem.metadata, path, 'access').then(
      (place) => place.inode !== undefined,
      (error: unknown) => {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
        throw error
      },
    )
  }

  /** Truncates by path: `File.truncate`. */
  async truncate(path: string, length = 0, options: BusyOptions = {}): Promise<void> {
    await using file = await this.open(path, 'r+')
    await file.truncate(length, options)
  }

  /** Punches by path: `File.punchHole`. */
  async punchHole(path: string, offset: number, length: number, options: BusyOptions = {}): Promise<void> {
    await using file = await this.open(path, 'r+')
    await file.punchHole(offset, length, options)
  }

  /** Waits by path: `File.flushDma`. */
  async flushDma(path: string, options: RangeOptions = {}): Promise<void> {
    await using file = await this.open(path, 'r')
    await file.flushDma(options)
  }

  /** Sets a file's policies by path: `File.configure`. */
  async configure(path: string, change: PolicyChange): Promise<void> {
    await using file = await this.open(path, 'r')
    await file.configure(change)
  }

  /** Sets permission bits. */
  async chmod(path: string, mode: number): Promise<void> {
    this.#mustBeOpen('chmod')
    const { metadata } = this.fileSystem
    const { ino } = await inodeAt(metadata, path, 'chmod')
    await named('chmod', path, () =>
      metadata.setAttributes(ino, { mode: permissions(mode), nowNs: nowNs(this.fileSystem) }),
    )
  }

  /**
   * Removes a file's name. Its content goes with the last name and the last close, in any process. Pinned blocks: 'fail'
   * → EBUSY, the name stays; 'wait' → until idle; 'sequester' → the name goes at once, held blocks go to lost+found.
   * In /lost+found: EBUSY while held. ENOENT, EISDIR.
   */
  async unlink(path: string, options: BusyOptions = {}): Promise<void> {
    this.#mustBeOpen('unlink')
    await removeName(this.fileSystem, path, options)
  }

  /** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, /lost+found). */
  async rmdir(path: string): Promise<void> {
    this.#mustBeOpen('rmdir')
    await removeDirectory(this.fileSystem, path)
  }

  /**
   * Renames, replacing what is there, whole or not at all. A replaced file with pinned blocks: as in `unlink`.
   * ENOENT, EINVAL (into its own child), EISDIR, ENOTDIR, ENOTEMPTY, EBUSY.
   */
  async rename(from: string, to: string, options: BusyOptions = {}): Promise<void> {
    this.#mustBeOpen('rename')
    await renameName(this.fileSystem, from, to, options)
  }

  /** Everything pinned in the pool, by any process; of one file when `path` is given. */
  async pins(options: { path?: string } = {}): Promise<Holder[]> {
    this.#mustBeOpen('pins')
    return listPins(this.fileSystem, options.path)
  }

  /** The pool in numbers (promise 11). */
  async stats(): Promise<PoolStats> {
    this.#mustBeOpen('statfs')
    return statsOf(this.fileSystem, await this.lostAndFound.list())
  }

  /** Clears what dead participants left, and gives idle busy space back; returns how much there was. */
  async reap(): Promise<{ participants: number; blocks: number }> {
    this.#mustBeOpen('reap')
    const participants = this.fileSystem.table.reap()
    await removeOrphans(this.fileSystem)
    return { participants, blocks: await this.#parts.space.reclaim() }
  }

  /** Checks the invariants of the metadata; empty: sound. Reads everything: seconds for a million files. */
  async check(): Promise<Finding[]> {
    this.#mustBeOpen('fsck')
    return this.fileSystem.metadata.check()
  }

  /** Makes everything written and changed so far durable: blocks first, then metadata. */
  async sync(): Promise<void> {
    this.#mustBeOpen('sync')
    const { device, metadata, openInodes } = this.fileSystem
    for (const open of openInodes.all) await storeTimes(this.fileSystem, open)
    await device.flush()
    await metadata.sync()
  }

  #keepHouse(): void {
    const { table, metadata, device } = this.fileSystem
    table.own.tidy()
    this.#pins.tidy()
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
    if (this.#pins.held > 0) {
      if (options.force !== true) {
        const holders = (await this.pins()).filter((pin) => pin.slot === this.fileSystem.table.own.index)
        const what = `${this.#pins.held} pins are not released; release them, or close with { force: true }`
        throw systemError('EBUSY', what, { syscall: 'close', path: this.path, holders })
      }
      this.#pins.revokeAll()
    }
    this.#isOpen = false
    clearInterval(this.#housekeeping)
    const left = (): Error =>
      systemError('EBADF', 'the pool was closed meanwhile', { syscall: 'close', path: this.path })
    this.fileSystem.waiting.end(left)
    await this.#parts.space.close()
    await this.#checkpoint
    try {
      for (const file of [...this.#files]) await file.close()
      await this.fileSystem.device.flush()
      await this.fileSystem.metadata.sync()
    } finally {
      await this.fileSystem.metadata.close()
      this.#pins.whenNoneHeld(this.#parts.leave)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #mustBeOpen(syscall: string): void {
    if (!this.#isOpen) throw systemError('EBADF', 'the pool is closed', { syscall, path: this.path })
  }
}
