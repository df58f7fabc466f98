/**
 * A device in memory, for tests and for pools that need not outlive their process: a memfd, mapped and shared, so that
 * maps of one run show the same bytes. Nothing is ever durable.
 *
 * It counts the blocks that are allocated, against a host that may be made as small as a test wants. Touching a block that
 * is not allocated cannot be trapped; `isAllocated` lets a test ask.
 */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync } from 'node:fs'

import { systemError } from '../errors.ts'
import { punchHole } from '../platform/file-space.ts'
import { createMemoryFile } from '../platform/memory-file.ts'
import { bytesOf } from '../units.ts'
import type { BlockCount, Run } from '../units.ts'
import { BlockSet } from './block-set.ts'
import { checkBlockCount, checkRun } from './bounds.ts'
import type { Device } from './device.ts'
import { GrowingMap } from './growing-map.ts'

/** The memory and its host, which every opening of the device shares. */
interface Shared {
  readonly fd: number
  readonly allocated: BlockSet
  hostBlocks: number
  blockCount: number
  openings: number
}

export interface MemoryDeviceOptions {
  /** Blocks that the host has to give. Default: no limit. */
  hostBlocks?: number | undefined
}

export class MemoryDevice implements Device {
  readonly #shared: Shared
  readonly #map: GrowingMap
  #blockCount: BlockCount
  #isOpen = true

  static create(blockCount: BlockCount, options: MemoryDeviceOptions = {}): MemoryDevice {
    checkBlockCount(blockCount)
    const fd = createMemoryFile('holdfast-device')
    try {
      ftruncateSync(fd, bytesOf(blockCount))
      const hostBlocks = options.hostBlocks ?? Infinity
      return new MemoryDevice({ fd, allocated: new BlockSet(), hostBlocks, blockCount, openings: 0 }, blockCount)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  private constructor(shared: Shared, blockCount: BlockCount) {
    this.#map = new GrowingMap(shared.fd, 0, blockCount)
    this.#shared = shared
    this.#blockCount = blockCount
    shared.openings++
  }

  /** A second opening of the same memory, as another process would have it. The memory goes with the last one closed. */
  openAgain(): MemoryDevice {
    assert(this.#isOpen, 'the device is open')
    return new MemoryDevice(this.#shared, this.#blockCount)
  }

  get blockCount(): BlockCount {
    return this.#blockCount
  }

  /** How many blocks take space of the host. */
  get allocatedBlocks(): number {
    return this.#shared.allocated.size
  }

  /** Changes what the host has to give; below what is allocated nothing is taken away. */
  setHostBlocks(hostBlocks: number): void {
    this.#shared.hostBlocks = hostBlocks
  }

  /** Whether every block of the run is allocated. */
  isAllocated(run: Run): boolean {
    this.#check(run)
    for (let block = run.start as number; block < run.start + run.count; block++) {
      if (!this.#shared.allocated.has(block)) return false
    }
    return true
  }

  map(run: Run): ArrayBuffer {
    this.#check(run)
    return this.#map.view(run)
  }

  /** Memory is where it is. */
  prefetch(run: Run): void {
    this.#check(run)
  }

  allocate(run: Run): void {
    this.#check(run)
    const { allocated, hostBlocks } = this.#shared
    const missing: number[] = []
    for (let block = run.start as number; block < run.start + run.count; block++) {
      if (!allocated.has(block)) missing.push(block)
    }
    if (missing.length > 0 && allocated.size + missing.length > hostBlocks) {
      throw systemError('ENOSPC', `the host has only ${hostBlocks} blocks; discard some or raise its limit`, {
        syscall: 'allocate',
      })
    }
    for (const block of missing) allocated.add(block)
  }

  discard(run: Run): void {
    this.#check(run)
    punchHole(this.#shared.fd, bytesOf(run.start), bytesOf(run.count))
    for (let block = run.start as number; block < run.start + run.count; block++) this.#shared.allocated.delete(block)
  }

  async flush(): Promise<void> {
    assert(this.#isOpen, 'the device is open')
  }

  flushRun(run: Run): void {
    this.#check(run)
  }

  grow(blockCount: BlockCount): void {
    assert(this.#isOpen, 'the device is open')
    checkBlockCount(blockCount)
    if (blockCount <= this.#blockCount) return
    if (blockCount > this.#shared.blockCount) {
      ftruncateSync(this.#shared.fd, bytesOf(blockCount))
      this.#shared.blockCount = blockCount
    }
    this.#map.grow(blockCount)
    this.#blockCount = blockCount
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#map.unmap()
    this.#shared.openings--
    if (this.#shared.openings === 0) closeSync(this.#shared.fd)
  }

  #check(run: Run): void {
    assert(this.#isOpen, 'the device is open')
    if (run.start + run.count > this.#blockCount) this.grow(this.#shared.blockCount as BlockCount)
    checkRun(run, this.#blockCount)
  }
}
