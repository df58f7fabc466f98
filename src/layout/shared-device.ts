/**
 * The device of a pool as its participants share it: what one of them does to it, or meets, that concerns the others is
 * told through the pin table.
 *
 * What may take pages out of the page cache leaves a mark (punch-marks.ts). Allocation does too: it punches the holes it is
 * about to fill. A failed sync is told to everybody, and after anybody's nothing is made durable and no space given any
 * more (docs/internals/durability.md); mapped bytes stay usable.
 *
 * Blocks that it does not have come from damaged metadata: EUCLEAN, and no mistake of the caller's.
 */
import type { Device } from '../device/device.ts'
import { codeOf, isOfSync, syncHasFailed, systemError } from '../errors.ts'
import type { SyncGuard } from '../errors.ts'
import type { BlockCount, Run } from '../units.ts'
import type { PunchMarks } from './punch-marks.ts'

export class SharedDevice implements Device {
  readonly #device: Device
  readonly #path: string
  readonly #guard: SyncGuard
  readonly #marks: PunchMarks

  /** `path`: of the device, for errors. */
  constructor(device: Device, path: string, guard: SyncGuard, marks: PunchMarks) {
    this.#device = device
    this.#path = path
    this.#guard = guard
    this.#marks = marks
  }

  get blockCount(): BlockCount {
    return this.#device.blockCount
  }

  map(run: Run): ArrayBuffer {
    return this.#inside(run, 'mmap', () => this.#device.map(run))
  }

  prefetch(run: Run): void {
    this.#inside(run, 'madvise', () => this.#device.prefetch(run))
  }

  allocate(run: Run): void {
    this.#refuseAfterFailure('fallocate')
    this.#inside(run, 'fallocate', () => this.#marks.during(run, () => this.#device.allocate(run)))
  }

  discard(run: Run): void {
    this.#inside(run, 'fallocate', () => this.#marks.during(run, () => this.#device.discard(run)))
  }

  async flush(): Promise<void> {
    this.#refuseAfterFailure('fdatasync')
    try {
      await this.#device.flush()
    } catch (error) {
      if (isOfSync(error)) this.#guard.onSyncFailed()
      throw error
    }
    // The kernel tells each descriptor of a loss once: it may have been told to somebody else meanwhile.
    this.#refuseAfterFailure('fdatasync')
  }

  flushRun(run: Run): void {
    this.#refuseAfterFailure('msync')
    try {
      this.#inside(run, 'msync', () => this.#device.flushRun(run))
    } catch (error) {
      if (isOfSync(error)) this.#guard.onSyncFailed()
      throw error
    }
  }

  grow(blockCount: BlockCount): void {
    this.#refuseAfterFailure('ftruncate')
    this.#device.grow(blockCount)
  }

  close(): void {
    this.#device.close()
  }

  /** The device itself looks whether it has the blocks: others may have made it larger. */
  #inside<T>({ start, count }: Run, syscall: string, action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (codeOf(error) !== 'ERR_OUT_OF_RANGE') throw error
      const what = `the metadata tell of blocks ${start} to ${start + count - 1}, the device has ${this.blockCount}; run fsck`
      throw systemError('EUCLEAN', what, { syscall, path: this.#path, cause: error })
    }
  }

  #refuseAfterFailure(syscall: string): void {
    if (this.#guard.hasSyncFailed()) throw syncHasFailed(syscall, this.#path)
  }
}
