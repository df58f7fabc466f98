/**
 * File: an open file of a pool, shaped like node:fs' FileHandle, with pins.
 *
 * Reads and writes of this class copy; `pin` gives the blocks themselves.
 */
import { checkBytes, checkChoice, codeOf, outOfRange, systemError, wrongType } from '../errors.ts'
import { mustRefresh, readInto, writeFrom } from '../files/data.ts'
import type { BusyOptions, FileSystem, WaitOptions } from '../files/file-system.ts'
import { BUSY_POLICIES, busyPolicyOf, DAX_MODES, limitsOf, withSpace } from '../files/file-system.ts'
import { allocateRange, checkSize, growTo, nowNs, storeTimes } from '../files/growth.ts'
import type { OpenInode } from '../files/open-inode.ts'
import { pinRange, pinRangeNow } from '../files/pinning.ts'
import { breakLayout, flushDma } from '../layout/break-layout.ts'
import type { BusyPolicy, DaxMode } from '../metadata/metadata.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import { bounceOf, writeBounceBack } from './bounce-pin.ts'
import type { OpenMode } from './open-flags.ts'
import type { OwnPins } from './own-pins.ts'
import { Pin } from './pin.ts'
import type { WriteTarget } from './pin-io.ts'
import { Stat } from './stat.ts'

export interface PinOptions extends WaitOptions {
  /** First byte; any. For O_DIRECT and for whole blocks: a multiple of 4096. */
  offset: number
  /** Bytes, at least 1; the range must be within the file. */
  length: number
  /** 'write' gives blocks to holes. A 'read' view must not be written to. */
  mode: 'read' | 'write'
  /** Default true: the views have length 0 after release. False: cheaper, and the caller must not touch them after release. */
  revocable?: boolean | undefined
  /** Pins that may stay for long need a layout lease: EOPNOTSUPP. */
  longTerm?: boolean | undefined
}

export interface RangeOptions extends WaitOptions {
  /** Default 0. */
  offset?: number | undefined
  /** Default: to the end of the file. */
  length?: number | undefined
}

export interface PolicyChange {
  /** null: the pool's again. */
  busy?: BusyPolicy | null | undefined
  dax?: DaxMode | null | undefined
}

/** Bytes of the windows that `sendTo` pins, one after the other. */
const WINDOW_BYTES = 1 << 20

/** What a file is part of. */
export interface FileOwner {
  readonly fs: FileSystem
  readonly pins: OwnPins
  nextBounceKey(): number
  forget(file: File): void
}

export class File implements AsyncDisposable {
  readonly path: string
  readonly ino: number
  readonly #owner: FileOwner
  readonly #fs: FileSystem
  readonly #open: OpenInode
  readonly #mode: OpenMode
  #position = 0
  #isOpen = true

  /** For `pool.open()`. */
  constructor(owner: FileOwner, open: OpenInode, mode: OpenMode, path: string) {
    this.#owner = owner
    this.#fs = owner.fs
    this.#open = open
    this.#mode = mode
    this.path = path
    this.ino = open.ino
  }

  /**
   * Pins a byte range: its blocks stay the file's content, or become lost+found's, until release; nobody else gets them
   * (promise 1). All of it or nothing (promise 9). Waits while a layout change of the range is under way.
   *
   * ERANGE past EOF · ENOSPC (a write pin over a hole) · ETIMEDOUT with `holders` · AbortError · EBADF (write pin of a
   * file opened for reading) · EOPNOTSUPP (`longTerm`). Price: 2 µs and 2 µs a run; with `revocable: false` 0.3 µs.
   */
  async pin(options: PinOptions): Promise<Pin> {
    this.#checkPin(options)
    const limits = limitsOf(this.#fs, options)
    if (this.#daxMode() === 'never') {
      return this.#bouncePin(options, await bounceOf(this.#fs, this.#open, options, limits, this.path))
    }
    const pinned = await pinRange(this.#fs, this.#open, options, limits, this.path)
    return new Pin(this.#owner.pins, this, options, pinned)
  }

  /** The same without waiting, for hot loops: EAGAIN where `pin()` would wait. Price with `revocable: false`: 0.15 µs. */
  pinSync(options: PinOptions): Pin {
    this.#checkPin(options)
    if (this.#daxMode() === 'never') {
      throw systemError('EAGAIN', "direct access is off (dax: 'never'), a copy has to be read; use pin()", {
        syscall: 'pin',
        path: this.path,
      })
    }
    return new Pin(this.#owner.pins, this, options, pinRangeNow(this.#fs, this.#open, options, this.path))
  }

  /**
   * Writes bytes [start, end) to a FileHandle, socket, pipe or HTTP response straight from the blocks, pinning a window of
   * 1 MiB at a time; any other stream gets copies. Default: the whole file. Returns the bytes written: fewer when the
   * file gets shorter meanwhile.
   */
  async sendTo(target: WriteTarget, options: WaitOptions & { start?: number; end?: number } = {}): Promise<number> {
    const start = checkBytes('start', options.start ?? 0)
    const end = checkBytes('end', options.end ?? MAX_FILE_SIZE)
    this.#mayRead('sendTo')
    let sent = 0
    for (;;) {
      await mustRefresh(this.#fs, this.#open, 'sendTo', this.path)
      const offset = start + sent
      const length = Math.min(WINDOW_BYTES - (offset % WINDOW_BYTES), Math.min(end, this.#open.size) - offset)
      if (length <= 0) return sent
      using window = await this.#pinUnlessShorter({ ...options, offset, length, mode: 'read' })
      if (window !== undefined) sent += await window.writeTo(target, { signal: options.signal })
    }
  }

  /** Undefined: the file has got shorter since its size was looked at. */
  async #pinUnlessShorter(options: PinOptions): Promise<Pin | undefined> {
    try {
      return await this.pin(options)
    } catch (error) {
      if (codeOf(error) === 'ERANGE') return undefined
      throw error
    }
  }

  /**
   * Reads by copy, as FileHandle.read: `(buffer, offset = 0, length = rest, position = null)` or `(buffer, { … })`.
   * `position` null: at the file's position, which moves on. Returns `bytesRead` 0 at EOF. Price of 4 KiB: 1 µs.
   */
  async read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offsetOrOptions?: number | (WaitOptions & { offset?: number; length?: number; position?: number | null }),
    length?: number,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: T }> {
    const options =
      typeof offsetOrOptions === 'object' ? offsetOrOptions : { offset: offsetOrOptions, length, position }
    this.#mayRead('read')
    const target = partOf(buffer, options)
    const at = options.position ?? this.#position
    checkBytes('position', at)
    const limits = limitsOf(this.#fs, options)
    const bytesRead = await readInto(this.#fs, this.#open, target, at, limits, this.path)
    if (options.position === undefined || options.position === null) this.#position = at + bytesRead
    return { bytesRead, buffer }
  }

  /**
   * Writes by copy, as FileHandle.write: `(data, offset = 0, length = rest, position = null)` or `(data, { … })`; strings
   * as UTF-8. A file opened for appending writes at its end, atomically up to 1 MiB. Fewer bytes than asked: space ran
   * out after them. ENOSPC, EFBIG, EBADF.
   */
  async write<T extends NodeJS.ArrayBufferView | string>(
    data: T,
    offsetOrOptions?: number | (WaitOptions & { offset?: number; length?: number; position?: number | null }),
    length?: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: T }> {
    const options =
      typeof offsetOrOptions === 'object' ? offsetOrOptions : { offset: offsetOrOptions, length, position }
    this.#mayWrite('write')
    const source = partOf(typeof data === 'string' ? Buffer.from(data) : data, options)
    const at = options.position ?? this.#position
    checkBytes('position', at)
    const limits = limitsOf(this.#fs, options)
    const where = this.#mode.appends ? 'end' : at
    const { offset, bytesWritten } = await writeFrom(this.#fs, this.#open, source, where, limits, this.path)
    if (this.#mode.appends || options.position === undefined || options.position === null)
      this.#position = offset + bytesWritten
    return { bytesWritten, buffer: data }
  }

  /**
   * Sets the size. Shorter: a layout change, by `busy`: 'fail' → EBUSY, 'wait' → until idle or ETIMEDOUT, 'sequester' → at
   * once, pinned blocks go to lost+found. Errors carry `holders`; nothing has changed then. Longer: zeros, no blocks.
   */
  async truncate(length = 0, options: BusyOptions = {}): Promise<void> {
    checkBytes('length', length)
    this.#mayWrite('ftruncate')
    const limits = limitsOf(this.#fs, options)
    await mustRefresh(this.#fs, this.#open, 'ftruncate', this.path)
    const busy = busyPolicyOf(this.#fs, this.#open.inode, options)
    if (length < this.#open.size) {
      await this.#cut({ start: length, end: MAX_FILE_SIZE, size: length }, busy, limits, 'ftruncate')
    } else {
      await growTo(this.#fs, this.#open, length, limits, this.path)
    }
  }

  /** Takes the blocks of [offset, offset + length) out; the range reads as zeros, the size stays. A layout change, as `truncate`. */
  async punchHole(offset: number, length: number, options: BusyOptions = {}): Promise<void> {
    checkBytes('offset', offset)
    if (checkBytes('length', length) === 0) throw outOfRange('length', '>= 1', length)
    this.#mayWrite('fallocate')
    const limits = limitsOf(this.#fs, options)
    await mustRefresh(this.#fs, this.#open, 'fallocate', this.path)
    const end = Math.min(offset + length, this.#open.size)
    if (offset >= end) return
    const busy = busyPolicyOf(this.#fs, this.#open.inode, options)
    await this.#cut({ start: offset, end }, busy, limits, 'fallocate')
  }

  /** Gives blocks to [offset, offset + length), and grows the file to hold it. ENOSPC: nothing has changed. */
  async allocate(offset: number, length: number, options: WaitOptions = {}): Promise<void> {
    checkBytes('offset', offset)
    if (checkBytes('length', length) === 0) throw outOfRange('length', '>= 1', length)
    this.#mayWrite('fallocate')
    checkSize(offset + length, 'fallocate', this.path)
    const limits = limitsOf(this.#fs, options)
    const end = offset + length
    await allocateRange(this.#fs, this.#open, {
      start: offset,
      end,
      isGrowing: true,
      limits,
      syscall: 'fallocate',
      path: this.path,
    })
  }

  /** Resolves when no pin is left in the range; new ones are let in meanwhile. ETIMEDOUT with `holders`, AbortError. */
  async flushDma(options: RangeOptions = {}): Promise<void> {
    const start = checkBytes('offset', options.offset ?? 0)
    const end = start + checkBytes('length', options.length ?? MAX_FILE_SIZE - start)
    this.#mustBeOpen('flushDma')
    const limits = limitsOf(this.#fs, options)
    await flushDma(this.#fs, { ino: this.#open.ino, start, end, limits, syscall: 'flushDma', path: this.path })
  }

  /** Sets the file's own policies; they are stored with the file. */
  async configure(change: PolicyChange): Promise<void> {
    if (change.busy !== undefined && change.busy !== null) checkChoice('busy', change.busy, BUSY_POLICIES)
    if (change.dax !== undefined && change.dax !== null) checkChoice('dax', change.dax, DAX_MODES)
    this.#mustBeOpen('configure')
    const { busy, dax } = change
    const set = {
      ...(busy === undefined ? {} : { busy }),
      ...(dax === undefined ? {} : { dax }),
      nowNs: nowNs(this.#fs),
    }
    this.#open.inode = await this.#fs.metadata.setAttributes(this.#open.ino, set)
  }

  /** Makes everything written to the file so far durable: its blocks first, then the metadata. */
  async sync(): Promise<void> {
    this.#mustBeOpen('fsync')
    await storeTimes(this.#fs, this.#open)
    await this.#fs.device.flush()
    await this.#fs.metadata.sync()
  }

  async stat(): Promise<Stat> {
    this.#mustBeOpen('fstat')
    await storeTimes(this.#fs, this.#open)
    await mustRefresh(this.#fs, this.#open, 'fstat', this.path)
    return new Stat(this.#open.inode)
  }

  /** Closes the handle. Pins live on. The last close, in any process, of a file without a name lets its content go. A second call does nothing. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#owner.forget(this)
    await this.#fs.openInodes.close(this.#fs, this.#open)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** For pins: times and change count are stored at the next stat, sync or close. */
  contentChanged(): void {
    this.#open.hasNewContent = true
  }

  async #cut(
    cut: { start: number; end: number; size?: number },
    busy: BusyPolicy,
    limits: ReturnType<typeof limitsOf>,
    syscall: string,
  ): Promise<void> {
    const request = { ino: this.#open.ino, ...cut, busy, limits, syscall, path: this.path }
    // An edge inside of a block may need a fresh block, and the pool or its host be full: freeing must not fail for that.
    const breaking = (): ReturnType<typeof breakLayout> => breakLayout(this.#fs, request)
    const result = await withSpace(this.#fs, syscall, this.path, breaking, () => this.#fs.makeSpaceToFree())
    if (result?.layout !== undefined) {
      this.#open.inode = result.layout.inode
      this.#open.size = result.layout.inode.size
    }
    this.#fs.freed()
  }

  #daxMode(): DaxMode {
    return this.#open.inode.dax ?? this.#fs.properties.dax
  }

  #bouncePin(options: PinOptions, copy: Uint8Array<ArrayBuffer>): Pin {
    const open = this.#open
    open.handles++
    const writeBack = (): void => {
      if (options.mode === 'write') writeBounceBack(this.#fs, open, options.offset, copy, this.path)
      // What fails here is a failure of the store, which everything after meets as well.
      this.#fs.openInodes.close(this.#fs, open).catch((error: Error) => process.emitWarning(error))
    }
    const bounce = { record: this.#owner.nextBounceKey(), buffers: [copy], views: [] }
    return new Pin(this.#owner.pins, this, options, bounce, writeBack)
  }

  #checkPin({ offset, length, mode, longTerm }: PinOptions): void {
    if (!Number.isSafeInteger(offset) || offset < 0) checkBytes('offset', offset)
    if (!Number.isSafeInteger(length) || length < 1) {
      checkBytes('length', length)
      throw outOfRange('length', '>= 1', length)
    }
    if (mode !== 'read' && mode !== 'write') checkChoice('mode', mode, ['read', 'write'])
    if (longTerm === true) {
      const what = 'long-term pins need a layout lease, which this version does not have; pin for the time of one I/O'
      throw systemError('EOPNOTSUPP', what, { syscall: 'pin', path: this.path })
    }
    this.#mustBeOpen('pin')
    if (mode === 'write') this.#mayWrite('pin')
    else this.#mayRead('pin')
  }

  #mustBeOpen(syscall: string): void {
    if (!this.#isOpen) throw systemError('EBADF', 'the file is closed', { syscall, path: this.path })
  }

  #mayRead(syscall: string): void {
    this.#mustBeOpen(syscall)
    if (!this.#mode.mayRead)
      throw systemError('EBADF', 'the file was not opened for reading', { syscall, path: this.path })
  }

  #mayWrite(syscall: string): void {
    this.#mustBeOpen(syscall)
    if (!this.#mode.mayWrite)
      throw systemError('EBADF', 'the file was not opened for writing', { syscall, path: this.path })
  }
}

function partOf(
  buffer: NodeJS.ArrayBufferView,
  { offset = 0, length }: { offset?: number; length?: number },
): Uint8Array {
  if (!ArrayBuffer.isView(buffer)) throw wrongType('buffer', 'an ArrayBufferView or a string', buffer)
  checkBytes('offset', offset)
  const rest = buffer.byteLength - offset
  if (rest < 0) throw outOfRange('offset', `<= ${buffer.byteLength}`, offset)
  const bytes = length === undefined || length === null ? rest : checkBytes('length', length)
  if (bytes > rest) throw outOfRange('length', `<= ${rest}`, bytes)
  return new Uint8Array(buffer.buffer, buffer.byteOffset + offset, bytes)
}
