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

/** Kept for later, at most; a mapping costs nothing, its object 300 bytes. */
const KEEP_COUNT = 4096

export interface RunView {
  readonly run: Run
  memory: ArrayBuffer
}

export class RunViews {
  readonly #device: Device
  /** By run, oldest first. */
  readonly #kept = new Map<number, RunView>()

  constructor(device: Device) {
    this.#device = device
  }

  /** Memory over the run, which nobody else has a view of. */
  take(run: Run): RunView {
    const key = keyOf(run)
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.run.count === run.count) {
      this.#kept.delete(key)
      return kept
    }
    // Of the caller's object no more than the run: what is kept lives long.
    return { run: { start: run.start, count: run.count }, memory: this.#device.map(run) }
  }

  prefetch({ run }: RunView): void {
    this.#device.prefetch(run)
  }

  /** Takes every view of the memory away: they have length 0 afterwards. */
  revoke(view: RunView): void {
    // The caller moved it elsewhere: nothing is left here to take away.
    if (view.memory.detached) return
    view.memory = view.memory.transfer()
    const key = keyOf(view.run)
    const other = this.#kept.get(key)
    if (other !== undefined) this.#drop(key, other)
    this.#kept.set(key, view)
    if (this.#kept.size <= KEEP_COUNT) return
    for (const [oldest, kept] of this.#kept) {
      this.#drop(oldest, kept)
      break
    }
  }

  /** Detached at once: left to the garbage collector, a mapping is dear. */
  #drop(key: number, { memory }: RunView): void {
    this.#kept.delete(key)
    memory.transfer(0)
  }
}

/** The same for few runs that differ only in their length, which `take` looks at. */
const keyOf = ({ start, count }: Run): number => start * 0x1_0000 + Math.min(count, 0xffff)
