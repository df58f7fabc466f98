/**
 * Turns: I/O of several pins on one stream goes one after the other, in the order of the calls, so that the runs of one
 * pin are not mixed with those of another. Who finds the stream idle begins within the call, before it returns, so that
 * what the caller writes next comes behind.
 */
import { abortable } from './abortable.ts'

export class Turns {
  /** Streams with I/O under way, and when the last of it is over. */
  readonly #last = new WeakMap<object, Promise<void>>()

  /** Runs `action` when everything before it on the stream is over. Rejects with the signal's reason while it waits. */
  async take<T>(stream: object, signal: AbortSignal | undefined, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(stream)
    const { promise, resolve } = Promise.withResolvers<void>()
    const mine = before === undefined ? promise : before.then(() => promise)
    this.#last.set(stream, mine)
    try {
      if (before !== undefined) await abortable(before, signal)
      return await action()
    } finally {
      if (this.#last.get(stream) === mine) this.#last.delete(stream)
      resolve()
    }
  }
}
