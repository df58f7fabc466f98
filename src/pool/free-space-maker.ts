/** Free space in the making: reclaim passes of this participant, one at a time, soon after something was freed or at once. */
import type { Door } from '../layout/breaking.ts'
import type { Reclaiming } from '../layout/busy-extents.ts'
import { reclaimBusyExtents } from '../layout/busy-extents.ts'
import { Table } from '../layout/format.ts'
import { stablePinsHoldBack } from '../layout/held-back.ts'
import { reclaimIdleLostFiles } from '../layout/lost-and-found.ts'

/** How long freed space may stay busy before a pass gives it back: long enough that one flush serves many frees. */
const SOON_MS = 1000
/** How often to look whether another participant's pass is over. */
const OTHERS_PAUSE_MS = 10
const OTHERS_TIMEOUT_MS = 2000
/** How long whoever holds space back has to let go when it is wanted, and how often to look. */
const LET_GO_MS = 600
const LET_GO_PAUSE_MS = 50

export class FreeSpaceMaker {
  readonly #work: Reclaiming
  #pass: Promise<number> | undefined
  #nextPass: Promise<number> | undefined
  #cancelSoon: (() => void) | undefined
  #isClosed = false
  /** Why the last pass in the background failed; the next call that needs space meets it. */
  #failure: Error | undefined

  constructor(work: Reclaiming) {
    this.#work = work
  }

  /** Something was freed: a pass in a moment. Does not keep the process alive. */
  soon(): void {
    if (this.#isClosed || this.#cancelSoon !== undefined) return
    this.#cancelSoon = this.#work.table.clock.after(
      SOON_MS,
      () => {
        this.#cancelSoon = undefined
        this.reclaim()
          // What somebody still holds is looked at again: its holder may let go, or die, without telling.
          .then(async () => {
            if ((await this.#work.metadata.space()).busy > 0) this.soon()
          })
          .catch((error: Error) => {
            this.#failure = error
          })
      },
      false,
    )
  }

  /**
   * Frees what is idle at the call; returns how many blocks that were, by another participant's pass at least 1. A pass under
   * way may have looked already: another one comes after it, for all who ask meanwhile.
   */
  reclaim(): Promise<number> {
    if (this.#pass === undefined) {
      this.#pass = this.#reclaim().finally(() => {
        this.#pass = undefined
      })
      return this.#pass
    }
    this.#nextPass ??= this.#pass.then(
      async (freed) => freed + (await this.#startNext()),
      () => this.#startNext(),
    )
    return this.#nextPass
  }

  #startNext(): Promise<number> {
    this.#nextPass = undefined
    return this.reclaim()
  }

  /**
   * Makes space for an allocation that found none: `letGo` frees what files can spare, then busy extents, the dead, idle files
   * of lost+found; at last what responses to slow clients hold back, in any process, if they let go when they are asked.
   * Whether there was any.
   */
  async make(door: Door, letGo: () => Promise<void>): Promise<boolean> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    // Also when nobody is to be reaped: whoever comes across a dead participant reaps it, and may not look for its orphans.
    door.table.reap()
    await letGo()
    if (await this.#takeIdle(door)) return true
    if (!(await stablePinsHoldBack(door))) return false
    const { memory, clock } = door.table
    memory.table.add(Table.spaceWanted, 1)
    const deadline = clock.steadyMs() + LET_GO_MS
    while (clock.steadyMs() < deadline) {
      await new Promise<void>((resolve) => clock.after(LET_GO_PAUSE_MS, resolve, true))
      if (await this.#takeIdle(door)) return true
    }
    return false
  }

  async #takeIdle(door: Door): Promise<boolean> {
    if ((await this.reclaim()) > 0) return true
    return (await reclaimIdleLostFiles(door)) > 0 && (await this.reclaim()) > 0
  }

  /** No pass begins by itself any more; resolves when those asked for are over, however they went: who began them is told. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelSoon?.()
    await this.#nextPass?.catch(() => undefined)
    await this.#pass?.catch(() => undefined)
  }

  async #reclaim(): Promise<number> {
    const { clock } = this.#work.table
    const deadline = clock.steadyMs() + OTHERS_TIMEOUT_MS
    for (let isOthers = false; ; isOthers = true) {
      const freed = await reclaimBusyExtents(this.#work)
      if (freed !== undefined) return isOthers ? Math.max(1, freed) : freed
      if (clock.steadyMs() > deadline) return 0
      await new Promise<void>((resolve) => clock.after(OTHERS_PAUSE_MS, resolve, true))
    }
  }
}
