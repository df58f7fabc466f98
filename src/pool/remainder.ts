/**
 * Remainder: what is left of a pin's views while I/O goes through them in order.
 *
 * The parts it gives are views of the same memory. They are valid until the pin's release, so the I/O that got one must
 * be over before the pin is let go. A pin that is revoked meanwhile (`pool.close({ force: true })`) has empty views: no
 * part is given any more, and the I/O fails with ESTALE, whatever it has moved.
 */
import { systemError } from '../errors.ts'

export class Remainder {
  readonly #views: readonly Uint8Array[]
  /** As they were: a revoked view has none. */
  readonly #lengths: readonly number[]
  /** Bytes in all, and of them gone through. */
  readonly length: number
  done = 0
  readonly #syscall: 'writeTo' | 'readFrom'
  #view = 0
  #offset = 0

  /** `syscall` is what the call is named in errors. */
  constructor(views: readonly Uint8Array[], syscall: 'writeTo' | 'readFrom') {
    this.#syscall = syscall
    this.#views = views
    this.#lengths = views.map(({ length }) => length)
    this.length = this.#lengths.reduce((sum, length) => sum + length, 0)
  }

  get left(): number {
    return this.length - this.done
  }

  /** ESTALE when the pin was revoked. */
  check(): void {
    for (const view of this.#views) this.#mustBeHeld(view)
  }

  /** The next bytes in one piece: at most `most` of them, none only at the end. ESTALE. */
  next(most: number): Uint8Array {
    const view = this.#views[this.#view]
    if (view === undefined) return new Uint8Array()
    this.#mustBeHeld(view)
    // A view costs 60 ns.
    return this.#offset === 0 && most >= view.length ? view : view.subarray(this.#offset, this.#offset + most)
  }

  /** The next bytes, at most `most` of them, in at most `mostViews` pieces. Goes through nothing. ESTALE. */
  list(most: number, mostViews = Infinity): Uint8Array[] {
    const list: Uint8Array[] = []
    let offset = this.#offset
    for (let index = this.#view, room = most; index < this.#views.length && room > 0; index++) {
      if (list.length === mostViews) break
      this.#mustBeHeld(this.#views[index])
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
    while (this.#view < this.#lengths.length && this.#offset >= this.#lengths[this.#view]) {
      this.#offset -= this.#lengths[this.#view]
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

  #mustBeHeld(view: Uint8Array): void {
    if (view.length > 0) return
    throw systemError('ESTALE', 'the pin was revoked while its I/O was under way', { syscall: this.#syscall })
  }
}
