/**
 * Words: shared memory as 32 bit words, the one way in which layout touches it.
 *
 * `load`, `store`, `add` and `compareExchange` are sequentially consistent across threads and processes. `get` and `set`
 * are plain: only for words that nobody else writes at that time, published to others by a later `store` and read by
 * them after the `load` that saw it. (Plain loads of words that others write do see stale values: measured.)
 */
export interface Words {
  load(index: number): number
  store(index: number, value: number): void
  /** Returns the value before. */
  add(index: number, delta: number): number
  /** Returns the value before; it was replaced when that equals `expected`. */
  compareExchange(index: number, expected: number, replacement: number): number
  get(index: number): number
  set(index: number, value: number): void
}

/** Words in a mapping that others map too. */
export class MappedWords implements Words {
  readonly #words: Int32Array

  constructor(memory: ArrayBuffer) {
    this.#words = new Int32Array(memory)
  }

  load(index: number): number {
    return Atomics.load(this.#words, index)
  }

  store(index: number, value: number): void {
    Atomics.store(this.#words, index, value)
  }

  add(index: number, delta: number): number {
    return Atomics.add(this.#words, index, delta)
  }

  compareExchange(index: number, expected: number, replacement: number): number {
    return Atomics.compareExchange(this.#words, index, expected, replacement)
  }

  get(index: number): number {
    return this.#words[index]
  }

  set(index: number, value: number): void {
    this.#words[index] = value
  }
}

const HIGH = 0x1_0000_0000

/** Plain store of an integer below 2^53 into two words. */
export function setWide(words: Words, index: number, value: number): void {
  words.set(index, value | 0)
  words.set(index + 1, (value / HIGH) | 0)
}

/** Plain load of what {@link setWide} stored. */
export function getWide(words: Words, index: number): number {
  return (words.get(index) >>> 0) + (words.get(index + 1) >>> 0) * HIGH
}
