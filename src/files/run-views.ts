/**
 * Run views: the memory of revocable pins, an ArrayBuffer over exactly the run, so that detaching it takes exactly this
 * view away (promise 8).
 *
 * Making one costs 2 µs, and for large runs a garbage collection: V8 takes the length for memory of its own. Moving its
 * memory to a new ArrayBuffer (`transfer()`, no copy) detaches every view of the old one for 0.4 µs, whatever the length.
 * So a view taken away leaves memory that the next pin of the same run can have; a few are kept.
 */
import type { Device } from '../device/device.ts'
import type { Run } from '../units.ts'
import { bytesOf } from '../units.ts'

/** Kept for later: at most so many, and so many bytes, but always the last. */
const KEEP_COUNT = 64
const KEEP_BYTES = 64 << 20

export interface RunView {
  readonly run: Run
  memory: ArrayBuffer
}

export class RunViews {
  readonly #device: Device
  /** By first block, oldest first. */
  readonly #kept = new Map<number, RunView>()
  #keptBytes = 0

  constructor(device: Device) {
    this.#device = device
  }

  /** Memory over the run, which nobody else has a view of. */
  take(run: Run): RunView {
    const kept = this.#kept.get(run.start)
    if (kept === undefined || kept.run.count !== run.count) return { run, memory: this.#device.map(run) }
    this.#drop(kept)
    return kept
  }

  prefetch({ run }: RunView): void {
    this.#device.prefetch(run)
  }

  /** Takes every view of the memory away: they have length 0 afterwards. */
  revoke(view: RunView): void {
    // The caller moved it elsewhere: nothing is left here to take away.
    if (view.memory.detached) return
    view.memory = view.memory.transfer()
    const { start, count } = view.run
    const before = this.#kept.get(start)
    if (before !== undefined) this.#drop(before)
    this.#kept.set(start, view)
    this.#keptBytes += bytesOf(count)
    for (const oldest of this.#kept.values()) {
      if (oldest === view || (this.#kept.size <= KEEP_COUNT && this.#keptBytes <= KEEP_BYTES)) break
      this.#drop(oldest)
    }
  }

  #drop(view: RunView): void {
    this.#kept.delete(view.run.start)
    this.#keptBytes -= bytesOf(view.run.count)
  }
}
