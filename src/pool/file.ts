/**
 * File: an open file of a pool, shaped like node:fs' FileHandle, with pins.
 *
 * Reads and writes of this class copy; `pin` gives the blocks themselves.
 */
import { checkBytes, codeOf, outOfRange, systemError, wrongType } from '../errors.ts'
import { copyRange } from '../files/copies.ts'
import { mustRefresh, readInto, writeFrom } from '../files/data.ts'
import type { BusyOptions, WaitOptions } from '../files/file-system.ts'
import { busyPolicyOf, limitsOf } from '../files/file-system.ts'
import { allocateRange, checkSize } from '../files/growth.ts'
import type { Pinned, PinRange } from '../files/pinning.ts'
import { pinKnown, pinRange, pinRangeNow, pinStable } from '../files/pinning.ts'
import type { Cutting } from '../files/ranges.ts'
import { collapse, cuttingOf, insert, punch, resize, seek, zero } from '../files/ranges.ts'
import { flushDma } from '../layout/flush-dma.ts'
import type { Limits } from '../layout/waiting.ts'
import type { DaxMode } from '../metadata/metadata.ts'
import { pageAligned } from '../platform/page-aligned.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import { bounceOf, writeBounceBack } from './bounce-pin.ts'
import { LeasedFile } from './leased-file.ts'
import { Pin } from './pin.ts'
import type { WriteTarget } from './pin-io.ts'
import { writeFromPin } from './pin-io.ts'
import type { PinOptions } from './pin-options.ts'
import { checkPinOptions, publishesNoPins } from './pin-options.ts'
import { Position } from './position.ts'

export interface RangeOptions extends WaitOptions {
  /** Default 0. */
  offset?: number | undefined
  /** Default: to the end of the file. */
  length?: number | undefined
}

/** Bytes of the windows that `sendTo` pins, one after the other. */
const WINDOW_BYTES = 1 << 20

export class File extends LeasedFile {
  readonly #position = new Position()

  /**
   * Pins a byte range: its blocks stay the file's content, or become lost+found's, until release; nobody else gets them
   * (promise 1). All of it or nothing (promise 9). Waits while a layout change of the range is under way.
   *
   * ERANGE past EOF · ENOSPC (a write pin over a hole) · ENOMEM (holes longer than memory) · ETIMEDOUT with `holders` · AbortError · EBADF (write pin of a
   * file opened for reading) · EROFS (a pool opened for reading only) · EOPNOTSUPP, ESTALE (`longTerm`). Price: 2 µs and 2 µs a
   * run; with `revocable: false` 0.3 µs.
   */
  async pin(options: PinOptions): Promise<Pin> {
    this.#checkPin(options)
    const limits = limitsOf(this.fs, options)
    const lease = options.longTerm === true ? this.leaseFor(options.offset, options.length) : undefined
    const pin =
      this.#daxMode() === 'never'
        ? this.#bouncePin(options, await bounceOf(this.fs, this.opened, options, limits, this.path))
        : this.#newPin(options, await this.#pinned(options, limits))
    return lease === undefined ? pin : this.hold(lease, pin)
  }

  async #pinned(options: PinOptions, limits: Limits): Promise<Pinned> {
    if (options.stable !== true) return pinRange(this.fs, this.opened, options, limits, this.path)
    await mustRefresh(this.fs, this.opened, 'pin', this.path)
    const busy = busyPolicyOf(this.fs, this.opened.inode, options)
    return pinStable(this.fs, this.opened, options, { busy, limits }, this.path)
  }

  /** The same without waiting, for hot loops: EAGAIN where `pin()` would wait. Price with `revocable: false`: 0.1 µs. */
  pinSync(options: PinOptions): Pin {
    const pinned = this.mayPin ? pinKnown(this.fs, this.opened, options) : undefined
    if (pinned === undefined) return this.#pinAtOnce(options)
    const { pins } = this.owner
    return pins.add(new Pin(pins, this, options, pinned), pinned.record)
  }

  #pinAtOnce(options: PinOptions): Pin {
    this.#checkPin(options)
    if (options.stable === true || this.#daxMode() === 'never') throw this.#mustWait(options)
    const lease = options.longTerm === true ? this.leaseFor(options.offset, options.length) : undefined
    const pin = this.#newPin(options, pinRangeNow(this.fs, this.opened, options, this.path))
    return lease === undefined ? pin : this.hold(lease, pin)
  }

  /**
   * Writes bytes [start, end) to a FileHandle, socket, pipe or HTTP response straight from the blocks, pinning a window of
   * 1 MiB at a time; any other stream gets copies, as everything does from a pool that is open for reading only. Default:
   * the whole file. Returns the bytes written: fewer when the file gets shorter meanwhile.
   */
  async sendTo(target: WriteTarget, options: WaitOptions & { start?: number; end?: number } = {}): Promise<number> {
    const start = checkBytes('start', options.start ?? 0)
    const end = checkBytes('end', options.end ?? MAX_FILE_SIZE)
    this.mayRead('sendTo')
    let sent = 0
    for (;;) {
      await mustRefresh(this.fs, this.opened, 'sendTo', this.path)
      const offset = start + sent
      const length = Math.min(WINDOW_BYTES - (offset % WINDOW_BYTES), Math.min(end, this.opened.size) - offset)
      if (length <= 0) return sent
      if (this.fs.isReadOnly) {
        const copy = pageAligned(length)
        const bytes = await readInto(this.fs, this.opened, copy, offset, limitsOf(this.fs, options), this.path)
        sent += await writeFromPin([copy.subarray(0, bytes)], target, { signal: options.signal })
        continue
      }
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
   * `position` null: at the file's position, which moves on, also when several are asked for at once: they and such writes go
   * in turn. Returns `bytesRead` 0 at EOF. Price of 4 KiB: 1 µs.
   */
  async read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offsetOrOptions?: number | (WaitOptions & { offset?: number; length?: number; position?: number | null }),
    length?: number,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: T }> {
    const options =
      typeof offsetOrOptions === 'object' ? offsetOrOptions : { offset: offsetOrOptions, length, position }
    this.mayRead('read')
    const target = partOf(buffer, options)
    const limits = limitsOf(this.fs, options)
    const { bytesRead } = await this.#position.at(options.position, async (from) => {
      const bytes = await readInto(this.fs, this.opened, target, from, limits, this.path)
      return { bytesRead: bytes, end: from + bytes }
    })
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
    this.mayWrite('write')
    const source = partOf(typeof data === 'string' ? Buffer.from(data) : data, options)
    const limits = limitsOf(this.fs, options)
    const { bytesWritten } = await this.#position.at(options.position, async (from) => {
      if (source.length === 0) return { bytesWritten: 0, end: from }
      const where = this.mode.appends ? 'end' : from
      const written = await writeFrom(this.fs, this.opened, source, where, limits, this.path)
      return { ...written, end: written.offset + written.bytesWritten }
    })
    if (this.mode.syncs) await this.sync()
    return { bytesWritten, buffer: data }
  }

  /**
   * Sets the size. Shorter: a layout change, by `busy`: 'fail' → EBUSY, 'wait' → until idle or ETIMEDOUT, 'sequester' → at
   * once, pinned blocks go to lost+found. Errors carry `holders`; nothing has changed then. Longer: zeros, no blocks.
   */
  async truncate(length = 0, options: BusyOptions = {}): Promise<void> {
    checkBytes('length', length)
    await resize(this.fs, this.opened, length, await this.#cutting('ftruncate', options))
  }

  /** Takes the blocks of [offset, offset + length) out; the range reads as zeros, the size stays. A layout change, as `truncate`. */
  async punchHole(offset: number, length: number, options: BusyOptions = {}): Promise<void> {
    const end = checkRange(offset, length)
    await punch(this.fs, this.opened, offset, end, await this.#cutting('fallocate', options))
  }

  /**
   * Makes [offset, offset + length) zeros in blocks of its own, and grows the file to hold it unless `keepSize`. A layout
   * change, as `truncate`: what was there leaves the file. ENOSPC: nothing has changed.
   */
  async zeroRange(offset: number, length: number, options: BusyOptions & { keepSize?: boolean } = {}): Promise<void> {
    const end = this.#endToFill(offset, length)
    const how = await this.#cutting('fallocate', options)
    await zero(this.fs, this.opened, { start: offset, end, keepsSize: options.keepSize === true }, how)
  }

  /**
   * Takes [offset, offset + length) out and closes the gap: what follows moves down, the file gets shorter. Both multiples
   * of 4096, the range before EOF, else EINVAL. A layout change of all from `offset` on, as `truncate`; under 'sequester'
   * pinned blocks that move stay in the file, at their new place.
   */
  async collapseRange(offset: number, length: number, options: BusyOptions = {}): Promise<void> {
    checkRange(offset, length)
    await collapse(this.fs, this.opened, offset, length, await this.#cutting('fallocate', options))
  }

  /** Makes room at `offset`: what is there moves up by `length`, a hole comes between. As `collapseRange`; EFBIG. */
  async insertRange(offset: number, length: number, options: BusyOptions = {}): Promise<void> {
    checkRange(offset, length)
    await insert(this.fs, this.opened, offset, length, await this.#cutting('fallocate', options))
  }

  /** Gives blocks to [offset, offset + length), and grows the file to hold it unless `keepSize`. ENOSPC: nothing has changed. */
  async allocate(offset: number, length: number, options: WaitOptions & { keepSize?: boolean } = {}): Promise<void> {
    const end = this.#endToFill(offset, length)
    const limits = limitsOf(this.fs, options)
    const isGrowing = options.keepSize !== true
    await allocateRange(this.fs, this.opened, {
      start: offset,
      end,
      isGrowing,
      limits,
      syscall: 'fallocate',
      path: this.path,
    })
  }

  /** The first byte at or behind `offset` that has a block, as SEEK_DATA. ENXIO: none up to EOF. */
  async seekData(offset: number): Promise<number> {
    return this.#seek(offset, 'data')
  }

  /** The first byte at or behind `offset` that has no block, as SEEK_HOLE; EOF counts as a hole. ENXIO past EOF. */
  async seekHole(offset: number): Promise<number> {
    return this.#seek(offset, 'hole')
  }

  async #seek(offset: number, what: 'data' | 'hole'): Promise<number> {
    checkBytes('offset', offset)
    this.mustBeOpen('lseek')
    return seek(this.fs, this.opened, offset, what, this.path)
  }

  /**
   * Copies `length` bytes from `offset` of another file of the pool (or this one; the ranges must not overlap) to
   * `position`. Returns the bytes copied: fewer when the source ends. ENOSPC, EFBIG, EINVAL, EBADF (also when this file
   * was opened for appending).
   */
  async copyFrom(
    source: File,
    options: WaitOptions & { offset?: number; length?: number; position?: number } = {},
  ): Promise<number> {
    const { offset = 0, length = MAX_FILE_SIZE, position = 0 } = options
    checkBytes('offset', offset)
    checkBytes('length', length)
    checkBytes('position', position)
    if (!(source instanceof File) || source.fs !== this.fs) throw wrongType('source', 'a file of the same pool', source)
    source.mayRead('copy_file_range')
    this.mayWrite('copy_file_range')
    if (this.mode.appends)
      throw systemError('EBADF', 'the file was opened for appending', { syscall: 'copy_file_range', path: this.path })
    return copyRange(this.fs, {
      from: source.opened,
      start: offset,
      length,
      to: this.opened,
      position,
      limits: limitsOf(this.fs, options),
      path: source.path,
      dest: this.path,
    })
  }

  /** Resolves when no pin is left in the range; new ones are let in meanwhile. ETIMEDOUT with `holders`, AbortError. */
  async flushDma(options: RangeOptions = {}): Promise<void> {
    const start = checkBytes('offset', options.offset ?? 0)
    const end = start + checkBytes('length', options.length ?? MAX_FILE_SIZE - start)
    this.mustBeOpen('flushDma')
    const limits = limitsOf(this.fs, options)
    await flushDma(this.fs, { ino: this.opened.ino, start, end, limits, syscall: 'flushDma', path: this.path })
  }

  /** For a layout change: the file as it is now, and the policy that follows from it. */
  async #cutting(syscall: string, options: BusyOptions): Promise<Cutting> {
    this.mayWrite(syscall)
    const { busy } = options
    const call = { busy, limits: limitsOf(this.fs, options), syscall, path: this.path }
    return cuttingOf(this.fs, this.opened, call, this.leaseRecords)
  }

  #endToFill(offset: number, length: number): number {
    const end = checkRange(offset, length)
    this.mayWrite('fallocate')
    checkSize(end, 'fallocate', this.path)
    return end
  }

  #mustWait({ stable }: PinOptions): Error {
    const what =
      stable === true
        ? 'a stable pin may have to wait for those who write'
        : "direct access is off (dax: 'never'), a copy has to be read"
    return systemError('EAGAIN', `${what}; use pin()`, { syscall: 'pin', path: this.path })
  }

  #refuseReadPin(): void {
    if (this.fs.isReadOnly) throw publishesNoPins(this.path)
    this.mayRead('pin')
  }

  #daxMode(): DaxMode {
    return this.opened.inode.dax ?? this.fs.properties.dax
  }

  #bouncePin(options: PinOptions, copy: Uint8Array<ArrayBuffer>): Pin {
    const open = this.opened
    open.handles++
    const writeBack = (): void => {
      if (options.mode === 'write') writeBounceBack(this.fs, open, options.offset, copy, this.path)
      // What fails here is a failure of the store, which everything after meets as well.
      this.fs.openInodes.close(this.fs, open)?.catch((error: Error) => process.emitWarning(error))
    }
    const views = options.revocable === false ? undefined : []
    return this.#newPin(options, { record: this.owner.nextBounceKey(), content: copy, views, writeBack })
  }

  #newPin(range: PinRange, pinned: Pinned): Pin {
    const { pins } = this.owner
    const pin = new Pin(pins, this, range, pinned)
    if (range.mode === 'write') this.contentChanged()
    return range.stable === true ? pins.addStable(pin, pinned.record) : pins.add(pin, pinned.record)
  }

  #checkPin(options: PinOptions): void {
    checkPinOptions(options, this.path)
    if (options.mode === 'write') this.mayWrite('pin')
    else if (!this.mayPin) this.#refuseReadPin()
  }
}

/** The end of a range of at least one byte. */
function checkRange(offset: number, length: number): number {
  checkBytes('offset', offset)
  if (checkBytes('length', length) === 0) throw outOfRange('length', '>= 1', length)
  return offset + length
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
