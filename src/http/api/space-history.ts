/**
 * Space over time: samples of a pool from when the server began, kept in memory and bounded. Those of the last hour lie
 * closely, older ones ever further apart: an old sample has the most that its time saw of each number.
 *
 * Price: a row of the metadata and a scan of the pin table every five seconds; 150 KB.
 */
import { allClaims } from '../../layout/holders.ts'
import type { Pool } from '../../pool/pool.ts'
import { bytesOf } from '../../units.ts'

/** Bytes at a moment, ms since 1970. */
export interface SpaceSample {
  readonly atMs: number
  readonly usedBytes: number
  readonly pinnedBytes: number
  readonly busyBytes: number
  readonly sequesteredBytes: number
}

/** Plain JSON: a column for each number, which is short. */
export type SpaceColumns = { readonly [Name in keyof SpaceSample]: readonly number[] }

interface Tier {
  readonly everyMs: number
  readonly most: number
}

const TIERS: readonly Tier[] = [
  // An hour, a day, 30 days.
  { everyMs: 5000, most: 720 },
  { everyMs: 60_000, most: 1440 },
  { everyMs: 1_800_000, most: 1440 },
]

export class SpaceHistory {
  /** By tier, oldest first. */
  readonly #samples: readonly SpaceSample[][] = TIERS.map(() => [])
  #timer: NodeJS.Timeout | undefined

  /** Takes a sample now and every five seconds until the pool is closed. Does not keep the process alive. */
  begin(pool: Pool): void {
    const look = (): void => {
      if (!pool.isOpen) return clearInterval(this.#timer)
      // What cannot be read now may be in five seconds.
      sampleOf(pool).then(
        (sample) => this.add(sample),
        () => undefined,
      )
    }
    this.#timer = setInterval(look, TIERS[0].everyMs).unref()
    look()
  }

  add(sample: SpaceSample): void {
    for (const [tier, { everyMs, most }] of TIERS.entries()) {
      const samples = this.#samples[tier]
      const last = samples.at(-1)
      const isOfLast = tier > 0 && last !== undefined && slotOf(last, everyMs) === slotOf(sample, everyMs)
      if (isOfLast) samples[samples.length - 1] = mostOf(last, sample)
      else samples.push(sample)
      if (samples.length > most) samples.shift()
    }
  }

  /** All, oldest first: of each time the closest there are. */
  columns(): SpaceColumns {
    const all = this.#samples
      .flatMap((samples, tier) => {
        const closer = tier === 0 ? Infinity : (this.#samples[tier - 1][0]?.atMs ?? Infinity)
        return samples.filter(({ atMs }) => atMs < closer)
      })
      .sort((a, b) => a.atMs - b.atMs)
    const column = (name: keyof SpaceSample): number[] => all.map((sample) => sample[name])
    return {
      atMs: column('atMs'),
      usedBytes: column('usedBytes'),
      pinnedBytes: column('pinnedBytes'),
      busyBytes: column('busyBytes'),
      sequesteredBytes: column('sequesteredBytes'),
    }
  }
}

async function sampleOf({ fileSystem: { metadata, table } }: Pool): Promise<SpaceSample> {
  const { mapped, sequestered, busy } = await metadata.space()
  const pins = allClaims(table).filter(({ kind }) => kind === 'pin')
  return {
    atMs: Date.now(),
    usedBytes: bytesOf(mapped - sequestered),
    pinnedBytes: pins.reduce((sum, { length }) => sum + length, 0),
    busyBytes: bytesOf(busy),
    sequesteredBytes: bytesOf(sequestered),
  }
}

const slotOf = ({ atMs }: SpaceSample, everyMs: number): number => Math.floor(atMs / everyMs)

/** At the time of the first. */
const mostOf = (a: SpaceSample, b: SpaceSample): SpaceSample => ({
  atMs: a.atMs,
  usedBytes: Math.max(a.usedBytes, b.usedBytes),
  pinnedBytes: Math.max(a.pinnedBytes, b.pinnedBytes),
  busyBytes: Math.max(a.busyBytes, b.busyBytes),
  sequesteredBytes: Math.max(a.sequesteredBytes, b.sequesteredBytes),
})
