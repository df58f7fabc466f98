/**
 * breakLastName: the layout change that a file's last name takes along, in one transaction with it: unlink, rename over.
 *
 * Which file it is shows inside the transaction only, so the break is published there, before anything is decided: the
 * order of break-layout.ts (break, scan, commit, generation, take back) holds. What has to be waited for is waited for
 * outside, with the break published for as long as the wait lasts.
 *
 * Concurrency (open files). The opener publishes its "open" record, then looks whether the inode is linked and unchanged
 * (its change mark). The store marks the inode before it asks here for open records. One of the two sees the other:
 * either the opener looks again, or the file becomes an orphan, whose content goes with the last close.
 */
import { breaks } from '../diagnostics.ts'
import type { BusyPolicy, DecideLastName, Inode, NameLoss, Patience } from '../metadata/metadata.ts'
import type { Extent, InodeNumber } from '../units.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { BreakRequest, Door } from './breaking.ts'
import { ROLL_BACK, settles, settleTime, untilPolicyAllows } from './breaking.ts'
import { toldOfBreak } from './break-news.ts'
import { BreakState, bucketOf } from './format.ts'
import { isFenced } from './leases.ts'
import { deviceBytesOf, heldParts, overlappingClaims } from './overlaps.ts'
import { withBreak } from './own-break.ts'
import { patienceOf } from './waiting.ts'

export interface LastNameRequest extends Omit<BreakRequest, 'ino' | 'busy'> {
  /** What to do about pinned blocks of the file that the name turns out to be of. */
  readonly policyOf: (inode: Inode) => BusyPolicy
}

/** Takes the name away; `decide` is asked when it is a file's last. */
export type TakeName = (decide: DecideLastName, patience: Patience) => Promise<NameLoss>

/** Why the name is still there. */
interface Obstacle {
  readonly ino: InodeNumber
  readonly busy: BusyPolicy
  readonly extents: readonly Extent[]
  readonly generation: number
}

/**
 * Takes a name away, by `take`; when it is a file's last and nobody has the file open, its blocks go in the same
 * transaction. EBUSY, ETIMEDOUT with holders: the name is still there.
 */
export function breakLastName(door: Door, request: LastNameRequest, take: TakeName): Promise<NameLoss> {
  if (!breaks.hasSubscribers) return takeLastName(door, request, take)
  const change = request.syscall === 'rename' ? 'rename' : 'unlink'
  return toldOfBreak(door.table, { inode: undefined, change, limits: request.limits }, () =>
    takeLastName(door, request, take),
  )
}

async function takeLastName(door: Door, request: LastNameRequest, take: TakeName): Promise<NameLoss> {
  for (;;) {
    const outcome = await attempt(door, request, take, undefined, settleTime(door, request.limits))
    if ('committed' in outcome) return outcome
    const loss = await waitAndTake(door, request, take, outcome)
    if (loss !== undefined) return loss
  }
}

/** Waits as the policy of the file says, and takes the name. Undefined: by then it is another file's. */
function waitAndTake(
  door: Door,
  request: LastNameRequest,
  take: TakeName,
  first: Obstacle,
): Promise<NameLoss | undefined> {
  const { ino, busy } = first
  const change = { ...request, ino, busy }
  return withBreak(door, change, BreakState.committing, 0, MAX_FILE_SIZE, async (broken) => {
    for (let { extents, generation } = first; ;) {
      const targets = deviceBytesOf(extents)
      const allowed = await untilPolicyAllows(door, change, broken, { extents, targets }, generation)
      broken.set(BreakState.committing)
      const settleBy = allowed === 'moved' ? settleTime(door, request.limits) : allowed
      const outcome = await attempt(door, request, take, ino, settleBy)
      if ('committed' in outcome) return outcome
      if (outcome.ino !== ino) return undefined
      extents = outcome.extents
      generation = outcome.generation
    }
  })
}

/** One transaction. `broken`: the inode whose break is published already. */
async function attempt(
  door: Door,
  { policyOf, limits }: LastNameRequest,
  take: TakeName,
  broken: InodeNumber | undefined,
  settleBy: number,
): Promise<NameLoss | Obstacle> {
  const { table } = door
  let own: { readonly ino: InodeNumber; readonly index: number } | undefined
  let obstacle: Obstacle | undefined
  const endOwn = (): void => {
    if (own !== undefined) table.takeBreakBack(own.index)
    own = undefined
  }
  const decide: DecideLastName = (extents, inode) => {
    const { ino } = inode
    const busy = policyOf(inode)
    obstacle = { ino, busy, extents, generation: table.generation(bucketOf(ino)) }
    // A transaction that is tried again may meet another file.
    if (own?.ino !== ino) endOwn()
    if (broken === undefined && own === undefined) {
      const index = table.publishBreak(ino, 0, MAX_FILE_SIZE, BreakState.committing)
      if (index !== undefined) own = { ino, index }
    }
    if ((own?.ino ?? broken) !== ino) return ROLL_BACK
    const isHeldOpen = (): boolean => table.isOpenAnywhere(ino)
    if (busy === 'sequester' && isHeldOpen()) return keepsOrphan()
    const targets = deviceBytesOf(extents)
    const claims = overlappingClaims(table, targets)
    if (claims.some(settles) && table.clock.steadyMs() < settleBy) return ROLL_BACK
    if (busy !== 'sequester' && claims.some((claim) => !isFenced(table, ino, claim))) return ROLL_BACK
    if (busy !== 'sequester' && isHeldOpen()) return keepsOrphan()
    obstacle = undefined
    return { commit: true, sequester: heldParts(extents, claims, targets) }
  }
  const keepsOrphan = (): 'orphan' => {
    obstacle = undefined
    return 'orphan'
  }
  try {
    const loss = await take(decide, patienceOf(table, limits))
    if (obstacle !== undefined) return obstacle
    if (loss.isGone && loss.inode !== undefined) table.advanceGeneration(bucketOf(loss.inode.ino))
    return loss
  } catch (error) {
    // The store may have committed before it failed. Advanced for nothing, a generation costs a look at the layout.
    const ino = own?.ino ?? broken
    if (ino !== undefined) table.advanceGeneration(bucketOf(ino))
    throw error
  } finally {
    endOwn()
  }
}
