/**
 * Solitude: who is the only participant of a pool may change the metadata without committing at once, since nobody is there
 * who could miss it. Whoever comes waits until that is committed, before it reads anything.
 *
 *   the one    batch becomes odd → load entries: as when it saw that it is alone? → change, change … → commit → batch even
 *   who comes  its lock, its slot → entries + 1 → load batch: odd, and its owner lives? wait → read the metadata
 *
 * Why nobody ever reads beside a batch. Both store, then load, sequentially consistent, so of two that meet at least one
 * sees the other (as in Dekker's algorithm): the one finds other entries and takes its word back, or who comes finds the odd word and waits.
 *
 * Alone it is when no other slot has a living owner, `entries` having been loaded *before* the slots were looked at: who took
 * its lock before the look is seen there, and who takes it after adds to `entries` after, and is seen by that. Who has left, or is dead,
 * reads nothing any more. Two cannot take themselves for the only one: each has entered, alive, before it looks.
 *
 * Who only reads (observer.ts) has no slot and enters nothing. It looks at `batch` before each read, after it loaded the
 * mark under which it would keep what it reads (change-marks.ts). Odd: it waits, so it sees what had returned before its call. Even: what it reads
 * was committed then, and a change of a batch that begins later makes the mark another one before it is kept.
 *
 * Deaths. The one dies: SQLite takes back what was not committed, the kernel drops its lock, and who comes takes the word
 * back, which would be odd for ever else. Who comes dies: its lock falls, and the next look finds nobody.
 *
 * A batch of somebody who lives ends soon (metadata/commit-batch.ts), and no other begins: `entries` have changed.
 */
import type { Holder } from '../errors.ts'
import { systemError } from '../errors.ts'
import type { Alone } from '../metadata/metadata.ts'
import { Table } from './format.ts'
import type { PinTable } from './pin-table.ts'

type Seen = Pick<PinTable, 'memory' | 'own' | 'attached' | 'liveness' | 'clock'>

/** While others are there: how often to look whether they have left. */
const LOOK_MS = 10
/** Between two looks of who waits. A batch lasts about a millisecond. */
const PAUSE_MS = 1

export class Solitude implements Alone {
  readonly #table: Seen
  /** The entries with which nobody else was there. */
  #entries: number | undefined
  #looksAgainMs = -Infinity

  constructor(table: Seen) {
    this.#table = table
  }

  /** Price: 0.1 µs; while others are there 4 µs for each of them, every 10 ms. */
  begin(): boolean {
    if (!this.isStill && !this.#look()) return false
    const words = this.#table.memory.table
    words.store(Table.batchOwner, this.#table.own.index + 1)
    words.add(Table.batch, 1)
    if (this.isStill) return true
    this.end()
    return false
  }

  get isStill(): boolean {
    return this.#table.memory.table.load(Table.entries) === this.#entries
  }

  end(): void {
    this.#table.memory.table.add(Table.batch, 1)
  }

  #look(): boolean {
    const { memory, own, liveness, clock } = this.#table
    const nowMs = clock.nowMs()
    // The clock may be set back.
    if (nowMs < this.#looksAgainMs && this.#looksAgainMs - nowMs <= LOOK_MS) return false
    this.#looksAgainMs = nowMs + LOOK_MS
    const entries = memory.table.load(Table.entries)
    for (const slot of this.#table.attached()) if (slot !== own.index && liveness.isAlive(slot)) return false
    this.#entries = entries
    return true
  }
}

/** The slot of who may have changed the metadata and not committed that yet; undefined: nobody, all can be read. */
export function batchOwnerIn({ memory, own, liveness }: Seen): number | undefined {
  const words = memory.table
  if ((words.load(Table.batch) & 1) === 0) return undefined
  const owner = words.load(Table.batchOwner) - 1
  // The own slot: that of somebody who died before.
  return owner !== own.index && liveness.isAlive(owner) ? owner : undefined
}

/** A participant that has its slot makes itself known, before it looks at the metadata. */
export const announce = ({ memory }: Pick<Seen, 'memory'>): void => void memory.table.add(Table.entries, 1)

/** Whether who was announced may look at the metadata now. What a dead one left open is closed. */
export function mayLook(table: Seen): boolean {
  const { table: words } = table.memory
  const batch = words.load(Table.batch)
  if (batchOwnerIn(table) !== undefined) return false
  // Another one who comes may have been quicker.
  if ((batch & 1) === 1) words.compareExchange(Table.batch, batch, (batch + 1) | 0)
  return true
}

/** Both, and the wait in between. ETIMEDOUT: somebody does not commit; `holders` tells who. */
export async function enter(table: Seen, timeoutMs: number, path: string, holders: () => Holder[]): Promise<void> {
  const { clock } = table
  announce(table)
  const deadlineMs = clock.steadyMs() + timeoutMs
  while (!mayLook(table)) {
    if (clock.steadyMs() >= deadlineMs) {
      const what = 'another process has changes of the metadata that it does not commit; is it stopped?'
      throw systemError('ETIMEDOUT', what, { syscall: 'open', path, holders: holders() })
    }
    await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve, true))
  }
}
