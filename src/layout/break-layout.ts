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
import type { Device } from '../device/device.ts'
import { systemError } from '../errors.ts'
import type { BusyPolicy, Layout, LayoutChangeResult, Metadata } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import { BLOCK_SIZE, MAX_FILE_SIZE } from '../units.ts'
import type { Cut } from './edges.ts'
import { EdgeCopies, planEdges } from './edges.ts'
import { BreakState, bucketOf } from './format.ts'
import type { Witness } from './holders.ts'
import { describeHolders, holderOf } from './holders.ts'
import type { ClaimView, DeviceBytes } from './overlaps.ts'
import { claimsOf, deviceBytesOf, heldParts, overlappingClaims } from './overlaps.ts'
import type { PinTable } from './pin-table.ts'
import type { Limits, Waiting } from './waiting.ts'
import { patienceOf } from './waiting.ts'

/** How long a change gives copies and tentative pins, which end by themselves in microseconds, before it counts them as pins. */
const SETTLE_MS = 100

/** What the door works on. */
export interface Door {
  readonly table: PinTable
  readonly waiting: Waiting
  readonly metadata: Metadata
  readonly device: Device
  readonly witness: Witness
}

export interface CutRequest {
  readonly ino: InodeNumber
  /** First byte that leaves; 'past end': the first block wholly past EOF, as EOF is at the commit. */
  readonly start: number | 'past end'
  /** The byte behind the last; MAX_FILE_SIZE: up to the end, whatever that is. */
  readonly end: number
  /** New size; undefined: stays. */
  readonly size?: number
  /** With start 0: the inode goes too. */
  readonly deleteInode?: boolean
  readonly onlyIfOrphan?: boolean
  readonly busy: BusyPolicy
  readonly limits: Limits
  /** For errors. */
  readonly syscall: string
  readonly path?: string | undefined
}

/** Cuts bytes [start, end) out of a file's layout. Undefined: the inode was gone, or no orphan. EBUSY, ETIMEDOUT with holders; AbortError. */
export async function breakLayout(door: Door, request: CutRequest): Promise<LayoutChangeResult | undefined> {
  const { ino, end } = request
  const firstBlock = request.start === 'past end' ? 0 : Math.floor(request.start / BLOCK_SIZE)
  const reach = end === MAX_FILE_SIZE ? end : Math.ceil(end / BLOCK_SIZE) * BLOCK_SIZE
  const { table } = door
  const bucket = bucketOf(ino)
  return withBreak(door, request, firstStateOf(request), firstBlock * BLOCK_SIZE, reach, async (broken) => {
    for (;;) {
      const generation = table.generation(bucket)
      const layout = await door.metadata.layout(ino)
      if (layout === undefined || (request.onlyIfOrphan === true && layout.inode.nlink > 0)) return undefined
      const cut = { start: startOf(request, layout), end, shortens: request.size !== undefined }
      const targets = deviceBytesOf(layout.extents, cut.start, cut.end)
      const settleBy = await untilPolicyAllows(door, request, broken, targets, generation)
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

const firstStateOf = ({ busy }: Pick<CutRequest, 'busy'>): number =>
  busy === 'wait' ? BreakState.waiting : BreakState.committing

const startOf = ({ start }: CutRequest, { inode }: Layout): number =>
  start === 'past end' ? Math.ceil(inode.size / BLOCK_SIZE) * BLOCK_SIZE : start

/**
 * Runs `action` while nobody holds bytes of the inode and nobody can begin to (under `sequester`: at once). For name
 * changes that make a file's blocks go, at once or at its last close: unlink, rename over.
 */
export async function whileIdle<T>(
  door: Door,
  request: Pick<CutRequest, 'ino' | 'busy' | 'limits' | 'syscall' | 'path'>,
  action: () => Promise<T>,
): Promise<T> {
  if (request.busy === 'sequester') return action()
  const { ino } = request
  return withBreak(door, request, firstStateOf(request), 0, MAX_FILE_SIZE, async (broken) => {
    for (;;) {
      const generation = door.table.generation(bucketOf(ino))
      const layout = await door.metadata.layout(ino)
      const targets = deviceBytesOf(layout?.extents ?? [])
      if ((await untilPolicyAllows(door, request, broken, targets, generation)) !== 'moved') return action()
    }
  })
}

/** Resolves when no pin is left in bytes [start, end) of the inode, wherever its blocks are now. New pins are let in meanwhile. */
export async function flushDma(
  door: Door,
  request: Pick<CutRequest, 'ino' | 'limits' | 'syscall' | 'path'> & { readonly start: number; readonly end: number },
): Promise<void> {
  const { ino, start, end, limits } = request
  await withBreak(door, request, BreakState.watching, start, end, async () => {
    const layout = await door.metadata.layout(ino)
    const targets = deviceBytesOf(layout?.extents ?? [], start, end)
    const left = (): ClaimView[] => pinsOfRange(door.table, ino, start, end, targets)
    await door.waiting.until(
      () => (left().length === 0 ? true : undefined),
      limits,
      () => busyError(door, request, 'ETIMEDOUT', 'the range is still pinned', left(), 'wait longer'),
    )
  })
}

function pinsOfRange(
  table: PinTable,
  ino: InodeNumber,
  start: number,
  end: number,
  targets: readonly DeviceBytes[],
): ClaimView[] {
  const pins = new Map<string, ClaimView>()
  const add = (claims: readonly ClaimView[]): void => {
    for (const claim of claims) if (claim.kind === 'pin') pins.set(`${claim.slot}:${claim.record}`, claim)
  }
  add(overlappingClaims(table, targets))
  for (const slot of table.attached()) {
    const moved = claimsOf(table, slot).filter(
      (claim) => claim.ino === ino && claim.offset < end && start < claim.offset + claim.length,
    )
    if (moved.length > 0 && !table.reapIfDead(slot)) add(moved)
  }
  return [...pins.values()]
}

/** The own break of a change under way. */
interface OwnBreak {
  set(state: number): void
}

/** Publishes a break over bytes [start, end) for as long as `action` runs. Queues when this participant has too many. */
async function withBreak<T>(
  door: Door,
  request: Pick<CutRequest, 'ino' | 'limits' | 'syscall' | 'path'>,
  state: number,
  start: number,
  end: number,
  action: (broken: OwnBreak) => Promise<T>,
): Promise<T> {
  const { table } = door
  const publish = (): number | undefined => table.publishBreak(request.ino, start, end, state)
  const index =
    publish() ??
    (await door.waiting.until(publish, request.limits, () =>
      busyError(door, request, 'ETIMEDOUT', 'too many layout changes of this process are under way', []),
    ))
  try {
    return await action({ set: (next) => table.setBreakState(index, next) })
  } finally {
    table.takeBreakBack(index)
  }
}

/**
 * Step 4 for `fail` and `wait`, and the settling of copies and tentative pins for all. Leaves the break committing.
 * Returns until when copies are to be settled rather than counted as pins; 'moved': another change was committed while we
 * waited for pins, which may hold blocks that are not the file's any more, so look at the layout again.
 *
 * A copy that does not settle has a stopped owner. `fail` refuses, `sequester` takes it for a pin, `wait` waits for it as
 * well, up to its limits, letting the copies of others go on in between.
 */
async function untilPolicyAllows(
  door: Door,
  request: Pick<CutRequest, 'ino' | 'busy' | 'limits' | 'syscall' | 'path'>,
  broken: OwnBreak,
  targets: readonly DeviceBytes[],
  generation: number,
): Promise<number | 'moved'> {
  const { table, waiting } = door
  const { busy, limits } = request
  const hasMoved = (): boolean => table.generation(bucketOf(request.ino)) !== generation
  const claims = (): ClaimView[] => overlappingClaims(table, targets)
  const stillPinned = (): Error => busyError(door, request, 'ETIMEDOUT', 'the blocks are still pinned', claims())
  for (;;) {
    if (busy === 'wait') {
      broken.set(BreakState.waiting)
      // For pins only: copies go on while a change waits, so a storm of them must not hold it; they are settled below.
      await waiting.until(
        () => (hasMoved() || claims().every((claim) => claim.kind === 'copy') ? true : undefined),
        limits,
        stillPinned,
      )
      if (hasMoved()) return 'moved'
    }
    broken.set(BreakState.committing)
    const settleBy = Math.min(table.clock.nowMs() + SETTLE_MS, limits.deadlineMs)
    await untilOrTime(door, () => !claims().some(settles), { deadlineMs: settleBy, signal: limits.signal })
    const holding = busy === 'sequester' ? [] : claims()
    if (holding.length === 0) return settleBy
    if (busy === 'fail') throw busyError(door, request, 'EBUSY', 'the blocks are pinned', holding)
    if (table.clock.nowMs() >= limits.deadlineMs) throw stillPinned()
    broken.set(BreakState.waiting)
    table.ringWaiters()
    const deadlineMs = Math.min(table.clock.nowMs() + SETTLE_MS, limits.deadlineMs)
    await untilOrTime(door, () => claims().length === 0, { deadlineMs, signal: limits.signal })
  }
}

/** Resolves when the condition holds or the time is up. */
async function untilOrTime({ waiting }: Door, condition: () => boolean, limits: Limits): Promise<void> {
  if (!condition()) await waiting.until(() => (condition() ? true : undefined), limits, timeIsUp).catch(ignoreTimeIsUp)
}

/** Copies end by themselves, tentative pins are granted or taken back: in microseconds, unless their owner is stopped. */
const settles = (claim: ClaimView): boolean => claim.kind === 'copy' || claim.isTentative

const settleTimeIsUp = new Error('settle time is up')
const timeIsUp = (): Error => settleTimeIsUp
const ignoreTimeIsUp = (error: unknown): undefined => {
  if (error !== settleTimeIsUp) throw error
  return undefined
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
  const { ino } = request
  const maySequester = request.busy === 'sequester'
  const plan = planEdges(door, layout, cut)
  const copies = await EdgeCopies.make(door, ino, plan.replace, request.limits)
  try {
    let isStale = false
    const result = await metadata.changeLayout(
      {
        ino,
        remove: plan.remove,
        insert: copies.inserts,
        ...(request.size === undefined ? {} : { size: request.size }),
        deleteInode: request.deleteInode === true,
        onlyIfOrphan: request.onlyIfOrphan === true,
        nowNs: BigInt(table.clock.nowMs()) * 1_000_000n,
      },
      (removed, inode) => {
        const targets = deviceBytesOf(removed, cut.start, cut.end)
        const claims = overlappingClaims(table, targets)
        const mustSettle = claims.some(settles) && table.clock.nowMs() < settleBy
        // The file may have grown or shrunk since the look: EOF decides what is an edge, and what is past the end.
        const hasMoved = inode.size !== layout.inode.size || !plan.stillHolds(removed, inode)
        isStale = hasMoved || mustSettle || (claims.length > 0 && !maySequester)
        if (isStale) return { commit: false }
        plan.zeroInPlace()
        return { commit: true, sequester: heldParts(removed, claims, targets) }
      },
      patienceOf(table, request.limits),
    )
    return isStale ? 'again' : result
  } finally {
    copies.release()
  }
}

/** EBUSY or ETIMEDOUT with the holders in it. */
function busyError(
  door: Door,
  request: { readonly syscall: string; readonly path?: string | undefined },
  code: 'EBUSY' | 'ETIMEDOUT',
  what: string,
  claims: readonly ClaimView[],
  advice = code === 'EBUSY'
    ? "release the pins, or ask with busy 'wait' or 'sequester'"
    : "wait longer, or ask with busy 'sequester'",
): Error {
  const holders = claims.map((claim) => holderOf(door.table, door.witness, claim))
  return systemError(code, `${what} (${describeHolders(holders)}); ${advice}`, { ...request, holders })
}
