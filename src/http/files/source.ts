/**
 * Source: the bytes of one file that a response sends, as they were when the response began, until it is released.
 *
 * Pinned: a stable pin. Its bytes neither change nor move while it is held, whoever writes, truncates, replaces or
 * unlinks the file. Copied: where nothing can be pinned (a pool that is open for reading only); a copy of the whole range,
 * looked at twice.
 */
import { outOfRange } from '../../errors.ts'
import type { Pin } from '../../pool/pin.ts'

export class Source {
  readonly offset: number
  readonly length: number
  readonly #views: readonly Uint8Array[]
  /** undefined: none, or released. */
  #pin: Pin | undefined

  constructor(offset: number, views: readonly Uint8Array[], pin: Pin | undefined) {
    this.offset = offset
    this.length = views.reduce((sum, { length }) => sum + length, 0)
    this.#views = views
    this.#pin = pin
  }

  /** Views of bytes [offset, offset + length) of the file, valid until `release()`. */
  views(offset: number, length: number): readonly Uint8Array[] {
    if (offset === this.offset && length === this.length) return this.#views
    let from = offset - this.offset
    if (from < 0 || from + length > this.length) throw outOfRange('offset', 'within the source', offset)
    const views: Uint8Array[] = []
    let left = length
    for (const view of this.#views) {
      if (left === 0) break
      const part = from === 0 && left >= view.length ? view : view.subarray(from, from + left)
      from = Math.max(0, from - view.length)
      left -= part.length
      if (part.length > 0) views.push(part)
    }
    return views
  }

  /** The same bytes for one more response, to be released by itself. */
  share(): Source {
    return new Source(this.offset, this.#views, this.#pin?.retain())
  }

  /** Of its pin in the own slot of the pin table; below 0: it keeps no blocks, but a copy (`dax: 'never'`, read-only pools). */
  get record(): number {
    return this.#pin?.record ?? -1
  }

  /** A second call does nothing. */
  release(): void {
    const pin = this.#pin
    this.#pin = undefined
    pin?.release()
  }
}
