/**
 * Lost+found: where held blocks go when their file lets go of them (option 3 of the thread). Each run of file blocks
 * that was held becomes a file there, with the owner and mode of its file, in which I/O goes on and late data can be read.
 *
 * Invariants
 *   1. What holds its blocks was granted before they left their file, or reads it here: it is opened for reading only.
 *   2. It goes when nobody holds its blocks and space is wanted, somebody reclaims it, or the pool is opened afresh;
 *      its blocks then take the way of all busy extents.
 */
import { codeOf } from '../errors.ts'
import type { LostAndFoundEntry, Metadata } from '../metadata/metadata.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { Door } from './breaking.ts'
import { breakLayout } from './break-layout.ts'
import type { ClaimView } from './overlaps.ts'
import { deviceBytesOf, overlappingClaims } from './overlaps.ts'

/** Who still holds blocks of a file of lost+found. */
export const heldBy = (door: Pick<Door, 'table'>, entry: LostAndFoundEntry): ClaimView[] =>
  overlappingClaims(door.table, deviceBytesOf(entry.extents))

/** Removes one file of lost+found; EBUSY with holders while its blocks are held. */
export async function reclaimLostFile(
  door: Door,
  entry: Pick<LostAndFoundEntry, 'ino' | 'name'>,
  syscall: string,
): Promise<void> {
  await breakLayout(door, {
    ino: entry.ino,
    start: 0,
    end: MAX_FILE_SIZE,
    deleteInode: true,
    busy: 'fail',
    limits: { deadlineMs: door.table.clock.steadyMs() + 45_000 },
    syscall,
    path: `/lost+found/${entry.name}`,
  })
}

/** Removes every file of lost+found that nobody holds; returns how many there were. */
export async function reclaimIdleLostFiles(door: Door): Promise<number> {
  let reclaimed = 0
  for (const entry of await (door.metadata satisfies Metadata).lostAndFound()) {
    if (heldBy(door, entry).length > 0) continue
    try {
      await reclaimLostFile(door, entry, 'reclaim')
      reclaimed++
    } catch (error) {
      // Somebody has begun to read it since.
      if (codeOf(error) !== 'EBUSY') throw error
    }
  }
  return reclaimed
}
