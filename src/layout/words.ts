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
  /** Plain as well: an integer from 0 to 2^53 - 1 in two words, the low one first. */
  getWide(index: number): number
  setWide(index: number, value: number): void
}

const HIGH = 0x1_0000_0000

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

  getWide(index: number): number {
    return (this.#words[index] >>> 0) + (this.#words[index + 1] >>> 0) * HIGH
  }

  setWide(index: number, value: number): void {
    this.#words[index] = value | 0
    // A division less where none is needed, which is nearly everywhere.
    this.#words[index + 1] = value < HIGH ? 0 : (value / HIGH) | 0
  }
}
