/**
 * A few numbers, each once, in the order in which they came: what one transaction has begun, and is done with at its end.
 *
 * Looked for from the front, since they are few. Not a Set: one that is cleared is linked to from the memory that it had
 * before, which can keep all that it ever had from the collections of young objects. This one keeps its memory.
 */
export class FewNumbers {
  readonly #numbers: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Below `size`. */
  at(place: number): number {
    return this.#numbers[place]
  }

  /** Below 0: it is not there. */
  placeOf(number: number): number {
    for (let place = 0; place < this.#size; place++) if (this.#numbers[place] === number) return place
    return -1
  }

  /** Of one that is not there; answers its place. */
  add(number: number): number {
    this.#numbers[this.#size] = number
    return this.#size++
  }

  clear(): void {
    this.#size = 0
  }
}
