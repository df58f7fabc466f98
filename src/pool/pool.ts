/**
 * Pool: one participant's view of a pool. Any number of processes and threads open the same directory, each gets its own;
 * there is no server.
 */
import type { Device } from '../device/device.ts'
import type { Holder } from '../errors.ts'
import { codeOf, invalidValue, named, systemError } from '../errors.ts'
import type { BusyOptions, FileSystem } from '../files/file-system.ts'
import { busyPolicyOf, limitsOf } from '../files/file-system.ts'
import { nowNs, storeTimes } from '../files/growth.ts'
import { OpenInodes, removeIfOrphan, removeOrphans } from '../files/open-inodes.ts'
import { inodeAt, nameAt, placeOf } from '../files/paths.ts'
import { RunViews } from '../files/run-views.ts'
import { whileIdle } from '../layout/break-layout.ts'
import type { Witness } from '../layout/holders.ts'
import { listHolders } from '../layout/holders.ts'
import type { PinTable } from '../layout/pin-table.ts'
import type { Limits } from '../layout/waiting.ts'
import { patienceOf, Waiting } from '../layout/waiting.ts'
import type { DirectoryEntry, Finding, Inode, Metadata, PoolProperties, Space } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { PolicyChange, RangeOptions } from './file.ts'
import { File } from './file.ts'
import type { FreeSpaceMaker } from './free-space-maker.ts'
import type { HostReserve } from './host-reserve.ts'
import { LostAndFound } from './lost-and-found.ts'
import { parseFlags } from './open-flags.ts'
import { OwnPins } from './own-pins.ts'
import { Stat } from './stat.ts'

/** Every so often stale marks are cleared and lasting pins registered; never on the fast path. */
const TIDY_MS = 200

/** What `openPool` made. */
export interface PoolParts {
  readonly path: string
  readonly table: PinTable
  readonly metadata: Metadata
  readonly device: Device
  readonly witness: Witness
  readonly space: FreeSpaceMaker
  readonly reserve: HostReserve
  /** What has to be ended at close, in reverse order. */
  readonly ends: readonly (() => unknown)[]
  readonly isDebug: boolean
}

export interface OpenOptions extends BusyOptions {
  /** Permission bits of a file that is created; default 0o666 less the umask. */
  mode?: number | undefined
}

/** A pool in numbers. Bytes unless the name says otherwise. */
export interface PoolStats {
  readonly sizeBytes: number
  readonly freeBytes: number
  /** Free, plus what becomes free when space is wanted: busy and idle lost+found. */
  readonly availableBytes: number
  /** In files, lost+found not counted. */
  readonly usedBytes: number
  readonly busyBytes: number
  readonly sequesteredBytes: number
  /** Of the sequestered: still held. */
  readonly sequesteredHeldBytes: number
  readonly reserveBytes: number
  readonly pinnedBytes: number
  readonly pins: number
  readonly files: number
  readonly participants: number
}

export class Pool implements AsyncDisposable {
  readonly path: string
  readonly lostAndFound: LostAndFound
  /** For this project's own front ends; not part of the stable face. */
  readonly fileSystem: FileSystem
  readonly #parts: PoolParts
  readonly #pins: OwnPins
  readonly #files = new Set<File>()
  readonly #tidy: NodeJS.Timeout
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
      openInodes: new OpenInodes(),
      runViews,
      makeSpace: () => space.make(fs, () => removeOrphans(fs)),
      makeSpaceToFree: async () => (await fs.makeSpace()) || parts.reserve.giveBack(),
      freed: () => space.soon(),
    }
    this.fileSystem = fs
    this.lostAndFound = new LostAndFound(fs, space)
    this.#tidy = setInterval(() => {
      table.own.tidy()
      this.#pins.tidy()
    }, TIDY_MS).unref()
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
    const limits = limitsOf(fs, options)
    const inode = mode.creates ? await this.#findOrCreate(path, mode.isExclusive, options.mode, limits) : await inodeAt(fs.metadata, path, 'open')
    if (inode.kind === 'directory') throw systemError('EISDIR', 'this is a directory', { syscall: 'open', path })
    if (mode.mayWrite && isLost(path)) {
      throw systemError('EPERM', 'files of lost+found are for reading; copy it out', { syscall: 'open', path })
    }
    const owner = {
      fs,
      pins: this.#pins,
      nextBounceKey: () => --this.#bounceKey,
      forget: (file: File) => void this.#files.delete(file),
    }
    const file = new File(owner, await fs.openInodes.open(fs, inode, path), mode, path)
    this.#files.add(file)
    try {
      if (mode.truncates && mode.mayWrite && inode.size > 0) await file.truncate(0, options)
    } catch (error) {
      await file.close()
      throw error
    }
    return file
  }

  async #findOrCreate(path: string, isExclusive: boolean, mode: number | undefined, limits: Limits): Promise<Inode> {
    const { metadata, table } = this.fileSystem
    for (;;) {
      const place = await nameAt(metadata, path, 'open')
      if (place.inode !== undefined) {
        if (isExclusive) throw systemError('EEXIST', 'there is a file or directory already', { syscall: 'open', path })
        return place.inode
      }
      if (path.endsWith('/')) throw systemError('EISDIR', 'a file name must not end with /', { syscall: 'open', path })
      try {
        const inode = { ...this.#newInode(0o666, mode), parent: place.parent.ino, name: place.name, kind: 'file' as const }
        return await named('open', path, () => metadata.create(inode, patienceOf(table, limits)))
      } catch (error) {
        // Somebody was quicker: then it is there.
        if (codeOf(error) !== 'EEXIST') throw error
      }
    }
  }

  #newInode(base: number, mode: number | undefined): { mode: number; uid: number; gid: number; nowNs: bigint } {
    const bits = mode ?? base & ~process.umask()
    if (!Number.isInteger(bits) || bits < 0 || bits > 0o7777) throw invalidValue('mode', 'must be permission bits', mode)
    return { mode: bits, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, nowNs: nowNs(this.fileSystem) }
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
    const { metadata } = this.fileSystem
    if (options.recursive === true) {
      const names = path.split('/').filter((name) => name !== '')
      for (let i = 1; i < names.length; i++) await this.#mkdirUnlessThere(names.slice(0, i).join('/'), options.mode)
      await this.#mkdirUnlessThere(path, options.mode)
      return
    }
    const place = await nameAt(metadata, path, 'mkdir')
    if (place.inode !== undefined) throw systemError('EEXIST', 'there is a file or directory already', { syscall: 'mkdir', path })
    const inode = { ...this.#newInode(0o777, options.mode), parent: place.parent.ino, name: place.name, kind: 'directory' as const }
    await named('mkdir', path, () => metadata.create(inode))
  }

  async #mkdirUnlessThere(path: string, mode: number | undefined): Promise<void> {
    const place = await placeOf(this.fileSystem.metadata, path, 'mkdir')
    if (place.inode?.kind === 'directory') return
    await this.mkdir(path, mode === undefined ? {} : { mode }).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST' || place.inode !== undefined) throw error
    })
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
    const { metadata } = this.fileSystem
    const directory = await inodeAt(metadata, path, 'scandir')
    if (directory.kind !== 'directory') throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'scandir', path })
    for (let after: string | undefined; ;) {
      const portion = await metadata.entries(directory.ino, after === undefined ? {} : { after })
      if (portion.length === 0) return
      yield* portion
      after = portion[portion.length - 1].name
    }
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
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) throw invalidValue('mode', 'must be permission bits', mode)
    const { metadata } = this.fileSystem
    const { ino } = await inodeAt(metadata, path, 'chmod')
    await named('chmod', path, () => metadata.setAttributes(ino, { mode, nowNs: nowNs(this.fileSystem) }))
  }

  /**
   * Removes a file's name. Its content goes with the last name and the last close, in any process. Pinned blocks: 'fail'
   * → EBUSY, the name stays; 'wait' → until idle; 'sequester' → the name goes at once, held blocks go to lost+found.
   * In /lost+found: EBUSY while held. ENOENT, EISDIR.
   */
  async unlink(path: string, options: BusyOptions = {}): Promise<void> {
    this.#mustBeOpen('unlink')
    const { metadata, table } = this.fileSystem
    const limits = limitsOf(this.fileSystem, options)
    const place = await nameAt(metadata, path, 'unlink')
    if (place.inode === undefined) throw systemError('ENOENT', 'no such file', { syscall: 'unlink', path })
    if (place.inode.kind === 'directory') throw systemError('EISDIR', 'this is a directory; use rmdir', { syscall: 'unlink', path })
    if (isLost(path)) return this.lostAndFound.reclaim(place.name).then(() => undefined)
    const request = { parent: place.parent.ino, name: place.name, nowNs: nowNs(this.fileSystem) }
    const removed = await this.#whileIdle(place.inode, options, limits, 'unlink', path, () =>
      named('unlink', path, () => metadata.unlink(request, patienceOf(table, limits))),
    )
    await this.#lastName(removed)
  }

  /** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, /lost+found). */
  async rmdir(path: string): Promise<void> {
    this.#mustBeOpen('rmdir')
    const { metadata } = this.fileSystem
    const place = await nameAt(metadata, path, 'rmdir')
    const request = { parent: place.parent.ino, name: place.name, nowNs: nowNs(this.fileSystem) }
    await named('rmdir', path, () => metadata.removeDirectory(request))
  }

  /**
   * Renames, replacing what is there, whole or not at all. A replaced file with pinned blocks: as in `unlink`.
   * ENOENT, EINVAL (into its own child), EISDIR, ENOTDIR, ENOTEMPTY, EBUSY.
   */
  async rename(from: string, to: string, options: BusyOptions = {}): Promise<void> {
    this.#mustBeOpen('rename')
    const { metadata, table } = this.fileSystem
    const limits = limitsOf(this.fileSystem, options)
    const source = await nameAt(metadata, from, 'rename')
    if (source.inode === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall: 'rename', path: from, dest: to })
    for (;;) {
      const target = await nameAt(metadata, to, 'rename')
      const request = {
        fromParent: source.parent.ino,
        fromName: source.name,
        toParent: target.parent.ino,
        toName: target.name,
        nowNs: nowNs(this.fileSystem),
      }
      const rename = (): Promise<{ replaced: Inode | undefined }> => named('rename', from, () => metadata.rename(request, patienceOf(table, limits)), to)
      const victim = target.inode
      if (victim === undefined || victim.kind === 'directory' || victim.ino === source.inode.ino) {
        const { replaced } = await rename()
        if (replaced !== undefined) await this.#lastName(replaced)
        return
      }
      const done = await this.#whileIdle(victim, options, limits, 'rename', to, async () => {
        // Another file may have taken the name since we looked; its blocks were not asked for.
        const now = await metadata.lookup(target.parent.ino, target.name)
        return now?.ino === victim.ino ? rename() : undefined
      })
      if (done === undefined) continue
      if (done.replaced !== undefined) await this.#lastName(done.replaced)
      return
    }
  }

  async #whileIdle<T>(
    inode: Inode,
    options: BusyOptions,
    limits: Limits,
    syscall: string,
    path: string,
    action: () => Promise<T>,
  ): Promise<T> {
    const fs = this.fileSystem
    const busy = inode.nlink > 1 ? 'sequester' : busyPolicyOf(fs, inode, options)
    return whileIdle(fs, { ino: inode.ino, busy, limits, syscall, path }, action)
  }

  async #lastName(inode: Inode): Promise<void> {
    if (inode.nlink === 0 && inode.kind === 'file') await removeIfOrphan(this.fileSystem, inode.ino)
  }

  /** Everything pinned in the pool, by any process; of one file when `path` is given. */
  async pins(options: { path?: string } = {}): Promise<Holder[]> {
    this.#mustBeOpen('pins')
    const { metadata, table, witness } = this.fileSystem
    const only = options.path === undefined ? undefined : (await inodeAt(metadata, options.path, 'pins')).ino
    const holders = listHolders(table, witness, only).filter((holder) => holder.kind === 'pin')
    const paths = new Map<number, string | undefined>()
    for (const holder of holders) {
      if (holder.inode === undefined) continue
      if (!paths.has(holder.inode)) paths.set(holder.inode, await metadata.pathOf(holder.inode as InodeNumber))
      const path = paths.get(holder.inode)
      if (path !== undefined) holder.path = path
    }
    return holders
  }

  /** The pool in numbers (promise 11). */
  async stats(): Promise<PoolStats> {
    this.#mustBeOpen('statfs')
    const { metadata, table, properties } = this.fileSystem
    const space: Space = await metadata.space()
    const lost = await this.lostAndFound.list()
    const held = lost.reduce((sum, file) => sum + (file.holders.length > 0 ? file.length : 0), 0)
    const pins = (await this.pins()).map((pin) => pin.length ?? 0)
    const sequestered = space.sequestered * BLOCK_SIZE
    return {
      sizeBytes: space.blockCount * BLOCK_SIZE,
      freeBytes: space.free * BLOCK_SIZE,
      availableBytes: Math.max(0, space.free + space.busy - properties.reserveBlocks) * BLOCK_SIZE + sequestered - held,
      usedBytes: (space.mapped - space.sequestered) * BLOCK_SIZE,
      busyBytes: space.busy * BLOCK_SIZE,
      sequesteredBytes: sequestered,
      sequesteredHeldBytes: held,
      reserveBytes: properties.reserveBlocks * BLOCK_SIZE,
      pinnedBytes: pins.reduce((sum, length) => sum + length, 0),
      pins: pins.length,
      files: space.files,
      participants: [...table.attached()].length,
    }
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
    if (metadata.wantsCheckpoint) await metadata.checkpoint()
  }

  /**
   * Ends this participant: open files are closed, everything is made durable. EBUSY with `holders` while it has pins;
   * with `force` their views are taken away (length 0; `revocable: false` views must not be touched any more).
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
    clearInterval(this.#tidy)
    const left = (): Error => systemError('EBADF', 'the pool was closed meanwhile', { syscall: 'close', path: this.path })
    this.fileSystem.waiting.end(left)
    for (const file of [...this.#files]) await file.close()
    await this.#parts.space.close()
    await this.fileSystem.device.flush()
    for (const end of this.#parts.ends.toReversed()) await end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #mustBeOpen(syscall: string): void {
    if (!this.#isOpen) throw systemError('EBADF', 'the pool is closed', { syscall, path: this.path })
  }
}

const isLost = (path: string): boolean => /^\/*lost\+found\//.test(path)
