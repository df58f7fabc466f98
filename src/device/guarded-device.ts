/**
 * A device that takes part in a pool's promise about failed syncs (docs/internals/durability.md): its own failures are told
 * to everybody, and after anybody's it makes nothing durable and gives no space any more. Mapped bytes stay usable.
 */
import { isOfSync, syncHasFailed } from '../errors.ts'
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
    return this.#device.map(run)
  }

  prefetch(run: Run): void {
    this.#device.prefetch(run)
  }

  allocate(run: Run): void {
    this.#refuseAfterFailure('fallocate')
    this.#device.allocate(run)
  }

  discard(run: Run): void {
    this.#device.discard(run)
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

  #refuseAfterFailure(syscall: string): void {
    if (this.#guard.hasSyncFailed()) throw syncHasFailed(syscall, this.#path)
  }
}
