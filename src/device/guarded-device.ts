/**
 * A device that takes part in a pool's promise about failed syncs (docs/internals/durability.md): its own failures are told
 * to everybody, and after anybody's it makes nothing durable and gives no space any more. Mapped bytes stay usable.
 *
 * Runs come from the metadata: one that is not of the device is damage (EUCLEAN), nobody's mistake.
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
    return this.#within(run, () => this.#device.map(run))
  }

  prefetch(run: Run): void {
    this.#within(run, () => this.#device.prefetch(run))
  }

  allocate(run: Run): void {
    this.#refuseAfterFailure('fallocate')
    this.#within(run, () => this.#device.allocate(run))
  }

  discard(run: Run): void {
    this.#within(run, () => this.#device.discard(run))
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
      this.#device.flushRun(run)
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

  #within<T>({ start, count }: Run, action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (codeOf(error) !== 'ERR_OUT_OF_RANGE') throw error
      const what = `the metadata is damaged: it tells of ${count} blocks at ${start}, which the device does not have; run fsck`
      throw systemError('EUCLEAN', what, { syscall: 'mmap', path: this.#path, cause: error })
    }
  }

  #refuseAfterFailure(syscall: string): void {
    if (this.#guard.hasSyncFailed()) throw syncHasFailed(syscall, this.#path)
  }
}
