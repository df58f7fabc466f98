/**
 * Ctrl-C and friends. The first SIGINT, SIGTERM or SIGHUP aborts what the verb waits for; the verb then takes back what
 * it began, and the pool is closed. The second one ends the process as if nobody had listened: pins, locks and breaks of
 * a dead process are void by design, so that is safe too.
 *
 * A reader of standard output that goes away (`| head`) is an interruption without words.
 */
import { constants } from 'node:os'

export type InterruptingSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'
const SIGNALS: readonly InterruptingSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** The reason that the AbortSignal carries. */
export class Interrupted extends Error {
  readonly code = 'EINTR'
  readonly by: InterruptingSignal | 'EPIPE'

  constructor(by: InterruptingSignal | 'EPIPE') {
    super('interrupted')
    this.name = 'AbortError'
    this.by = by
  }

  /** 128 + the signal's number, as a shell says it. */
  get exitCode(): number {
    return 128 + constants.signals[this.by === 'EPIPE' ? 'SIGPIPE' : this.by]
  }
}

export class Interruption implements Disposable {
  readonly #controller = new AbortController()

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#onSignal)
    process.stdout.on('error', this.#onOutputError)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why, once it was interrupted. */
  get reason(): Interrupted | undefined {
    return this.signal.aborted ? (this.signal.reason as Interrupted) : undefined
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.removeListener(name, this.#onSignal)
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.signal.aborted && this.reason?.by !== 'EPIPE') {
      this[Symbol.dispose]()
      process.kill(process.pid, name)
      return
    }
    this.#controller.abort(new Interrupted(name as InterruptingSignal))
  }

  /** Other errors reach whoever wrote. */
  readonly #onOutputError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') this.#controller.abort(new Interrupted('EPIPE'))
  }
}
