/**
 * The device for who may only read it, or who wants no part in it. Bytes are copied out through a descriptor; there is no
 * mapping.
 *
 * Why not mapped. Whoever reads here claims nothing, so a block may be discarded while it is read. Through a mapping, a
 * fault on it takes a page of a tmpfs, and is a SIGBUS when that is full (promise 7); a read through a descriptor finds
 * zeros, which the caller throws away when it looks at the generation again (layout/observer.ts). A broken disk is an
 * error then, too, and no signal.
 *
 * Order. The kernel puts each page back after copying out of it, which is a full barrier: what is loaded after `read`
 * returned is loaded after the bytes were.
 */
import assert from 'node:assert/strict'
import { closeSync, fdatasync, readSync } from 'node:fs'

import { openForReading, systemError } from '../errors.ts'
import { readWithoutReadAhead } from '../platform/read-ahead.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import type { BlockCount } from '../units.ts'
import { checkBlockCount } from './bounds.ts'
import type { Device } from './device.ts'
import { openForReads } from './file-device.ts'
import { DATA_START } from './label.ts'

/** Reads up to this length share one piece of memory. */
const SCRATCH_BYTES = 1 << 20

export class ReadOnlyDevice implements Device {
  readonly path: string
  /** At the opening; others may have grown the device since. */
  readonly blockCount: BlockCount
  readonly #fd: number
  #scratch: Uint8Array<ArrayBuffer> | undefined
  #flushes = 0
  #isOpen = true

  /** Opens the file, which must hold at least so many blocks. ENOENT, EACCES, EINVAL, EUCLEAN. */
  constructor(path: string, blockCount: BlockCount) {
    checkBlockCount(blockCount)
    assertSupportedPlatform()
    this.path = path
    this.blockCount = blockCount
    this.#fd = openForReads(path, blockCount)
    readWithoutReadAhead(this.#fd)
  }

  /** A copy of `length` bytes from byte `start` of the device, good until the next call. Price of 4 KiB: 2 µs. EIO. */
  read(start: number, length: number): Uint8Array {
    assert(this.#isOpen, 'the device is open')
    const target = length > SCRATCH_BYTES ? new Uint8Array(length) : this.#scratchOf(length)
    for (let done = 0; done < length;) {
      const count = readSync(this.#fd, target, done, length - done, DATA_START + start + done)
      if (count === 0) {
        const explanation = `the device ends before byte ${start + length}; check the pool with fsck`
        throw systemError('EUCLEAN', explanation, { syscall: 'read', path: this.path })
      }
      done += count
    }
    return target
  }

  #scratchOf(length: number): Uint8Array {
    return (this.#scratch ??= new Uint8Array(SCRATCH_BYTES)).subarray(0, length)
  }

  /** What others wrote before the call is durable when it resolves. */
  async flush(): Promise<void> {
    assert(this.#isOpen, 'the device is open')
    this.#flushes++
    try {
      await new Promise<void>((resolve, reject) => {
        fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)))
      })
    } finally {
      this.#flushes--
      this.#closeFileWhenIdle()
    }
  }

  /** Reads bring in what they ask for. */
  prefetch(): void {}

  map(): never {
    throw openForReading('mmap', this.path)
  }

  allocate(): never {
    throw openForReading('fallocate', this.path)
  }

  discard(): never {
    throw openForReading('fallocate', this.path)
  }

  flushRun(): never {
    throw openForReading('msync', this.path)
  }

  grow(): never {
    throw openForReading('ftruncate', this.path)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#closeFileWhenIdle()
  }

  /** A descriptor closed under a running fdatasync could be another file's by then. */
  #closeFileWhenIdle(): void {
    if (!this.#isOpen && this.#flushes === 0) closeSync(this.#fd)
  }
}
