/** Progress of what goes on in steps: one line on a terminal's standard error, after a second. */
const FIRST_AFTER_MS = 1000
const CLEAR_LINE = '\r\u001B[K'

export class StepProgress implements Disposable {
  readonly #label: string
  readonly #isWanted: boolean
  readonly #startedMs = performance.now()
  #isShown = false

  constructor(label: string, isWanted: boolean) {
    this.#label = label
    this.#isWanted = isWanted && process.stderr.isTTY
  }

  /** Says that step `step` of `steps`, the first being 0, begins. */
  show(what: string, step: number, steps: number): void {
    if (!this.#isWanted || performance.now() - this.#startedMs < FIRST_AFTER_MS) return
    this.#isShown = true
    const line = `${this.#label}  ${step + 1} of ${steps}: ${what}`
    // A terminal that nobody gave a size has 0 columns.
    process.stderr.write(CLEAR_LINE + line.slice(0, (process.stderr.columns || 80) - 1))
  }

  /** Makes room for a line of somebody else. */
  clear(): void {
    if (this.#isShown) process.stderr.write(CLEAR_LINE)
    this.#isShown = false
  }

  [Symbol.dispose](): void {
    this.clear()
  }
}
