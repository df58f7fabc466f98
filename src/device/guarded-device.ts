/**
 * A device as a pool uses it, which trusts neither disk nor metadata.
 *
 * It takes part in a pool's promise about failed syncs (docs/internals/durability.md): its own failures are told to everybody,
 * and after anybody's it makes nothing durable and gives no space any more. Mapped bytes stay usable.
 *
 * Blocks that it does not have come from damaged metadata: EUCLEAN, and no mistake of the caller's.
 */
import { codeOf, isOfSync, syncHasFailed, systemError } from '../errors.ts'
import type { SyncGuard } from '../errors.ts'
import type { BlockCount, Run } from '../units.ts'
import type { Device } from './device.ts'

export class GuardedDevice implements Device {
  readonly #device: Device
  readonly #path: string
  readonly #guard: SyncGuard

  constructor(device: Device, path: string, guard: SyncGuard) {
    this.#device = device
    this.#path = path
    this.#guard = guard
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
    this.#inside(run, 'fallocate', () => this.#device.allocate(run))
  }

  discard(run: Run): void {
    this.#inside(run, 'fallocate', () => this.#device.discard(run))
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
