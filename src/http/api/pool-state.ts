/** What the inspector shows besides the map: the pool in numbers, and who holds what. */
import type { Holder } from '../../errors.ts'
import { allChangeHolders } from '../../layout/changes-under-way.ts'
import { Slot } from '../../layout/format.ts'
import type { LostFile } from '../../pool/lost-and-found.ts'
import type { Pool } from '../../pool/pool.ts'
import type { PoolStats } from '../../pool/pool-stats.ts'
import { withPaths } from '../../pool/pool-stats.ts'

/** Plain JSON. */
export interface PoolState {
  /** When it was looked at, ms since 1970: ages are those of then. */
  readonly atMs: number
  readonly stats: PoolStats
  /** The oldest first, at most {@link MOST_LISTED}; `stats.pins` says how many there are. The same of the others. */
  readonly pins: readonly Holder[]
  readonly leases: readonly Holder[]
  /** Layout changes that wait or are being done. */
  readonly changes: readonly Holder[]
  /** Pins that wait for a layout change, of all participants. */
  readonly waitingPins: number
  readonly lostAndFound: readonly LostFile[]
}

const MOST_LISTED = 500

/** Each part is read at its own moment: a look, not a snapshot. */
export async function stateOf(pool: Pool): Promise<PoolState> {
  const [stats, pins, leases, lost] = await Promise.all([
    pool.stats(),
    pool.pins(),
    pool.leases(),
    pool.lostAndFound.list(),
  ])
  return {
    atMs: Date.now(),
    stats,
    pins: oldest(pins),
    leases: oldest(leases),
    changes: oldest(await changesIn(pool)),
    waitingPins: waitingPinsIn(pool),
    lostAndFound: lost.slice(0, MOST_LISTED),
  }
}

/** Layout changes under way, with the paths of their files. */
export const changesIn = ({ fileSystem }: Pool): Promise<Holder[]> =>
  withPaths(fileSystem, allChangeHolders(fileSystem))

function waitingPinsIn({ fileSystem: { table } }: Pool): number {
  let waiting = 0
  for (const slot of table.attached()) waiting += table.slot(slot).load(Slot.waiters)
  return waiting
}

const oldest = (holders: readonly Holder[]): Holder[] =>
  holders.toSorted((a, b) => (b.ageMs ?? 0) - (a.ageMs ?? 0)).slice(0, MOST_LISTED)
