/**
 * The device in a regular file of ext4, XFS, btrfs or tmpfs, mapped whole and shared.
 *
 * In front of the blocks the file has a label (label.ts), which is the pool's to write.
 *
 * Invariants, beside those of `device.ts`
 *   1. The file is sparse: a block takes space of the host from `allocate` to `discard`.
 *   2. On btrfs the file is NOCOW. Copy-on-write needs space at every write, also to an allocated block, and the lack of
 *      it would be a SIGBUS.
 *   3. After a flush failed, every later flush and allocation fails. The kernel reports a lost write once and then takes
 *      the page for clean; a retry that succeeds would be a lie.
 *
 * Limits, both a SIGBUS at the next write, both only when the host is full, neither to be ruled out from here:
 *   - On ext4 and XFS another program that reads the device file of a live pool (a backup) fills the page cache with folios
 *     that span holes; writing an allocated block in one that was not in memory before needs space for the holes.
 *   - On XFS a copy by reflink, which is what cp(1) makes, and on btrfs a snapshot, shares the blocks; the first write to
 *     each needs a new one.
 * Take backups through the pool.
 *
 * Two processes may allocate and discard at once, in different runs. Durability: `flush` is fdatasync(2), which on these
 * file systems writes back pages that were dirtied through mappings and makes allocations and punches durable.
 */
import assert from 'node:assert/strict'
import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, unlinkSync } from 'node:fs'

import { codeOf, systemError } from '../errors.ts'
import { allocateSpaceWhole, extendTo, punchHole, tooLongForHost } from '../platform/file-space.ts'
import { fileSystemOf, isNoCopyOnWrite, setNoCopyOnWrite } from '../platform/file-system.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import { dropCachedPages } from '../platform/read-ahead.ts'
import { BLOCK_SIZE, bytesOf } from '../units.ts'
import type { BlockCount, Run } from '../units.ts'
import { checkBlockCount, checkRun } from './bounds.ts'
import type { Device } from './device.ts'
import { GrowingMap } from './growing-map.ts'
import { DATA_START } from './label.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants

export class FileDevice implements Device {
  readonly path: string
  readonly #fd: number
  readonly #map: GrowingMap
  #blockCount: BlockCount
  #failure: unknown
  #flushes = 0
  #isOpen = true

  /** Makes the file, which must not exist yet. After a failure there is none. EFBIG, ENOSPC, EEXIST, EOPNOTSUPP. */
  static create(path: string, blockCount: BlockCount): FileDevice {
    checkBlockCount(blockCount)
    assertSupportedPlatform()
    const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      const { type } = fileSystemOf(fd)
      if (type === 'btrfs') setNoCopyOnWrite(fd)
      checkHost(fd, path)
      setSize(fd, fileSizeOf(blockCount))
      // asks for what the file system must be able to do, while it is easy to say no
      allocateSpaceWhole(fd, 0, BLOCK_SIZE)
      punchHole(fd, 0, BLOCK_SIZE)
      return new FileDevice(path, fd, blockCount)
    } catch (error) {
      closeSync(fd)
      unlinkSync(path)
      throw withPath(error, path)
    }
  }

  /** Opens the file, which must hold at least so many blocks. It may hold more: another process is growing it. */
  static open(path: string, blockCount: BlockCount): FileDevice {
    checkBlockCount(blockCount)
    assertSupportedPlatform()
    const fd = openRegularFile(path, O_RDWR)
    try {
      checkHost(fd, path)
      checkSize(fd, path, blockCount)
      return new FileDevice(path, fd, blockCount)
    } catch (error) {
      closeSync(fd)
      throw withPath(error, path)
    }
  }

  private constructor(path: string, fd: number, blockCount: BlockCount) {
    this.path = path
    this.#fd = fd
    this.#map = new GrowingMap(fd, DATA_START, blockCount)
    this.#blockCount = blockCount
  }

  get blockCount(): BlockCount {
    return this.#blockCount
  }

  map(run: Run): ArrayBuffer {
    this.#check(run)
    return this.#map.view(run)
  }

  /** Starts reading the run into memory and does not wait: for runs that will be read whole. Advice, never an error. */
  prefetch(run: Run): void {
    this.#check(run)
    this.#map.prefetch(run)
  }

  allocate(run: Run): void {
    this.#check(run)
    this.#refuseAfterFailure('fallocate')
    try {
      allocateSpaceWhole(this.#fd, DATA_START + bytesOf(run.start), bytesOf(run.count))
    } catch (error) {
      throw withPath(error, this.path)
    }
  }

  discard(run: Run): void {
    this.#check(run)
    try {
      punchHole(this.#fd, DATA_START + bytesOf(run.start), bytesOf(run.count))
    } catch (error) {
      throw withPath(error, this.path)
    }
  }

  /** Lets go of what the page cache has of it, when nothing was touched through the mapping yet. Advice, never an error. */
  dropCache(): void {
    dropCachedPages(this.#fd)
  }

  async flush(): Promise<void> {
    assert(this.#isOpen, 'the device is open')
    this.#refuseAfterFailure('fdatasync')
    this.#flushes++
    try {
      await new Promise<void>((resolve, reject) => {
        fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)))
      })
    } catch (error) {
      throw this.#fail(error)
    } finally {
      this.#flushes--
      this.#closeFileWhenIdle()
    }
    // another flush, or a flushRun, may have been told of the loss in our place
    this.#refuseAfterFailure('fdatasync')
  }

  flushRun(run: Run): void {
    this.#check(run)
    this.#refuseAfterFailure('msync')
    try {
      this.#map.sync(run)
    } catch (error) {
      throw this.#fail(error)
    }
  }

  grow(blockCount: BlockCount): void {
    assert(this.#isOpen, 'the device is open')
    checkBlockCount(blockCount)
    if (blockCount <= this.#blockCount) return
    // Not ftruncate: another process may have grown it further since we looked, and that would cut it off.
    if (fstatSync(this.#fd).size < fileSizeOf(blockCount)) extendTo(this.#fd, fileSizeOf(blockCount))
    this.#adopt(blockCount)
  }

  #adopt(blockCount: BlockCount): void {
    this.#map.grow(blockCount)
    this.#blockCount = blockCount
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#map.unmap()
    this.#closeFileWhenIdle()
  }

  /** A descriptor closed under a running fdatasync could be another file's by then. */
  #closeFileWhenIdle(): void {
    if (!this.#isOpen && this.#flushes === 0) closeSync(this.#fd)
  }

  #check(run: Run): void {
    assert(this.#isOpen, 'the device is open')
    if (run.start + run.count > this.#blockCount) this.#lookForGrowth()
    checkRun(run, this.#blockCount)
  }

  /** Another process may have grown the device, and files have blocks there since. */
  #lookForGrowth(): void {
    const blockCount = Math.floor((fstatSync(this.#fd).size - DATA_START) / BLOCK_SIZE) as BlockCount
    if (blockCount > this.#blockCount) this.#adopt(blockCount)
  }

  #fail(error: unknown): unknown {
    this.#failure ??= error
    return withPath(error, this.path)
  }

  #refuseAfterFailure(syscall: string): void {
    if (this.#failure === undefined) return
    const explanation = `an earlier flush failed (${codeOf(this.#failure) ?? 'unknown'}) and data may be lost; see to the disk, then open the pool again`
    throw systemError('EIO', explanation, { syscall, path: this.path, cause: this.#failure })
  }
}

/** Bytes of the file of a device of so many blocks. */
export const fileSizeOf = (blockCount: number): number => DATA_START + bytesOf(blockCount)

/** Of a new file. */
function setSize(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size)
  } catch (error) {
    throw codeOf(error) === 'EFBIG' ? tooLongForHost(size, 'ftruncate') : error
  }
}

/** Opens the file of a device that is there, for reading only. Checked as `FileDevice.open` checks it. */
export function openForReads(path: string, blockCount: BlockCount): number {
  const fd = openRegularFile(path, O_RDONLY)
  try {
    if (!fstatSync(fd).isFile()) throw notRegular(path)
    checkSize(fd, path, blockCount)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function openRegularFile(path: string, access: number): number {
  try {
    // O_NONBLOCK: a named pipe or a terminal put there must not keep us waiting
    return openSync(path, access | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    const code = codeOf(error)
    switch (code) {
      case 'ENOENT':
        throw systemError(code, 'the device file is missing; restore it from a backup', { syscall: 'open', path })
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw systemError(code, `the device file must be ${access === O_RDWR ? 'readable and writable' : 'readable'}`, {
          syscall: 'open',
          path,
        })
      case 'ELOOP':
        throw notRegular(path)
      case 'EISDIR':
      case 'ENXIO':
        throw notRegular(path)
      default:
        throw error
    }
  }
}

function notRegular(path: string): Error {
  return systemError('EINVAL', 'the device must be a regular file, not a link, directory or special file', {
    syscall: 'open',
    path,
  })
}

function checkHost(fd: number, path: string): void {
  if (!fstatSync(fd).isFile()) throw notRegular(path)
  const { type, magic } = fileSystemOf(fd)
  if (type === 'other') {
    const explanation = `a file system of this kind (statfs type 0x${magic.toString(16)}) cannot hold a device; put the pool on ext4, XFS, btrfs or tmpfs`
    throw systemError('EOPNOTSUPP', explanation, { syscall: 'statfs', path })
  }
  if (type === 'btrfs' && !isNoCopyOnWrite(fd)) {
    const explanation =
      'on btrfs the device must be a NOCOW file, and this one is not; make a new pool and copy the files over'
    throw systemError('EOPNOTSUPP', explanation, { syscall: 'ioctl', path })
  }
}

function checkSize(fd: number, path: string, blockCount: number): void {
  const { size } = fstatSync(fd)
  if (size >= fileSizeOf(blockCount)) return
  const explanation = `the device file has ${size} bytes and should have ${fileSizeOf(blockCount)}; restore it from a backup`
  throw systemError('EUCLEAN', explanation, { syscall: 'fstat', path })
}

/** The modules below work on descriptors and do not know the path. */
function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && codeOf(error) !== undefined && !('path' in error)) {
    Object.assign(error, { path })
    error.message += ` '${path}'`
  }
  return error
}
