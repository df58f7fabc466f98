/**
 * Punch marks: whether something was punched out of the device near some blocks meanwhile. For reads that a disk puts
 * into pinned blocks past the CPU (O_DIRECT).
 *
 * Why. A block may share a folio of the page cache with its neighbours, when another program has read the device file in
 * sequence. A punch of a neighbour has the kernel split the folio; with the read's reference on it that fails, and if a
 * flush has cleaned it the kernel drops it whole: what the disk has yet to put into it is lost
 * (docs/internals/page-cache.md). So who reads asks afterwards, and if need be reads again.
 *
 *   who punches   mark + 1 (under way) → punch → mark + 255 (one less under way, one more there has been)
 *   who reads     load marks → read → a store into each page → load marks: none under way then, and the same now? It is in
 *
 * Why it is right. A folio that was dropped before the store into it was dropped by a punch whose first add came before
 * that, hence before the second load. It differs from the first; or the add came even before the first load, and then the
 * punch was under way at that, or over, and so before the read had its reference. A folio dropped after the store was
 * clean, so what was stored and read is on the disk.
 *
 * Folios have at most 2 MiB and lie at multiples of their length in the device's *file*, which begins with the label; so a
 * mark stands for that much of the file, modulo 1 GiB. Who dies while it punches leaves a mark under way: reads there are done twice until the pool is opened afresh.
 */
import type { Run } from '../units.ts'
import { BLOCK_SIZE, LABEL_BLOCKS } from '../units.ts'
import { FOLIO_SHIFT, PUNCHES, PUNCHES_START, PUNCHES_UNDER_WAY } from './format.ts'
import type { DeviceBytes } from './overlaps.ts'
import type { TableMemory } from './surroundings.ts'
import type { Words } from './words.ts'

export class PunchMarks {
  readonly #table: Words

  constructor({ table }: Pick<TableMemory, 'table'>) {
    this.#table = table
  }

  /** Runs `punch`, which may take pages of the run out of the page cache. Price: 40 ns for each 2 MiB. */
  during(run: Run, punch: () => void): void {
    const words = wordsOf(run.start, run.count)
    for (const word of words) this.#table.add(word, 1)
    try {
      punch()
    } finally {
      for (const word of words) this.#table.add(word, PUNCHES_UNDER_WAY)
    }
  }

  watch(bytes: readonly DeviceBytes[]): PunchWatch {
    return new PunchWatch(this.#table, wordsNear(bytes))
  }
}

/** The marks that tell of punches near some bytes of the device. */
export function wordsNear(bytes: readonly DeviceBytes[]): number[] {
  const words = new Set<number>()
  for (const { start, end } of bytes) {
    const first = Math.floor(start / BLOCK_SIZE)
    for (const word of wordsOf(first, Math.ceil(end / BLOCK_SIZE) - first)) words.add(word)
  }
  return [...words]
}

/** The marks of some blocks, looked at twice. */
export class PunchWatch {
  readonly #table: Words
  readonly #words: readonly number[]
  #seen: readonly number[] = []

  constructor(table: Words, words: readonly number[]) {
    this.#table = table
    this.#words = words
  }

  /** Begins, or begins anew. */
  begin(): void {
    this.#seen = this.#words.map((word) => this.#table.load(word))
  }

  /** Whether a punch near the blocks was under way at `begin`, or has begun since. */
  hasPunch(): boolean {
    const isOther = (word: number, i: number): boolean => this.#table.load(word) !== this.#seen[i]
    return this.#seen.some((mark) => (mark & PUNCHES_UNDER_WAY) !== 0) || this.#words.some(isOther)
  }
}

/** Words of blocks [start, start + count), each once. */
function wordsOf(start: number, count: number): number[] {
  const page = start + LABEL_BLOCKS
  const first = page >>> FOLIO_SHIFT
  const regions = Math.min(((page + count - 1) >>> FOLIO_SHIFT) - first + 1, PUNCHES)
  return Array.from({ length: regions }, (_, i) => PUNCHES_START + ((first + i) & (PUNCHES - 1)))
}
