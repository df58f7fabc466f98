/**
 * A set of block numbers that is dense here and there: one byte a block for each 32 Ki blocks that have any. Callers: the memory
 * device.
 */
const CHUNK_BLOCKS = 32_768

export class BlockSet {
  readonly #chunks = new Map<number, Uint8Array>()
  #size = 0

  get size(): number {
    return this.#size
  }

  has(block: number): boolean {
    return this.#chunks.get(Math.floor(block / CHUNK_BLOCKS))?.[block % CHUNK_BLOCKS] === 1
  }

  add(block: number): void {
    const index = Math.floor(block / CHUNK_BLOCKS)
    let chunk = this.#chunks.get(index)
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK_BLOCKS)
      this.#chunks.set(index, chunk)
    }
    if (chunk[block % CHUNK_BLOCKS] === 1) return
    chunk[block % CHUNK_BLOCKS] = 1
    this.#size++
  }

  delete(block: number): void {
    const chunk = this.#chunks.get(Math.floor(block / CHUNK_BLOCKS))
    if (chunk?.[block % CHUNK_BLOCKS] !== 1) return
    chunk[block % CHUNK_BLOCKS] = 0
    this.#size--
  }
}
