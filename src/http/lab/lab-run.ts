/** One run of the race lab: what it told so far, for readers that come at any time. */
import type { LabEvent, LabHappening } from './lab-events.ts'

export class LabRun {
  readonly id: string
  readonly #events: LabEvent[] = []
  readonly #startedAt = performance.now()
  #next = Promise.withResolvers<void>()

  constructor(id: string) {
    this.id = id
  }

  get hasEnded(): boolean {
    return this.#events.at(-1)?.kind === 'end'
  }

  tell(happening: LabHappening): void {
    const atMs = Math.round(performance.now() - this.#startedAt)
    this.#events.push({ ...happening, sequence: this.#events.length, atMs })
    const { resolve } = this.#next
    this.#next = Promise.withResolvers<void>()
    resolve()
  }

  /** All events from the first to the last. */
  async *events(signal: AbortSignal): AsyncGenerator<LabEvent> {
    const stop = Promise.withResolvers<void>()
    const onAbort = (): void => stop.resolve()
    signal.addEventListener('abort', onAbort)
    try {
      for (let told = 0; !signal.aborted;) {
        const event = this.#events.at(told)
        if (event === undefined) {
          await Promise.race([this.#next.promise, stop.promise])
          continue
        }
        told++
        yield event
        if (event.kind === 'end') return
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
