/**
 * breakLastName: the layout change that a file's last name takes along, in one transaction with it: unlink, rename over.
 */
import type { DecideLastName, NameLoss, Patience } from '../metadata/metadata.ts'
import type { Extent } from '../units.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { BreakRequest, Door } from './breaking.ts'
import { committed, ROLL_BACK, settles, settleTime, untilPolicyAllows, withBreak } from './breaking.ts'
import { BreakState, bucketOf } from './format.ts'
import { deviceBytesOf, heldParts, overlappingClaims } from './overlaps.ts'
import { patienceOf } from './waiting.ts'

/**
 * Takes a name away, by `commit`; when it is the file's last and nobody has the file open, its blocks go in the same
 * transaction. 'other': by then the name was another file's. EBUSY, ETIMEDOUT with holders: the name is still there.
 *
 * Concurrency (open files). The opener publishes its "open" record, then looks whether the inode is linked and unchanged
 * (its change mark). The store marks the inode before it asks here for open records. One of the two sees the other:
 * either the opener looks again, or the file becomes an orphan, whose content goes with the last close.
 */
export async function breakLastName(
  door: Door,
  request: BreakRequest,
  commit: (decide: DecideLastName, patience: Patience) => Promise<NameLoss>,
): Promise<NameLoss | 'other'> {
  const { ino, busy, limits } = request
  const { table } = door
  const bucket = bucketOf(ino)
  const maySequester = busy === 'sequester'
  return withBreak(door, request, BreakState.committing, 0, MAX_FILE_SIZE, async (broken) => {
    for (let settleBy = settleTime(door, limits); ;) {
      const generation = table.generation(bucket)
      let obstacle: readonly Extent[] | 'other' | undefined
      const decide: DecideLastName = (extents, inode) => {
        obstacle = inode.ino === ino ? undefined : 'other'
        if (obstacle !== undefined) return ROLL_BACK
        if (maySequester && table.isOpenAnywhere(ino)) return 'orphan'
        const targets = deviceBytesOf(extents)
        const claims = overlappingClaims(table, targets)
        const mustSettle = claims.some(settles) && table.clock.nowMs() < settleBy
        if (mustSettle || (claims.length > 0 && !maySequester)) {
          obstacle = extents
          return ROLL_BACK
        }
        if (!maySequester && table.isOpenAnywhere(ino)) return 'orphan'
        return { commit: true, sequester: heldParts(extents, claims, targets) }
      }
      const loss = await committed(table, bucket, () => commit(decide, patienceOf(table, limits)))
      if (obstacle === 'other') return 'other'
      if (obstacle === undefined) {
        if (loss.isGone) table.advanceGeneration(bucket)
        return loss
      }
      const allowed = await untilPolicyAllows(door, request, broken, deviceBytesOf(obstacle), generation)
      settleBy = allowed === 'moved' ? settleTime(door, limits) : allowed
      broken.set(BreakState.committing)
    }
  })
}
