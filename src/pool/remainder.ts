/**
 * Remainder: what is left of a pin's views while I/O goes through them in order.
 *
 * The parts it gives are views of the same memory. They are valid until the pin's release, so the I/O that got one must
 * be over before the pin is let go.
 */
export class Remainder {
  readonly #views: readonly Uint8Array[]
  /** Bytes in all, and of them gone through. */
  readonly length: number
  done = 0
  #view = 0
  #offset = 0

  constructor(views: readonly Uint8Array[]) {
    this.#views = views
    this.length = views.reduce((sum, view) => sum + view.length, 0)
  }

  get left(): number {
    return this.length - this.done
  }

  /** The next bytes in one piece: at most `most` of them, none only at the end. */
  next(most: number): Uint8Array {
    return this.list(most, 1)[0] ?? new Uint8Array()
  }

  /** The next bytes, at most `most` of them, in at most `mostViews` pieces. Goes through nothing. */
  list(most: number, mostViews = Infinity): Uint8Array[] {
    const list: Uint8Array[] = []
    let offset = this.#offset
    for (let index = this.#view, room = most; index < this.#views.length && room > 0; index++) {
      if (list.length === mostViews) break
      const part = this.#views[index].subarray(offset, offset + room)
      list.push(part)
      room -= part.length
      offset = 0
    }
    return list
  }

  /** Goes through bytes that the I/O is done with. */
  advance(bytes: number): void {
    this.done += bytes
    this.#offset += bytes
    while (this.#view < this.#views.length && this.#offset >= this.#views[this.#view].length) {
      this.#offset -= this.#views[this.#view].length
      this.#view++
    }
  }

  /** Copies `bytes` into what is next, and goes through it. There must be as many left. */
  fill(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      const part = this.next(bytes.length - from)
      part.set(bytes.subarray(from, from + part.length))
      this.advance(part.length)
      from += part.length
    }
  }
}
