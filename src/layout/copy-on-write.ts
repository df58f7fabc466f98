/**
 * copyOnWrite: the layout change that gives a writer blocks of its own where stable pins hold the file's. The copies take
 * the old blocks' places; those become busy extents, and free when the pins are gone. It acts at once whatever the policy,
 * and asks no lease: a writer never waits for who only reads.
 *
 * The door's order holds: break (committing), look, copy, commit, generation, take back. No claim on the range can begin
 * meanwhile, and those that write to its blocks have ended before the bytes are copied, so no write is lost. Another change
 * may zero a part of a block in place (edges.ts): the copies are compared when there was one.
 *
 * If this process dies: before the commit nothing has changed but busy extents, which are reclaimed; after it the old
 * blocks are busy and the copies, which were made durable before, the file's.
 */
import { breaks } from '../diagnostics.ts'
import type { Extent, FileBlock, FileRange } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { BreakRequest, Door } from './breaking.ts'
import { busyError, ROLL_BACK, untilOrTime } from './breaking.ts'
import { toldOfBreak } from './break-news.ts'
import type { Edge } from './edges.ts'
import { EdgeCopies, isAt } from './edges.ts'
import { BreakState, bucketOf } from './format.ts'
import type { ClaimView } from './overlaps.ts'
import { deviceBytesOf, overlappingClaims } from './overlaps.ts'
import { withBreak } from './own-break.ts'
import { isGrantedStable } from './stable.ts'
import type { Limits } from './waiting.ts'
import { patienceOf } from './waiting.ts'

/** How long claims that write may take to end, which they do by themselves, before the door is opened for a moment. */
const PATIENCE_MS = 100

interface CopyRequest extends Omit<BreakRequest, 'busy'> {
  readonly start: number
  readonly end: number
}

/** Gives the file copies of the blocks in bytes [start, end) that stable pins hold. ETIMEDOUT with holders, AbortError, ENOSPC. */
export async function copyOnWrite(door: Door, request: CopyRequest): Promise<void> {
  if (!breaks.hasSubscribers) return copyHeld(door, request)
  const { ino, limits } = request
  const done = { committed: true, lostAndFound: [] }
  await toldOfBreak(door.table, { inode: ino, change: 'copy', limits }, () => copyHeld(door, request).then(() => done))
}

async function copyHeld(door: Door, request: CopyRequest): Promise<void> {
  const { limits } = request
  while (!(await attempt(door, request))) {
    // A write pin was granted while a stable pin waited for others: one of the two goes back.
    if (door.table.clock.steadyMs() < limits.deadlineMs) continue
    throw busyError(door, request, 'ETIMEDOUT', 'the blocks are both stable and written to', [], 'try again')
  }
}

/** One break. False: somebody still writes to the blocks. */
function attempt(door: Door, request: CopyRequest): Promise<boolean> {
  const { table, metadata } = door
  const { ino, limits } = request
  const start = Math.floor(request.start / BLOCK_SIZE) * BLOCK_SIZE
  const end = Math.ceil(request.end / BLOCK_SIZE) * BLOCK_SIZE
  return withBreak(door, request, BreakState.committing, start, end, async () => {
    const layout = await metadata.layout(ino)
    if (layout === undefined) return true
    const blocks = blocksOf(layout.extents, start, end)
    const held = blocks.filter((block) => claimsOn(door, [block]).some(isGrantedStable))
    if (held.length === 0) return true
    const writers = (): ClaimView[] => claimsOn(door, held).filter((claim) => claim.isWrite)
    const slice: Limits = {
      deadlineMs: Math.min(table.clock.steadyMs() + PATIENCE_MS, limits.deadlineMs),
      signal: limits.signal,
    }
    await untilOrTime(door, () => writers().length === 0, slice)
    if (writers().length > 0) return false
    const copies = await EdgeCopies.make(door, ino, held, limits)
    try {
      let isStale = false
      const remove = held.map(({ fileBlock }): FileRange => ({ start: fileBlock, end: (fileBlock + 1) as FileBlock }))
      const nowNs = BigInt(table.clock.nowMs()) * 1_000_000n
      await metadata.changeLayout(
        { ino, remove, insert: copies.inserts, keepsTimes: true, nowNs },
        (removed, inode) => {
          const hasMoved = writers().length > 0 || !held.every((block) => isAt(removed, block))
          // A punch may have zeroed its part of a block meanwhile. Not by the change count alone: who appends without
          // pause would keep us from ever committing.
          isStale = hasMoved || (inode.changeCount !== layout.inode.changeCount && !copies.areTrue())
          return isStale ? ROLL_BACK : { commit: true, sequester: [] }
        },
        patienceOf(table, limits),
      )
      return !isStale
    } finally {
      // Also when it failed: the store may have committed before. Advanced for nothing, it costs a look at the layout.
      table.advanceGeneration(bucketOf(ino))
      copies.release()
    }
  })
}

/** Each mapped block of bytes [start, end), as an edge of which nothing is cut. */
function blocksOf(extents: readonly Extent[], start: number, end: number): Edge[] {
  const blocks: Edge[] = []
  for (const { fileBlock, deviceBlock, count } of extents) {
    for (let i = Math.max(0, start / BLOCK_SIZE - fileBlock); i < Math.min(count, end / BLOCK_SIZE - fileBlock); i++) {
      blocks.push({ fileBlock: fileBlock + i, deviceBlock: deviceBlock + i, from: 0, to: 0 } as Edge)
    }
  }
  return blocks
}

const claimsOn = ({ table }: Door, blocks: readonly Edge[]): ClaimView[] =>
  overlappingClaims(table, deviceBytesOf(blocks.map((block) => ({ ...block, count: 1 }) as unknown as Extent)))
