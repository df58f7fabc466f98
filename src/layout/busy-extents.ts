/**
 * Busy extents: freed by their file, not yet fit for reuse. "The removal is not blocked, re-use of the underlying
 * storage is simply delayed" (Hellwig and Chinner in the thread; for DAX it was never built).
 *
 *   mapped → busy (not durable) → busy (held) or idle → discarded (punched and flushed) → free
 *
 * Invariants
 *   1. A busy extent belongs to no file's layout.
 *   2. It becomes free only when the transaction that freed it is durable, no live claim overlaps it, and it was
 *      punched and the device flushed after that: the next file reads zeros there, also after a power failure (promise 6).
 *   3. One participant at a time reclaims, under the pool's reclaim lock, which the kernel drops at its death. Else a slow
 *      reclaimer could punch what a quick one had freed already and a file has got since.
 *
 * Why the scan for claims may come first: no claim on a busy extent can be granted any more, its file's generation went
 * up when it left; and a record that is published all the same is taken back before a byte is touched.
 *
 * Why the table is read again after the scan: a block reserved for an edge copy is busy too, and claimed from before its
 * reservation is committed until after it became part of its file. Found unclaimed it is either abandoned or in use by
 * now, and in use it is busy no more. Whoever is still busy after the scan stays so until we release it.
 *
 * That reading also refuses, with EUCLEAN, metadata that say of a busy block that a file has it, or that it is free: only a
 * store that was tampered with does. Nothing is discarded then, and nothing becomes free, until fsck has been there.
 *
 * If this process dies: before `release` the extents are busy still and the next pass does it again; the punch of a
 * block that is already punched changes nothing.
 */
import type { Device } from '../device/device.ts'
import type { BusyExtent, Metadata } from '../metadata/metadata.ts'
import { BLOCK_SIZE } from '../units.ts'
import { overlappingClaims } from './overlaps.ts'
import type { PinTable } from './pin-table.ts'

/** A lock among all participants of the pool that is dropped at its owner's death. */
export interface PoolLock {
  tryLock(): boolean
  unlock(): void
}

export interface Reclaiming {
  readonly table: PinTable
  readonly metadata: Metadata
  readonly device: Device
  readonly reclaimLock: PoolLock
}

/** Extents of one pass: bounds its memory and how long others wait for the lock. */
const BATCH = 4096

/**
 * One reclaim pass: makes idle busy extents free. Returns the blocks freed; undefined when another participant is at it.
 * EUCLEAN: a busy block is somebody else's as well.
 * Price: one flush of the device and one of the log for each BATCH extents, a punch for each run; nothing when none is busy.
 */
export async function reclaimBusyExtents(work: Reclaiming): Promise<number | undefined> {
  const { table, metadata, device, reclaimLock } = work
  if (!reclaimLock.tryLock()) return undefined
  try {
    let freed = 0
    // All of them, however many of the older ones are held: what is held may stay so for long.
    for (let after = 0; ;) {
      const page = { after, limit: BATCH }
      const batch = await metadata.busyExtents(page)
      if (batch.length === 0) return freed
      await metadata.sync()
      const unclaimed = batch.filter((extent) => isIdle(table, extent))
      const stillBusy = new Set((await metadata.busyExtentsToFree(page)).map((extent) => extent.id))
      const idle = unclaimed.filter((extent) => stillBusy.has(extent.id))
      if (idle.length > 0) {
        for (const run of merged(idle)) device.discard(run)
        await device.flush()
        await metadata.release(idle.map((extent) => extent.id))
        freed += idle.reduce((sum, extent) => sum + extent.count, 0)
      }
      if (batch.length < BATCH) return freed
      after = batch[batch.length - 1].id
    }
  } finally {
    reclaimLock.unlock()
  }
}

const isIdle = (table: PinTable, { start, count }: BusyExtent): boolean =>
  overlappingClaims(table, [{ start: start * BLOCK_SIZE, end: (start + count) * BLOCK_SIZE }]).length === 0

/** Runs that touch become one: one punch each. */
function merged(extents: readonly BusyExtent[]): { start: BusyExtent['start']; count: BusyExtent['count'] }[] {
  const runs: { start: BusyExtent['start']; count: BusyExtent['count'] }[] = []
  for (const { start, count } of [...extents].sort((a, b) => a.start - b.start)) {
    const last = runs.at(-1)
    if (last !== undefined && last.start + last.count === start) last.count = (last.count + count) as typeof count
    else runs.push({ start, count })
  }
  return runs
}
