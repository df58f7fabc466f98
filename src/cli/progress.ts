/**
 * Progress of a long copy: one line on a terminal's standard error, after a second, and what it came to at the end. Files
 * are told when they are counted: in copies of trees.
 */
import { formatDuration } from './durations.ts'
import { formatSize } from './sizes.ts'

const FIRST_AFTER_MS = 1000
const EVERY_MS = 200
const CLEAR_LINE = '\r\u001B[K'

export class Progress implements Disposable {
  readonly #label: string
  readonly #totalBytes: number | undefined
  readonly #startedMs = performance.now()
  readonly #timer: NodeJS.Timeout | undefined
  #doneBytes = 0
  #doneFiles = 0
  #isShown = false

  /** `totalBytes` undefined: nobody knows, as of standard input. */
  constructor(label: string, totalBytes: number | undefined, isWanted: boolean) {
    this.#label = label
    this.#totalBytes = totalBytes
    if (isWanted && process.stderr.isTTY) this.#timer = setInterval(() => this.#show(), EVERY_MS).unref()
  }

  get doneBytes(): number {
    return this.#doneBytes
  }

  add(bytes: number): void {
    this.#doneBytes += bytes
  }

  addFile(): void {
    this.#doneFiles++
  }

  /** What it came to; only when there was something to see before. */
  finish(): void {
    if (!this.#isShown) return
    const rate = formatSize((this.#doneBytes / Math.max(1, this.#elapsedMs)) * 1000)
    const done = [...this.#filesDone(), formatSize(this.#doneBytes)].join(', ')
    process.stderr.write(`${CLEAR_LINE}${this.#label}  ${done} in ${formatDuration(this.#elapsedMs)}, ${rate}/s\n`)
    this.#isShown = false
  }

  /** Makes room for a line of somebody else. */
  clear(): void {
    if (this.#isShown) process.stderr.write(CLEAR_LINE)
    this.#isShown = false
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.clear()
  }

  #filesDone(): string[] {
    return this.#doneFiles === 0 ? [] : [`${this.#doneFiles} file${this.#doneFiles === 1 ? '' : 's'}`]
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedMs
  }

  #show(): void {
    // Nothing yet: somebody may be typing what is copied.
    if (this.#elapsedMs < FIRST_AFTER_MS || this.#doneBytes + this.#doneFiles === 0) return
    this.#isShown = true
    const done = this.#doneBytes
    const bytesPerMs = done / this.#elapsedMs
    const total = this.#totalBytes
    const parts = [this.#label, ...this.#filesDone()]
    if (total === undefined || total === 0) parts.push(formatSize(done))
    else {
      parts.push(`${formatSize(done)} of ${formatSize(total)}`)
      parts.push(`${Math.floor((done / total) * 100)}%`.padStart(4))
    }
    parts.push(`${formatSize(bytesPerMs * 1000)}/s`.padStart(7))
    if (total !== undefined && bytesPerMs > 0) parts.push(`${formatDuration((total - done) / bytesPerMs)} left`)
    process.stderr.write(CLEAR_LINE + parts.join('  ').slice(0, process.stderr.columns - 1))
  }
}
