/**
 * The observer: the pin table for who opened the pool for reading only. It reads what the others publish, and publishes
 * nothing: no slot, no record, no break, no bell. Nobody knows that it is there.
 *
 * Its own slot lies in memory of its own, so that a copy claims and releases as everywhere and nobody sees it. What it
 * copies is right because it looks twice (`refusalOf` in claims.ts):
 *
 *   1 generation g, then the layout
 *   2 copy the bytes
 *   3 load the breaks, THEN the generation (or, the short way, the arrivals)
 *   4 no break in the way and generation = g: the copy is what the file had; else do it again
 *
 * Why it is right without a claim. A block of the layout can be zeroed in place for a cut, or leave the file and then be
 * discarded or given to another one, only by a change that commits after the layout was read, and whose break said
 * `committing` before it touched anything. If the copy has seen any of that, the break was published before 3. Either 3
 * finds it: committing, or leaving, or left by a dead owner. Or it was taken back before 3; then the generation had gone
 * up before that (commit → generation → take back), which the second load of 3 finds: g was loaded before the layout, and
 * so before the commit. A block may be discarded before the generation goes up; then the break is still there. The other
 * order of the two loads would be wrong, as for pins. The same arrivals as when g was last confirmed say that no break has
 * been published since; each one before was over then.
 *
 * What it pays for not being known: no change waits for its copies, so under one change after the other it may have to
 * copy again until its time is up; a file may go while it has it open; the break of a dead owner, which it must not take
 * out, keeps it waiting until somebody who may write does.
 */
import { openForReading } from '../errors.ts'
import { CHUNK_WORDS, Slot, SLOT_WORDS } from './format.ts'
import { PinTable } from './pin-table.ts'
import type { Bells, Clock, Liveness, TableMemory } from './surroundings.ts'
import type { Words } from './words.ts'
import { MappedWords } from './words.ts'

/** No slot of the table. */
const NO_SLOT = -1
/** How often it looks while it waits: nobody rings for it. */
const LOOK_MS = 10

export class ObserverTable extends PinTable {
  constructor(memory: TableMemory, isAlive: Liveness['isAlive'], clock: Clock, pool?: string) {
    const liveness = { isAlive, tryOwn: () => false, disown: () => undefined }
    const surroundings = { memory: withOwnSlot(memory), liveness, bells: new Looks(clock), clock }
    super(surroundings, NO_SLOT, { pid: process.pid, threadId: 0, startTime: 0, pool })
  }

  /** Nobody waits for what it claims. */
  override ring(): void {}
  override ringWaiters(): void {}

  override publishBreak(): never {
    throw openForReading('break')
  }

  /** True: the owner is dead. Its traces stay, for who may clear them. */
  override reapIfDead(slot: number): boolean {
    return this.slot(slot).load(Slot.state) === 0 || !this.liveness.isAlive(slot)
  }
}

/** The table with one more slot, which nobody else sees. */
function withOwnSlot(memory: TableMemory): TableMemory {
  const privateWords = (count: number): Words => new MappedWords(new ArrayBuffer(count * 4))
  const slot = privateWords(SLOT_WORDS)
  const chunks: Words[] = []
  return {
    table: memory.table,
    slot: (index) => (index === NO_SLOT ? slot : memory.slot(index)),
    chunk: (index, chunk) =>
      index === NO_SLOT ? (chunks[chunk] ??= privateWords(CHUNK_WORDS)) : memory.chunk(index, chunk),
  }
}

/** In place of a bell: while somebody waits, it rings by itself. */
class Looks implements Bells {
  readonly #clock: Clock
  #listener = (): void => {}
  #cancel: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  ring(): void {}

  onRing(listener: () => void): void {
    this.#listener = listener
  }

  setWaiting(isWaiting: boolean): void {
    if (isWaiting) {
      this.#cancel ??= this.#arm()
    } else {
      this.#cancel?.()
      this.#cancel = undefined
    }
  }

  #arm(): () => void {
    const look = (): void => {
      this.#cancel = this.#arm()
      this.#listener()
    }
    return this.#clock.after(LOOK_MS, look, true)
  }
}
