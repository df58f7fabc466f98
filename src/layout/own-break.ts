/**
 * The own break of a layout change, and the room for them.
 *
 * A slot has room for BREAKS breaks. Changes that wait may keep all of it but RESERVED records, which are left to changes
 * that go at once, and to those that only look whether they can. So however many wait, a truncate or unlink of what nobody
 * holds goes on.
 *
 * Who would wait and finds no place takes its break back and waits without one, in the order in which it came, until it has a
 * place or need not wait any more; then it publishes its break anew, and everything is to be looked at again. Nothing is
 * unsafe meanwhile: a change without a break changes nothing. But who has none keeps no new pins from its range (promise 3
 * holds from its place on), no release rings for it (it looks each 250 ms), and the later arrival puts it behind
 * changes of the same range that came meanwhile.
 */
import type { BreakRequest, Door } from './breaking.ts'
import { busyError } from './breaking.ts'
import { Break, breakAt, BREAKS } from './format.ts'
import { Queue } from './queue.ts'
import type { Limits } from './waiting.ts'

/** Records that nobody keeps while it waits. */
const RESERVED = 8
/** How many changes and flushes of one participant wait with a break. */
export const PLACES = BREAKS - RESERVED

interface Published {
  readonly index: number
  readonly sinceMs: number
  readonly queue: Queue
}

export class OwnBreak {
  readonly #door: Door
  readonly #request: Omit<BreakRequest, 'busy'>
  readonly #start: number
  readonly #end: number
  #state: number
  #published: Published | undefined
  #hasPlace = false

  private constructor(door: Door, request: Omit<BreakRequest, 'busy'>, state: number, start: number, end: number) {
    this.#door = door
    this.#request = request
    this.#state = state
    this.#start = start
    this.#end = end
  }

  /** Publishes a break over bytes [start, end); waits while all records of this participant are in use. */
  static async publish(
    door: Door,
    request: Omit<BreakRequest, 'busy'>,
    state: number,
    start: number,
    end: number,
  ): Promise<OwnBreak> {
    const broken = new OwnBreak(door, request, state, start, end)
    await broken.#publish()
    return broken
  }

  get index(): number {
    return this.#current.index
  }

  /** ms since 1970. */
  get sinceMs(): number {
    return this.#current.sinceMs
  }

  /** Its place among other changes. */
  get queue(): Queue {
    return this.#current.queue
  }

  set(state: number): void {
    this.#state = state
    this.#door.table.setBreakState(this.index, state)
  }

  /**
   * To be called by who is about to wait. True: the break may be kept meanwhile. False: there was no place; the break was
   * taken back, until there was one or `isNeedless` said that nothing is to be waited for, and is published anew, so look at
   * everything again. Rejects as waits do: `onTimeout()` at the deadline, or the signal's reason.
   */
  async keep(isNeedless: () => boolean, limits: Limits, onTimeout: () => Error): Promise<boolean> {
    if (this.#takePlace()) return true
    this.#withdraw()
    await this.#door.waiting.until(() => (isNeedless() || this.#takePlace() ? true : undefined), limits, onTimeout)
    await this.#publish()
    return false
  }

  /** The change is over. */
  takeBack(): void {
    if (this.#hasPlace) this.#door.table.breaksKept--
    this.#hasPlace = false
    // After the place is free: it wakes who waits for one.
    this.#withdraw()
  }

  get #current(): Published {
    if (this.#published === undefined) throw new Error('the break is not published')
    return this.#published
  }

  #takePlace(): boolean {
    const { table } = this.#door
    if (this.#hasPlace) return true
    if (table.breaksKept >= PLACES) return false
    table.breaksKept++
    this.#hasPlace = true
    return true
  }

  async #publish(): Promise<void> {
    const { table, waiting } = this.#door
    const { ino } = this.#request
    const [start, end] = [this.#start, this.#end]
    const publish = (): number | undefined => table.publishBreak(ino, start, end, this.#state)
    const index =
      publish() ??
      (await waiting.until(publish, this.#request.limits, () =>
        busyError(this.#door, this.#request, 'ETIMEDOUT', 'too many layout changes of this process are under way', []),
      ))
    const { words } = table.own
    const arrival = words.get(breakAt(index) + Break.arrival)
    this.#published = {
      index,
      sinceMs: words.getWide(breakAt(index) + Break.since),
      queue: new Queue(table, ino, { start, end, arrival }),
    }
  }

  #withdraw(): void {
    const { table } = this.#door
    if (this.#published === undefined) table.ringWaiters()
    else table.takeBreakBack(this.#published.index)
    this.#published = undefined
  }
}

/** Publishes a break over bytes [start, end) for as long as `action` runs. */
export async function withBreak<T>(
  door: Door,
  request: Omit<BreakRequest, 'busy'>,
  state: number,
  start: number,
  end: number,
  action: (broken: OwnBreak) => Promise<T>,
): Promise<T> {
  const broken = await OwnBreak.publish(door, request, state, start, end)
  try {
    return await action(broken)
  } finally {
    broken.takeBack()
  }
}
