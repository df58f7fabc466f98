/**
 * Holds: responses whose clients have not taken all yet, so that they hold blocks; and what becomes of those that meet a
 * limit (options `hold`): a small rest is copied and the blocks are let go, a large one is given up. The limits:
 *
 *   time        it takes too long
 *   held-back   its blocks have left the file, and it keeps more of them from being used again than one response may
 *   space       somebody, in any process, finds no space (`Table.spaceWanted`): the slowest give way (giving-way.ts)
 *
 * Nothing but the synchronous part of a send refers to the blocks (body.ts), so both can be done at any moment between.
 *
 * Price: a timer while there are holds; a row of the metadata a second; and when something has left a file and is not free
 * yet, a look at that and at the pins of all holds, which never takes more than a twentieth of the time.
 */
import { responseLimits } from '../../diagnostics.ts'
import { bytesOfPieces, heldBackBy, piecesThatLeft } from '../../layout/held-back.ts'
import { Table } from '../../layout/format.ts'
import { bytesOfRecord, wholeBlocks } from '../../layout/overlaps.ts'
import type { Pool } from '../../pool/pool.ts'
import { bytesOf } from '../../units.ts'
import type { Body } from './body.ts'
import type { Candidate } from './giving-way.ts'
import { givingWay } from './giving-way.ts'
import type { Settings } from './options.ts'

const LOOK_MS = 100
/** Between two looks at what has left its file. */
const BLOCKS_LOOK_MS = 1000
/** A look may take one part of so many. */
const REST = 20
/** What is freed at once for whoever wants space, one part of so many of the pool: else many would ask again and again. */
const FREED_AT_ONCE = 16
/** What one response may hold back unless it is told otherwise: one part of so many of the pool. */
const HELD_BACK = 4

/** Why a response may not go on from the blocks. */
export type Limit = 'time' | 'held-back' | 'space'

export interface Hold {
  readonly body: Body
  /** What is left may be copied: somebody says when it is over, whatever the client does. */
  readonly mayCopy: boolean
  /** Closes the connection. */
  giveUp(limit: Limit): void
}

interface Term {
  readonly sinceMs: number
  readonly untilMs: number
}

export class Holds {
  readonly #pool: Pool
  readonly #limits: Settings['hold']
  readonly #terms = new Map<Hold, Term>()
  /** Bytes that were copied for each. */
  readonly #copies = new Map<Hold, number>()
  #copied = 0
  #timer: NodeJS.Timeout | undefined
  #isLooking = false
  #nextLookMs = 0
  /** `Table.spaceWanted` when it was answered last. */
  #wanted = 0

  constructor(pool: Pool, limits: Settings['hold']) {
    this.#pool = pool
    this.#limits = limits
  }

  add(hold: Hold): void {
    if (!hold.body.isOfFile) return
    const { graceMs, bytesPerSecond } = this.#limits
    const ms = bytesPerSecond === 0 ? Infinity : graceMs + (hold.body.left / bytesPerSecond) * 1000
    const now = performance.now()
    this.#terms.set(hold, { sinceMs: now, untilMs: now + ms })
    if (this.#timer !== undefined) return
    // Who asked before there was a hold asked somebody else.
    this.#wanted = this.#spaceWanted()
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** The response is over. */
  delete(hold: Hold): void {
    this.#terms.delete(hold)
    this.#copied -= this.#copies.get(hold) ?? 0
    this.#copies.delete(hold)
    this.#rest()
  }

  #rest(): void {
    if (this.#terms.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #spaceWanted(): number {
    return this.#pool.fileSystem.table.memory.table.load(Table.spaceWanted)
  }

  #look(): void {
    const now = performance.now()
    for (const [hold, { untilMs }] of this.#terms) if (untilMs <= now) this.#end(hold, 'time')
    this.#rest()
    if (this.#isLooking || this.#pool.isReadOnly || !this.#pool.isOpen) return
    const wanted = this.#spaceWanted()
    const isWanted = wanted !== this.#wanted
    if (!isWanted && now < this.#nextLookMs) return
    this.#wanted = wanted
    this.#isLooking = true
    void this.#lookAtBlocks(isWanted)
      // The pool was closed meanwhile, or could not be read: it is looked at again.
      .catch(() => undefined)
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #lookAtBlocks(isWanted: boolean): Promise<void> {
    const { metadata, table } = this.#pool.fileSystem
    this.#nextLookMs = performance.now() + BLOCKS_LOOK_MS
    const { busy, sequestered, blockCount } = await metadata.space()
    if (busy + sequestered === 0) return
    const pieces = await piecesThatLeft(metadata)
    // Nothing is awaited from here on: what is held is what was looked at.
    const startedAt = performance.now()
    const left = bytesOfPieces(pieces)
    const most = this.#limits.heldBackBytes ?? bytesOf(blockCount) / HELD_BACK
    for (const { holds, bytes } of this.#byPin()) {
      if (heldBackBy({ bytes }, left) > most) for (const hold of holds) this.#end(hold, 'held-back')
    }
    if (isWanted) {
      const candidates = this.#byPin(this.#limits.graceMs)
      for (const { holds } of givingWay(table, candidates, pieces, bytesOf(blockCount) / FREED_AT_ONCE))
        for (const hold of holds) this.#end(hold, 'space')
    }
    this.#rest()
    const took = performance.now() - startedAt
    this.#nextLookMs = Math.max(this.#nextLookMs, performance.now() + REST * took)
  }

  /** Holds of blocks, together where they share a pin; where one of these is younger than `graceMs`, none of them. */
  #byPin(graceMs = 0): (Candidate & { holds: Hold[] })[] {
    const { table } = this.#pool.fileSystem
    const now = performance.now()
    const pins = new Map<number, { holds: Hold[]; msToGo: number; youngestMs: number }>()
    for (const [hold, { sinceMs }] of this.#terms) {
      const { record, left, sent } = hold.body
      if (record < 0) continue
      const ageMs = now - sinceMs
      const msToGo = (ageMs * left) / Math.max(1, sent)
      const pin = pins.get(record)
      if (pin === undefined) {
        pins.set(record, { holds: [hold], msToGo, youngestMs: ageMs })
        continue
      }
      pin.holds.push(hold)
      pin.msToGo = Math.max(pin.msToGo, msToGo)
      pin.youngestMs = Math.min(pin.youngestMs, ageMs)
    }
    return [...pins]
      .filter(([, { youngestMs }]) => youngestMs >= graceMs)
      .map(([record, { holds, msToGo }]) => ({
        record,
        holds,
        msToGo,
        bytes: bytesOfRecord(table, record).map(wholeBlocks),
      }))
  }

  #end(hold: Hold, limit: Limit): void {
    const { sinceMs } = this.#terms.get(hold)!
    this.#terms.delete(hold)
    const { left, sent } = hold.body
    const { copyBytes, copiesBytes } = this.#limits
    const isCopied = hold.mayCopy && left <= copyBytes && this.#copied + left <= copiesBytes
    if (responseLimits.hasSubscribers) {
      const { teller } = this.#pool.fileSystem.table
      const outcome = isCopied ? 'copied' : 'aborted'
      const heldMs = performance.now() - sinceMs
      responseLimits.publish({ ...teller, limit, outcome, heldMs, sentBytes: sent, leftBytes: left })
    }
    if (!isCopied) {
      hold.body.end()
      hold.giveUp(limit)
      return
    }
    hold.body.detach()
    this.#copied += left
    this.#copies.set(hold, left)
  }
}
