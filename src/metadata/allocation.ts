/**
 * Which free blocks a file gets: as few and as contiguous runs as there are, near the block before them in the file.
 * Called inside of a transaction.
 */
import { systemError } from '../errors.ts'
import type { Extent, FileRange } from '../units.ts'
import { MAX_FILE_SIZE, blocksFor } from '../units.ts'
import { appendExtent, deviceEnd, fileEnd, firstEndingAfter, makeExtent } from './extent-arithmetic.ts'
import type { Space } from './metadata.ts'
import type { SpaceTable } from './space.ts'

/** File blocks of the largest file. */
export const MAX_FILE_BLOCKS = blocksFor(MAX_FILE_SIZE)

export class Allocation {
  readonly #space: SpaceTable

  constructor(space: SpaceTable) {
    this.#space = space
  }

  /** The counts, when `need` blocks can be had without touching the reserve. ENOSPC. */
  spaceFor(need: number, syscall: string): Space & { readonly available: number } {
    const space = this.#space.space()
    const available = Math.max(space.free - space.reserve, 0)
    if (need > available) throw noSpace(syscall, need, available)
    return { ...space, available }
  }

  /**
   * Takes free blocks for `wanted`, holes of a file with `extents`, and up to `ahead` more right behind the last of them
   * while those are free and the file has nothing there. The caller knows that there are as many.
   */
  take(extents: readonly Extent[], wanted: readonly FileRange[], ahead: number): Extent[] {
    const taken: Extent[] = []
    for (const hole of wanted) {
      const isLast = hole === wanted.at(-1)
      const before = extents[firstEndingAfter(extents, hole.start) - 1]
      let goal = before === undefined ? undefined : deviceEnd(before)
      for (let at: number = hole.start; at < hole.end;) {
        const left = hole.end - at
        const run = this.#space.take(left, goal, isLast ? left + ahead : left)
        appendExtent(taken, makeExtent(at, run.start, run.count))
        at += run.count
        goal = run.start + run.count
      }
    }
    if (ahead > 0) this.#takeAhead(extents, taken, ahead)
    return taken
  }

  #takeAhead(extents: readonly Extent[], taken: Extent[], ahead: number): void {
    const end = fileEnd(taken.at(-1)!)
    const next = extents[firstEndingAfter(extents, end)]
    const room = Math.min(ahead, (next?.fileBlock ?? MAX_FILE_BLOCKS) - end)
    if (room <= 0) return
    const run = this.#space.takeAt(deviceEnd(taken.at(-1)!), room)
    if (run !== undefined) appendExtent(taken, makeExtent(end, run.start, run.count))
  }
}

/** EFBIG when a file would have a block at `end - 1`, or `size` bytes, beyond the largest file. */
export function refuseTooLarge(syscall: string, { end = 0, size = 0 }: { end?: number; size?: number }): void {
  if (end <= MAX_FILE_BLOCKS && size <= MAX_FILE_SIZE) return
  throw systemError('EFBIG', `a file has at most ${MAX_FILE_SIZE} bytes`, { syscall })
}

export const blocksOf = (ranges: readonly FileRange[]): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0)

export const noSpace = (syscall: string, need: number, available: number): Error =>
  systemError('ENOSPC', `${need} blocks are needed and ${available} are free`, { syscall })
