/**
 * The position of a file, which reads and writes that name none move. They go one after the other, as by a descriptor of the
 * kernel's: of several that are asked for at once each begins where the one before it ended.
 */
import { checkBytes } from '../errors.ts'

export class Position {
  #at = 0
  /** Settles when the last move that was asked for is done; undefined: it is. */
  #lastMove: Promise<void> | undefined

  /** Runs `io` at the offset that is named, checked; where none is, in turn at the position, which moves to its `end`. */
  at<T extends { readonly end: number }>(
    named: number | null | undefined,
    io: (offset: number) => Promise<T>,
  ): Promise<T> {
    if (named !== undefined && named !== null) return io(checkBytes('position', named))
    const before = this.#lastMove
    const moving = before === undefined ? this.#move(io) : before.then(() => this.#move(io))
    const settled = (): void => {
      if (this.#lastMove === moved) this.#lastMove = undefined
    }
    const moved: Promise<void> = moving.then(settled, settled)
    this.#lastMove = moved
    return moving
  }

  /** What fails moves nothing. */
  async #move<T extends { readonly end: number }>(io: (offset: number) => Promise<T>): Promise<T> {
    const result = await io(this.#at)
    this.#at = result.end
    return result
  }
}
