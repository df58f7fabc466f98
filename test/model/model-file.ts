/**
 * A file of the model: bytes, and which blocks are there. Holes read as zeros; a block that may be there or not (space was
 * allocated ahead of appends, a copy kept a hole or did not) is 'maybe'.
 */
import { MAX_FILE_SIZE } from '../../src/units.ts'

export const BLOCK = 4096

export type BlockState = 'mapped' | 'maybe' | 'hole'

interface BlockRun {
  readonly start: number
  /** Behind the last. */
  readonly end: number
  readonly state: 'mapped' | 'maybe'
}

/** So many blocks behind an append may have been allocated with it. */
const MOST_AHEAD = 4096

const END = Math.ceil(MAX_FILE_SIZE / BLOCK)

export class ModelFile {
  size = 0
  /** Blocks with bytes in them that may not be 0. */
  #bytes = new Map<number, Buffer>()
  #runs: BlockRun[] = []
  #hasGrown = false

  /** What was allocated ahead goes, and whatever else is past the end with it. */
  closed(): void {
    if (this.#hasGrown) this.mayLose(Math.ceil(this.size / BLOCK))
  }

  stateOf(block: number): BlockState {
    return this.#runs.find(({ start, end }) => start <= block && block < end)?.state ?? 'hole'
  }

  /** The last that may be there, past the end of the file too; -1: none. */
  get lastBlock(): number {
    return (this.#runs.at(-1)?.end ?? 0) - 1
  }

  /** Least and most blocks that are there. */
  get blocks(): readonly [number, number] {
    const count = (runs: readonly BlockRun[]): number => runs.reduce((sum, { start, end }) => sum + end - start, 0)
    return [count(this.#runs.filter(({ state }) => state === 'mapped')), count(this.#runs)]
  }

  read(offset: number, length: number): Buffer {
    const end = Math.min(offset + length, this.size)
    const result = Buffer.alloc(Math.max(0, end - offset))
    for (const [block, bytes] of this.#bytes) {
      const at = block * BLOCK - offset
      if (at < result.length && at + BLOCK > 0) bytes.copy(result, Math.max(0, at), Math.max(0, -at))
    }
    return result
  }

  /** Byte offsets of blocks below EOF that may not be all zeros. */
  get filledOffsets(): number[] {
    return [...this.#bytes.keys()].map((block) => block * BLOCK).filter((offset) => offset < this.size)
  }

  write(offset: number, data: Buffer): void {
    if (data.length === 0) return
    const isGrowing = offset + data.length > this.size
    for (let done = 0; done < data.length;) {
      const block = Math.floor((offset + done) / BLOCK)
      const within = offset + done - block * BLOCK
      let bytes = this.#bytes.get(block)
      if (bytes === undefined) this.#bytes.set(block, (bytes = Buffer.alloc(BLOCK)))
      done += data.copy(bytes, within, done)
    }
    const end = Math.ceil((offset + data.length) / BLOCK)
    this.#set(Math.floor(offset / BLOCK), end, 'mapped')
    this.size = Math.max(this.size, offset + data.length)
    if (!isGrowing) return
    this.mayHave(end, end + MOST_AHEAD)
    this.#hasGrown = true
  }

  truncate(size: number): void {
    if (size < this.size) this.#zero(size, Infinity)
    // Also of the same size: what was allocated past the end goes.
    if (size <= this.size) this.#set(Math.ceil(size / BLOCK), Infinity, 'hole')
    this.size = size
  }

  punch(offset: number, length: number): void {
    const end = Math.min(offset + length, this.size)
    if (offset >= end) return
    this.#zero(offset, end)
    const last = end === this.size ? Infinity : Math.floor(end / BLOCK)
    this.#set(Math.ceil(offset / BLOCK), last, 'hole')
  }

  zeroRange(offset: number, length: number, keepSize: boolean): void {
    const end = offset + length
    this.#zero(offset, end)
    // What was allocated past the end may go along.
    if (end >= this.size) this.mayLose(Math.ceil(this.size / BLOCK))
    this.#set(Math.floor(offset / BLOCK), Math.ceil(end / BLOCK), 'mapped')
    if (!keepSize) this.size = Math.max(this.size, end)
  }

  allocate(offset: number, length: number, keepSize: boolean): void {
    this.#set(Math.floor(offset / BLOCK), Math.ceil((offset + length) / BLOCK), 'mapped')
    if (!keepSize) this.size = Math.max(this.size, offset + length)
  }

  /** Whole blocks before EOF. */
  collapse(offset: number, length: number): void {
    const [from, count] = [offset / BLOCK, length / BLOCK]
    this.#zero(offset, offset + length)
    this.#set(from, from + count, 'hole')
    this.#shift(from, -count)
    this.size -= length
  }

  insert(offset: number, length: number): void {
    this.#shift(offset / BLOCK, length / BLOCK)
    this.size += length
  }

  /** Copies bytes in; only the blocks of `hasBlock` must be there afterwards, for the others nobody knows. */
  copyIn(offset: number, data: Buffer, hasBlock: (block: number) => boolean): void {
    if (data.length === 0) return
    const before = new Map<number, BlockState>()
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + data.length; block++)
      before.set(block, this.stateOf(block))
    this.write(offset, data)
    for (const [block, state] of before) {
      if (state !== 'mapped' && !hasBlock(block)) this.#set(block, block + 1, 'maybe')
    }
  }

  /** Becomes a copy: holes stay holes, unless space was allocated ahead of what was written before them. */
  copyAll(source: ModelFile): void {
    // Emptying what is empty takes nothing: what was allocated past its end may stay.
    const kept = this.size === 0 ? this.#runs : []
    this.size = source.size
    this.#bytes = new Map()
    for (const [block, bytes] of source.#bytes) {
      if (block * BLOCK < source.size) this.#bytes.set(block, Buffer.from(bytes))
    }
    this.#runs = []
    const end = Math.ceil(source.size / BLOCK)
    for (const run of source.#runs) this.#set(run.start, Math.min(run.end, end), run.state)
    for (const run of this.#runs) this.mayHave(run.end, run.end + MOST_AHEAD)
    for (const { start, end: behind } of kept) this.mayHave(start, behind)
  }

  /** Blocks [start, end) that are not there may be. */
  mayHave(start: number, end: number): void {
    for (let at = start; at < end;) {
      const run = this.#runs.find((other) => other.end > at)
      const stop = Math.min(run?.start ?? end, end)
      if (at < stop) this.#set(at, stop, 'maybe')
      at = Math.max(stop, run?.end ?? end)
    }
  }

  /** Blocks from `start` on that are there may not be. */
  mayLose(start: number): void {
    for (const run of [...this.#runs]) if (run.end > start) this.#set(Math.max(run.start, start), run.end, 'maybe')
  }

  #zero(start: number, end: number): void {
    for (const [block, bytes] of this.#bytes) {
      const from = Math.max(0, start - block * BLOCK)
      const to = Math.min(BLOCK, end - block * BLOCK)
      if (from === 0 && to === BLOCK) this.#bytes.delete(block)
      else if (from < to) bytes.fill(0, from, to)
    }
  }

  #set(start: number, behind: number, state: BlockState): void {
    const end = Math.min(behind, END)
    if (start >= end) return
    const runs: BlockRun[] = []
    for (const run of this.#runs) {
      if (run.start < start) runs.push({ ...run, end: Math.min(run.end, start) })
      if (run.end > end) runs.push({ ...run, start: Math.max(run.start, end) })
    }
    if (state !== 'hole') runs.push({ start, end, state })
    this.#runs = runs.toSorted((a, b) => a.start - b.start)
  }

  #shift(from: number, by: number): void {
    this.#bytes = new Map([...this.#bytes].map(([block, bytes]) => [block < from ? block : block + by, bytes]))
    const cut = this.#runs.flatMap((run) =>
      run.start < from && from < run.end
        ? [
            { ...run, end: from },
            { ...run, start: from },
          ]
        : [run],
    )
    const moved = ({ start, end, state }: BlockRun): BlockRun =>
      start < from ? { start, end, state } : { start: start + by, end: Math.min(end + by, END), state }
    this.#runs = cut.map(moved)
  }
}
