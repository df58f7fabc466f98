/**
 * Whether the loop looks for the next request again and again instead of sleeping until it comes.
 *
 * A caller that makes one call after the other, on another CPU, is woken by each reply, and wakes the server by its next
 * request: two wake-ups of an idle CPU a call, which on a virtual machine are ten times what the call costs. The kernel
 * does not put the two on one CPU while another is idle. So the server stays awake for as long as such a caller needs.
 *
 * It does where it pays and is nobody's loss:
 *   1. The last waits were short, as those of such callers are. A wait for which it stayed awake in vain counts as
 *      MISS_COST short ones.
 *   2. There is a CPU for it: the server may use several, and no more threads of the machine are runnable than it may use.
 *      Else the caller and others want the CPU that this would use up; looked at each LOAD_MS.
 */

/** The wake-up of a caller, and what it does between two calls. */
const SPIN_MS = 0.05
/** The same, and the wake-up of this thread, when it slept. */
const SHORT_WAIT_MS = 0.1
const LOAD_MS = 4
const MISS_COST = 4
const CREDIT_MOST = 8

interface Machine {
  readonly cpus: number
  /** undefined: not known, and then there may be others. */
  readonly runnableThreads: () => number | undefined
  readonly nowMs: () => number
}

export class BusyWait {
  readonly #machine: Machine
  /** Short waits not used up by misses. */
  #credit = 0
  #isWaiting = false
  #isSpinning = false
  #sinceMs = 0
  #isLoaded = true
  #loadedAtMs = -Infinity

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** There is no request. Whether to look again at once; to be asked before each look. */
  goesOn(): boolean {
    const now = this.#machine.nowMs()
    if (!this.#isWaiting) {
      this.#isWaiting = true
      this.#sinceMs = now
      this.#isSpinning = this.#credit > 0 && this.#hasSpareCpu(now)
    } else if (this.#isSpinning && now - this.#sinceMs > SPIN_MS) {
      this.#isSpinning = false
      this.#credit -= MISS_COST
    }
    return this.#isSpinning
  }

  /** There is one. */
  end(): void {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    if (this.#machine.nowMs() - this.#sinceMs < SHORT_WAIT_MS) this.#credit = Math.min(this.#credit + 1, CREDIT_MOST)
  }

  #hasSpareCpu(now: number): boolean {
    const { cpus, runnableThreads } = this.#machine
    if (cpus === 1) return false
    if (now - this.#loadedAtMs >= LOAD_MS) {
      this.#loadedAtMs = now
      this.#isLoaded = (runnableThreads() ?? Infinity) > cpus
    }
    return !this.#isLoaded
  }
}
