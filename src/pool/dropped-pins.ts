/**
 * What is said of pins that were dropped without release: the first at once, as a process warning; those that follow are
 * told of together, every QUIET_MS. Thousands of dropped pins are not thousands of warnings.
 */

/** Between two warnings. */
const QUIET_MS = 10_000

export class DroppedPins {
  /** Dropped since the last warning. */
  #count = 0
  #last = ''
  #where: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** `what` was dropped; `where`: the place where it was taken, when that is known. */
  add(what: string, where: string | undefined): void {
    this.#count++
    this.#last = what
    this.#where = where
    // Those that one collection finds are found in one go.
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#tell(), 0)
  }

  /** Tells what has not been told of yet: the participant leaves. */
  end(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#tell()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #tell(): void {
    this.#timer = undefined
    if (this.#count === 0) return
    const place =
      this.#where === undefined
        ? 'open the pool with { debug: true } to see where it was taken'
        : `taken ${this.#where}`
    const [what, whose] =
      this.#count === 1 ? [`${this.#last} was`, 'its blocks stay'] : [`${this.#count} pins were`, `their blocks stay`]
    const which = this.#count === 1 ? place : `the last was ${this.#last}, ${place}`
    this.#count = 0
    // The next ones wait, and keep no process alive for that.
    this.#timer = setTimeout(() => this.#tell(), QUIET_MS).unref()
    process.emitWarning(`${what} dropped without release(): ${whose} pinned until the process ends; ${which}`, {
      type: 'HoldfastWarning',
      code: 'HOLDFAST_PIN_DROPPED',
    })
  }
}
