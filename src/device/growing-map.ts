/**
 * A mapping of a whole file that can grow while views of it live.
 *
 * Invariants
 *   1. A mapping is never replaced: views of it stay good until `unmap`.
 *   2. Address space is taken up to the next power of two, so that growing seldom needs another mapping. All mappings
 *      together take less than four times the size; the largest device, 16 TiB, stays far below the 128 TiB there are.
 *
 * Addresses past the end of the file are mapped but must not be touched; the devices check bounds. Callers: the devices.
 */
import assert from 'node:assert/strict'

import { mapShared } from '../platform/memory-map.ts'
import type { MappedMemory } from '../platform/memory-map.ts'
import { bytesOf } from '../units.ts'
import type { Run } from '../units.ts'

export class GrowingMap {
  readonly #fd: number
  readonly #start: number
  /** The newest last. */
  readonly #mappings: MappedMemory[] = []

  /** Block 0 is at byte `start` of the file. The descriptor must stay open until `unmap`, or no `grow` may follow. */
  constructor(fd: number, start: number, blockCount: number) {
    this.#fd = fd
    this.#start = start
    this.grow(blockCount)
  }

  /** The caller has checked that the run is within the file. */
  view(run: Run): ArrayBuffer {
    return this.#newest().view(bytesOf(run.start), bytesOf(run.count))
  }

  prefetch(run: Run): void {
    this.#newest().prefetch(bytesOf(run.start), bytesOf(run.count))
  }

  sync(run: Run): void {
    this.#newest().sync(bytesOf(run.start), bytesOf(run.count))
  }

  grow(blockCount: number): void {
    const newest = this.#mappings.at(-1)
    if (newest !== undefined && newest.length >= bytesOf(blockCount)) return
    this.#mappings.push(mapShared(this.#fd, this.#start, bytesOf(2 ** Math.ceil(Math.log2(blockCount)))))
  }

  unmap(): void {
    for (const mapping of this.#mappings.splice(0)) mapping.unmap()
  }

  #newest(): MappedMemory {
    const newest = this.#mappings.at(-1)
    assert(newest !== undefined, 'the device is open')
    return newest
  }
}
