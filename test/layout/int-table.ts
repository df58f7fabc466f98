/** A growing table of rows of 32 bit integers, found by their first columns: what a Map would hold, in a tenth of the memory. */

const CHUNK_ROWS = 1 << 11
const EMPTY = -1

export class IntTable {
  readonly #width: number
  readonly #keys: number
  readonly #chunks: Int32Array[] = []
  #rows = 0
  /** Row by hash, with linear probing. */
  #index = new Int32Array(1 << 12).fill(EMPTY)

  /** Rows of `width` integers; the first `keys` of them tell a row from all others. */
  constructor(width: number, keys: number) {
    this.#width = width
    this.#keys = keys
  }

  get rows(): number {
    return this.#rows
  }

  get(row: number, column: number): number {
    return this.#chunks[Math.floor(row / CHUNK_ROWS)][(row % CHUNK_ROWS) * this.#width + column]
  }

  /** The row with the key of this one, or -1. */
  find(wanted: ArrayLike<number>): number {
    return this.#index[this.#placeOf(wanted)]
  }

  /** Adds a row unless its key is there; returns its number, or -1 when it was there. */
  add(row: ArrayLike<number>): number {
    const place = this.#placeOf(row)
    if (this.#index[place] !== EMPTY) return EMPTY
    const number = this.#rows++
    const chunk = Math.floor(number / CHUNK_ROWS)
    this.#chunks[chunk] ??= new Int32Array(CHUNK_ROWS * this.#width)
    const at = (number % CHUNK_ROWS) * this.#width
    for (let column = 0; column < this.#width; column++) this.#chunks[chunk][at + column] = row[column]
    this.#index[place] = number
    if (this.#rows * 2 > this.#index.length) this.#grow()
    return number
  }

  #placeOf(row: ArrayLike<number>): number {
    const mask = this.#index.length - 1
    let hash = 0x811c9dc5
    for (let column = 0; column < this.#keys; column++) hash = mixed(hash ^ row[column])
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const found = this.#index[place]
      if (found === EMPTY || this.#isSame(found, row)) return place
    }
  }

  #isSame(number: number, row: ArrayLike<number>): boolean {
    const words = this.#chunks[Math.floor(number / CHUNK_ROWS)]
    const at = (number % CHUNK_ROWS) * this.#width
    for (let column = 0; column < this.#keys; column++) if (words[at + column] !== row[column]) return false
    return true
  }

  #grow(): void {
    this.#index = new Int32Array(this.#index.length * 4).fill(EMPTY)
    const row = new Int32Array(this.#keys)
    for (let number = 0; number < this.#rows; number++) {
      for (let column = 0; column < this.#keys; column++) row[column] = this.get(number, column)
      // Its own place: no other row has its key.
      const mask = this.#index.length - 1
      let hash = 0x811c9dc5
      for (let column = 0; column < this.#keys; column++) hash = mixed(hash ^ row[column])
      let place = hash & mask
      while (this.#index[place] !== EMPTY) place = (place + 1) & mask
      this.#index[place] = number
    }
  }
}

/** Of murmur3. */
function mixed(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
