/**
 * Body: what is left to send of an answer, in order. Until `detach` or `end` the parts are the blocks of the file, which
 * are touched within a call and never after it: whoever takes a part has sent or copied it before it lets others run.
 */
import { Remainder } from '../../pool/remainder.ts'
import type { Answer, BodyPart } from './answer.ts'
import { isOfSource } from './answer.ts'
import type { Source } from './source.ts'

export class Body {
  #rest: Remainder
  readonly #source: Source | undefined
  /** Bytes in all. */
  readonly length: number

  constructor({ body, source }: Pick<Answer, 'body' | 'source'>) {
    this.#rest = new Remainder(viewsOf(body, source), 'writeTo')
    this.length = this.#rest.length
    this.#source = source
  }

  get left(): number {
    return this.#rest.left
  }

  /** Bytes gone through. */
  get sent(): number {
    return this.length - this.left
  }

  /** Bytes of a file are in it, in their blocks or, where nothing can be pinned, in a copy of them all. */
  get isOfFile(): boolean {
    return this.#source !== undefined
  }

  /** Record of the pin that keeps its blocks; below 0: it keeps none. */
  get record(): number {
    return this.#source?.record ?? -1
  }

  /** The next bytes in one piece. ESTALE: the pool was closed by force. */
  next(most: number): Uint8Array {
    return this.#rest.next(most)
  }

  advance(bytes: number): void {
    this.#rest.advance(bytes)
  }

  /** A copy of the next bytes, which are thereby done with. */
  take(most: number): Buffer {
    const copy = Buffer.allocUnsafeSlow(Math.min(most, this.left))
    this.copyTo(copy, 0)
    return copy
  }

  /** Fills `target` from an offset on with the next bytes, which are thereby done with. There must be as many left. */
  copyTo(target: Buffer, offset: number): void {
    for (let at = offset; at < target.length;) {
      const part = this.next(target.length - at)
      target.set(part, at)
      at += part.length
      this.advance(part.length)
    }
  }

  /** Copies all that is left, and lets the blocks go. */
  detach(): void {
    this.#rest = new Remainder([this.take(this.left)], 'writeTo')
    this.end()
  }

  /** Lets the blocks go. */
  end(): void {
    this.#source?.release()
  }
}

function viewsOf(parts: readonly BodyPart[], source: Source | undefined): readonly Uint8Array[] {
  const views = (part: BodyPart): readonly Uint8Array[] =>
    isOfSource(part) ? source!.views(part.offset, part.length) : [part]
  return parts.length === 1 ? views(parts[0]) : parts.flatMap(views)
}
