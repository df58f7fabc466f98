/**
 * Own pins: what this participant has pinned, so that a dropped pin can be reported and a forced close can take views
 * away. Bounce pins have no record; their keys are below 0.
 *
 * The hot path only stores the pin under its record number: it is young. Pins that are still held at the next `tidy` are
 * handed to a FinalizationRegistry and from then on kept weakly: registering each pin would cost more than the pin. Pins
 * of which there is more to keep (bounce pins, stable ones, all of them for `debug`) are never young.
 */
import { releases } from '../diagnostics.ts'
import type { RunView, RunViews } from '../files/run-views.ts'
import { releaseClaim } from '../layout/claims.ts'
import { Record } from '../layout/format.ts'
import { chunkOf, recordAt } from '../layout/own-slot.ts'
import { bytesOfRecord } from '../layout/overlaps.ts'
import type { PunchWatch } from '../layout/punch-marks.ts'
import { PunchMarks } from '../layout/punch-marks.ts'
import { endStable } from '../layout/stable.ts'
import type { InodeNumber } from '../units.ts'
import type { PinTable } from '../layout/pin-table.ts'
import { DroppedPins } from './dropped-pins.ts'
import type { Pin } from './pin.ts'

/**
 * How often a pin is stored into the list of young ones before that is made anew. A store of a new object into one that
 * has outlived two scavenges of the garbage collector costs 8 ns, into a new one 1.
 */
const RENEWED_AFTER = 1024

export class OwnPins {
  readonly #table: PinTable
  readonly #punches: PunchMarks
  readonly #runViews: RunViews
  readonly #isDebug: boolean
  readonly #freed: () => void
  /** By record: young ones strongly, for a moment. */
  #young: (Pin | undefined)[] = []
  /** Stores into the list until it is made anew. */
  #storesLeft = RENEWED_AFTER
  readonly #old = new Map<number, WeakRef<Pin>>()
  readonly #places = new Map<number, string>()
  /** Records of stable pins. */
  readonly #stable = new Set<number>()
  #held = 0
  #onNoneHeld: (() => void) | undefined
  readonly #toldOf = new DroppedPins()
  readonly #dropped = new FinalizationRegistry<{ what: string; record: number }>(({ what, record }) =>
    this.#toldOf.add(what, this.#places.get(record)),
  )

  /** `freed`: space may have become free. */
  constructor(table: PinTable, runViews: RunViews, isDebug: boolean, freed: () => void) {
    this.#freed = freed
    this.#table = table
    this.#punches = new PunchMarks(table.memory)
    this.#runViews = runViews
    this.#isDebug = isDebug
  }

  /** Pins not released yet. */
  get held(): number {
    return this.#held
  }

  /** Returns the pin. */
  add(pin: Pin, record: number): Pin {
    this.#held++
    if (record < 0 || this.#isDebug) this.#addOld(pin, record)
    else {
      if (--this.#storesLeft === 0) this.#renewYoung()
      this.#young[record] = pin
    }
    return pin
  }

  #renewYoung(): void {
    this.#young = [...this.#young]
    this.#storesLeft = Math.max(RENEWED_AFTER, 2 * this.#young.length)
  }

  #addOld(pin: Pin, record: number): void {
    this.#watch(pin, record)
    if (this.#isDebug) this.#places.set(record, placeOfCaller())
  }

  /** Of a stable pin: it is counted, and what it kept may become free with it. */
  addStable(pin: Pin, record: number): Pin {
    this.#held++
    this.#stable.add(record)
    this.#addOld(pin, record)
    return pin
  }

  release(record: number, ino: number): void {
    this.#held--
    if (record < 0 || this.#young[record] === undefined) this.#releaseOld(record, ino)
    else {
      this.#young[record] = undefined
      releaseClaim(this.#table, record, ino)
    }
    if (this.#held === 0 && this.#onNoneHeld !== undefined) this.#onNoneHeld()
  }

  #releaseOld(record: number, ino: number): void {
    this.#forget(record)
    this.#places.delete(record)
    if (record >= 0) releaseClaim(this.#table, record, ino)
    if (!this.#stable.delete(record)) return
    endStable(this.#table, ino as InodeNumber)
    this.#freed()
  }

  /** Takes a revocable view away. */
  revoke(view: RunView): void {
    this.#runViews.revoke(view)
  }

  /** Has the blocks of a view read ahead. */
  prefetch(view: RunView): void {
    this.#runViews.prefetch(view)
  }

  /** Tells of punches near the blocks of a pin; undefined for a bounce pin, which has none. */
  watch(record: number): PunchWatch | undefined {
    return record < 0 ? undefined : this.#punches.watch(bytesOfRecord(this.#table, record))
  }

  takenAt(record: number): string | undefined {
    return this.#places.get(record)
  }

  /** Hands pins that live longer to the registry. */
  tidy(): void {
    for (let record = 0; record < this.#young.length; record++) {
      const pin = this.#young[record]
      if (pin === undefined) continue
      this.#watch(pin, record)
      this.#young[record] = undefined
    }
    this.#young.length = 0
  }

  /** Takes every view away that is still referenced. */
  revokeAll(): void {
    this.#toldOf.end()
    for (const pin of [...this.#young, ...[...this.#old.values()].map((ref) => ref.deref())]) pin?.revoke()
  }

  /** Calls `action` when no pin is held: now, or at the last release. */
  whenNoneHeld(action: () => void): void {
    if (this.#held === 0) action()
    else this.#onNoneHeld = action
  }

  #watch(pin: Pin, record: number): void {
    const what = `a ${pin.mode} pin of bytes ${pin.offset}-${pin.offset + pin.length}`
    const ref = new WeakRef(pin)
    this.#dropped.register(pin, { what, record }, ref)
    this.#old.set(record, ref)
  }

  #forget(record: number): void {
    const ref = this.#old.get(record)
    if (ref === undefined) return
    this.#dropped.unregister(ref)
    this.#old.delete(record)
    if (releases.hasSubscribers && record >= 0) this.#tell(record)
  }

  /** Of a pin that is not young; its record is still there. */
  #tell(record: number): void {
    const { own, memory, clock, teller } = this.#table
    const chunk = memory.chunk(own.index, chunkOf(record))
    const at = recordAt(record)
    releases.publish({
      ...teller,
      inode: chunk.getWide(at + Record.ino),
      offset: chunk.getWide(at + Record.offset),
      length: chunk.getWide(at + Record.length),
      heldMs: Math.max(0, clock.nowMs() - chunk.getWide(at + Record.since)),
    })
  }
}

/** The first frame of the stack outside of this project's pinning code. */
function placeOfCaller(): string {
  const lines = new Error('pin').stack?.split('\n').slice(1) ?? []
  return lines.find((line) => !/[\\/](?:own-pins|pin|file)\.[jt]s/.test(line))?.trim() ?? ''
}
