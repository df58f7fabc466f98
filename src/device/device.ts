/**
 * The device: the mapped bytes that files are made of.
 *
 * Invariants every implementation keeps, and `test/device/conformance.ts` checks:
 *   1. `map` of the same run always shows the same bytes, in this process and in every other that opened the device.
 *   2. After `allocate(run)` returned, touching any byte of the run can no longer run out of space (promise 7).
 *   3. After `discard(run)` the run reads as zeros, and its space is the host's again; after a `flush` that began later,
 *      also after a power failure (promise 6).
 *   4. Blocks outside the device are refused before any byte is touched.
 *
 * The device knows nothing of files, pins or free space: who may touch which run when is decided above.
 */
import type { BlockCount, Run } from '../units.ts'

export interface Device {
  /** Blocks of the device; grows, never shrinks. */
  readonly blockCount: BlockCount

  /**
   * A new ArrayBuffer over exactly the run's bytes, no copy. Price: 2 µs, whatever the length.
   * Several may cover the same bytes. It stays usable until it is detached (`buffer.transfer(0)`) or the device closes.
   */
  map(run: Run): ArrayBuffer

  /** Has the host read the run ahead and does not wait: for runs that will be read whole. Advice, never an error. 9 µs a MiB. */
  prefetch(run: Run): void

  /** Makes the run's space the device's own. Idempotent; contents stay. ENOSPC when the host is full: nothing changed then. */
  allocate(run: Run): void

  /** Punches the run out: reads as zeros afterwards, space given back. Idempotent. Never fails for lack of space. */
  discard(run: Run): void

  /** Everything written to the device before the call is durable when it resolves; EIO, ENOSPC reject. Does not block the event loop. */
  flush(): Promise<void>

  /** The same for one run, at once and synchronous: for the few blocks whose order matters (edge copies). */
  flushRun(run: Run): void

  /** Makes the device larger, never smaller. Other processes adopt the new size when they are asked for a run in it. ENOSPC, EFBIG. */
  grow(blockCount: BlockCount): void

  /** Ends all mappings. Caller must have detached or abandoned every ArrayBuffer it got: touching one later is a crash. */
  close(): void
}
