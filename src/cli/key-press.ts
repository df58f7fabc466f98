/**
 * Keys while a terminal is watched: q ends, as Ctrl-C does. The terminal gives keys at once then, and is as it was before at the
 * end, also when the process is ended by a signal that it listens to.
 */
const CTRL_C = '\u0003'

/** Resolves with true when q is pressed; never where standard input is no terminal. */
export class QuitKey implements Disposable {
  readonly #pressed = new AbortController()
  readonly #isTerminal = process.stdin.isTTY

  constructor() {
    if (!this.#isTerminal) return
    process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onData)
    process.once('exit', this.#restore)
  }

  /** Aborted when it is pressed. */
  get signal(): AbortSignal {
    return this.#pressed.signal
  }

  [Symbol.dispose](): void {
    if (!this.#isTerminal) return
    process.stdin.off('data', this.#onData)
    process.stdin.pause()
    process.off('exit', this.#restore)
    this.#restore()
  }

  readonly #restore = (): void => void process.stdin.setRawMode(false)

  readonly #onData = (data: Buffer): void => {
    const keys = data.toString()
    if (keys.includes('q')) this.#pressed.abort()
    // In raw mode the terminal makes no signal of it.
    else if (keys.includes(CTRL_C)) process.kill(process.pid, 'SIGINT')
  }
}
