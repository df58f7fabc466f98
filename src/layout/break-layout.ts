/**
 * breakLayout: the one door through which every layout change goes. This is the change's half of the protocol (design,
 * section 5); the pinner's half is claims.ts.
 *
 *   1 publish the break                                      (sequentially consistent)
 *   2 read the extents, 3 scan the claims, comparing blocks: both again inside the transaction, where no other change
 *     and no allocation can come between
 *   4 by policy: fail, wait for the idle event, or sequester what is held
 *   5 commit extents, busy extents and lost+found in one transaction (promise 5)
 *   6 next generation, 7 take the break back, 8 wake whoever queues
 *
 * Invariants
 *   1. Nothing waits inside a transaction. A wait holds nothing but its own break, which keeps new pins of the range out
 *      and nothing else (promises 3 and 9).
 *   2. A block leaves its file only while this slot's break says `committing`, so no copy and no pin can begin on it.
 *   3. A claimed block becomes part of lost+found; only blocks nobody claims become busy extents (promise 1).
 *
 * If this process dies: before 5 nothing has changed, and whoever finds the break advances the generation for nothing;
 * after 5 the same advance is step 6. Blocks reserved for edge copies are busy extents and are reclaimed as such.
 *
 * Edges. A cut that begins or ends inside a block leaves a live part of it. Held cut bytes are never zeroed in place:
 * the live part is copied to a fresh block, which takes the old one's place in the file, and the old one is sequestered.
 * Where the file is to end inside a block and nobody holds the rest, the block stays as it is: bytes past EOF are zeroed
 * when the file grows.
 */
import { breaks } from '../diagnostics.ts'
import type { Layout, LayoutChange, LayoutChangeResult, LayoutDecision } from '../metadata/metadata.ts'
import type { Extent, FileBlock, Run } from '../units.ts'
import { BLOCK_SIZE, MAX_FILE_SIZE } from '../units.ts'
import { allocateRuns } from './allocate-runs.ts'
import type { BreakRequest, Door } from './breaking.ts'
import { busyError, firstStateOf, letsPass, ROLL_BACK, settles, untilPolicyAllows } from './breaking.ts'
import { toldOfBreak } from './break-news.ts'
import type { Cut } from './edges.ts'
import { EdgeCopies, planEdges } from './edges.ts'
import { bucketOf } from './format.ts'
import type { RecallCause } from './leases.ts'
import { isFenced, untilRecalled } from './leases.ts'
import type { ClaimView } from './overlaps.ts'
import { deviceBytesOf, heldParts, overlappingClaims } from './overlaps.ts'
import { withBreak } from './own-break.ts'
import { patienceOf } from './waiting.ts'

export interface CutRequest extends BreakRequest {
  /** First byte that leaves; 'past end': the first block wholly past EOF, as EOF is at the commit. */
  readonly start: number | 'past end'
  /** With 'past end': no byte before this one leaves. */
  readonly least?: number
  /** The byte behind the last; MAX_FILE_SIZE: up to the end, whatever that is. Equal to `start`: none leaves. */
  readonly end: number
  /** What follows from byte `end` on moves by so many bytes; a multiple of the block size, as `end`. Default 0. */
  readonly shift?: number
  /** The cut range gets fresh blocks, which read as zeros. */
  readonly refills?: boolean
  /** What layout leases in the range are recalled for; undefined: no lease minds (docs/internals/leases.md). */
  readonly cause?: RecallCause | undefined
  /** Leases taken through the file that the change is made through, which are not asked: records of the own slot. */
  readonly ownLeases?: ReadonlySet<number> | undefined
  /** New size, from the present one; undefined: stays. */
  readonly sizeAfter?: (size: number) => number
  /** With start 0: the inode goes too. */
  readonly deleteInode?: boolean
  readonly onlyIfOrphan?: boolean
}

/** Cuts bytes [start, end) out of a file's layout. Undefined: the inode was gone, or no orphan. EBUSY, ETIMEDOUT with holders; AbortError. */
export function breakLayout(door: Door, request: CutRequest): Promise<LayoutChangeResult | undefined> {
  if (!breaks.hasSubscribers) return cutOut(door, request)
  const change = request.cause ?? (request.deleteInode === true ? 'remove' : 'trim')
  return toldOfBreak(door.table, { inode: request.ino, change, limits: request.limits }, () => cutOut(door, request))
}

async function cutOut(door: Door, request: CutRequest): Promise<LayoutChangeResult | undefined> {
  const { ino, end, shift = 0 } = request
  const firstBlock = request.start === 'past end' ? 0 : Math.floor(request.start / BLOCK_SIZE)
  const isOpenEnded = end === MAX_FILE_SIZE || shift !== 0
  const reach = isOpenEnded ? MAX_FILE_SIZE : Math.ceil(end / BLOCK_SIZE) * BLOCK_SIZE
  const { table } = door
  const bucket = bucketOf(ino)
  return withBreak(door, request, firstStateOf(request), firstBlock * BLOCK_SIZE, reach, async (broken) => {
    if (request.cause !== undefined && request.start !== 'past end') {
      const change = { ...request, cause: request.cause }
      await untilRecalled(door, change, broken, request.start, isOpenEnded ? MAX_FILE_SIZE : end)
    }
    for (;;) {
      const generation = table.generation(bucket)
      const layout = await door.metadata.layout(ino)
      if (layout === undefined || (request.onlyIfOrphan === true && layout.inode.nlink > 0)) return undefined
      const { extents } = layout
      if (await letsPass(door, request, broken, extents, generation)) continue
      const cut = cutOf(request, layout)
      const targets = deviceBytesOf(layout.extents, cut.start, shift === 0 ? end : MAX_FILE_SIZE)
      const settleBy = await untilPolicyAllows(door, request, broken, { extents, targets }, generation)
      if (settleBy === 'moved') continue
      let attempt: LayoutChangeResult | 'again'
      try {
        attempt = await attemptCut(door, request, cut, layout, settleBy)
      } catch (error) {
        // The store may have committed before it failed. Advanced for nothing, a generation costs a look at the layout.
        table.advanceGeneration(bucket)
        throw error
      }
      if (attempt === 'again') continue
      if (attempt.committed) table.advanceGeneration(bucket)
      return attempt
    }
  })
}

/** Who makes a file longer cuts from EOF: bytes past it may be anything, and are to read as zeros. */
function cutOf({ start, least = 0, end, sizeAfter }: CutRequest, { inode }: Layout): Cut {
  const pastEnd = Math.max(Math.ceil(inode.size / BLOCK_SIZE) * BLOCK_SIZE, least)
  const first = start === 'past end' ? pastEnd : start
  const size = sizeAfter?.(inode.size) ?? inode.size
  return {
    reachesEnd: end >= (start === 'past end' ? MAX_FILE_SIZE : inode.size),
    start: size > inode.size ? Math.min(first, inode.size) : first,
    end,
    shortens: size < inode.size && size === first,
  }
}

/** Steps 3 to 5. 'again': something changed between the look and the commit. */
async function attemptCut(
  door: Door,
  request: CutRequest,
  cut: Cut,
  layout: Layout,
  settleBy: number,
): Promise<LayoutChangeResult | 'again'> {
  const { table, metadata } = door
  const maySequester = request.busy === 'sequester'
  const plan = planEdges(door, layout, cut)
  const copies = await EdgeCopies.make(door, request.ino, plan.replace, request.limits)
  try {
    let isStale = false
    const decide = (removed: readonly Extent[], inode: Layout['inode'], moved: readonly Extent[]): LayoutDecision => {
      const targets = deviceBytesOf(removed, cut.start, cut.end)
      const claims = overlappingClaims(table, targets)
      const onMoved = moved.length === 0 ? [] : overlappingClaims(table, deviceBytesOf(moved))
      const isSettling = table.clock.steadyMs() < settleBy
      const mustSettle = isSettling && (claims.some(settles) || onMoved.some(settles))
      // The file may have grown or shrunk since the look: EOF decides what is an edge, and what is past the end.
      const hasMoved = inode.size !== layout.inode.size || !plan.stillHolds(removed, inode)
      const standsInTheWay = (claim: ClaimView): boolean => !maySequester && !isFenced(table, request.ino, claim)
      isStale = hasMoved || mustSettle || claims.some(standsInTheWay) || onMoved.some(standsInTheWay)
      if (isStale) return ROLL_BACK
      // Sequestered is what leaves. A pin goes along with a block that moves; a write in the middle of its copy cannot:
      // it would do its copy again, at the offset it was asked for.
      const halfWritten = onMoved.filter((claim) => claim.kind === 'copy' && claim.isWrite)
      if (halfWritten.length > 0) {
        throw busyError(door, request, 'EBUSY', 'a stopped process is in the middle of a write', halfWritten, 'end it')
      }
      plan.zeroInPlace()
      return { commit: true, sequester: heldParts(removed, claims, targets) }
    }
    const change = { ...changeOf(door, request, layout), remove: plan.remove, insert: copies.inserts }
    const result = await metadata.changeLayout(change, decide, patienceOf(table, request.limits))
    return isStale ? 'again' : result
  } finally {
    copies.release()
  }
}

/** What the metadata is asked for, less the edges. */
function changeOf({ table, device }: Door, request: CutRequest, { inode }: Layout): LayoutChange {
  const { ino, start, end, shift = 0, sizeAfter } = request
  const endBlock = Math.ceil(end / BLOCK_SIZE) as FileBlock
  const prepare = (runs: readonly Run[]): void => allocateRuns(device, runs)
  const fill =
    request.refills === true && start !== 'past end'
      ? { fill: { range: { start: Math.floor(start / BLOCK_SIZE) as FileBlock, end: endBlock }, prepare } }
      : {}
  return {
    ino,
    remove: [],
    ...(shift === 0 ? {} : { shift: { from: endBlock, by: shift / BLOCK_SIZE } }),
    ...fill,
    ...(sizeAfter === undefined ? {} : { size: sizeAfter(inode.size) }),
    deleteInode: request.deleteInode === true,
    onlyIfOrphan: request.onlyIfOrphan === true,
    // What is past EOF is no content.
    keepsTimes: start === 'past end',
    nowNs: BigInt(table.clock.nowMs()) * 1_000_000n,
  }
}
