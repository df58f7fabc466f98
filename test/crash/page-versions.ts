/**
 * Page versions: for each block of a device the contents that a power cut now could leave: what was durable at the last
 * flush, and everything written since, oldest first. The kernel may write a page back at any time, and pages in any order.
 *
 * Lists are never changed once handed out: a step keeps them.
 */
const PAGE = 4096
export const ZERO_PAGE = Buffer.alloc(PAGE)

export type Versions = readonly Buffer[]

export class PageVersions {
  #lists: Versions[]
  #durableBlocks: number

  /** What is there is durable. */
  constructor(device: Buffer) {
    this.#lists = Array.from({ length: device.length / PAGE }, (_, block) => [copyOf(device, block)])
    this.#durableBlocks = this.#lists.length
  }

  get durableBlocks(): number {
    return this.#durableBlocks
  }

  get lists(): readonly Versions[] {
    return this.#lists
  }

  /** The device as it is now. It may have grown. */
  look(device: Buffer): void {
    let lists: Versions[] | undefined
    for (let block = 0; block < device.length / PAGE; block++) {
      const list = this.#lists[block] ?? [ZERO_PAGE]
      const last = list[list.length - 1]
      const isSame = device.compare(last, 0, PAGE, block * PAGE, (block + 1) * PAGE) === 0
      if (isSame && block < this.#lists.length) continue
      lists ??= [...this.#lists]
      lists[block] = isSame ? list : [...list, copyOf(device, block)]
    }
    if (lists !== undefined) this.#lists = lists
  }

  /** At the start of a flush: what will be durable at least when it is over. */
  marks(): readonly Buffer[] {
    return this.#lists.map((list) => list[list.length - 1])
  }

  /** The flush that began at `marks` is over, for `blocks` or all. */
  flushed(marks: readonly Buffer[], blocks: Iterable<number> = marks.keys()): void {
    const lists = [...this.#lists]
    this.#durableBlocks = Math.max(this.#durableBlocks, marks.length)
    for (const block of blocks) lists[block] = lists[block].slice(lists[block].lastIndexOf(marks[block]))
    this.#lists = lists
  }
}

function copyOf(device: Buffer, block: number): Buffer {
  const page = device.subarray(block * PAGE, (block + 1) * PAGE)
  return page.equals(ZERO_PAGE) ? ZERO_PAGE : Buffer.from(page)
}
