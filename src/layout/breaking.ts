/**
 * Breaking: what every change that breaks claims has in common. It publishes its break, waits as its policy says for
 * those who hold the blocks, and says in its errors who they are.
 *
 * Nothing here waits inside a transaction, and a wait holds nothing but its own break, which keeps new pins of the range
 * out and nothing else (promises 3 and 9).
 */
import type { Device } from '../device/device.ts'
import { systemError } from '../errors.ts'
import type { BusyPolicy, LayoutDecision, Metadata } from '../metadata/metadata.ts'
import type { Extent, InodeNumber } from '../units.ts'
import { changeHolders } from './changes-under-way.ts'
import { BreakState, bucketOf } from './format.ts'
import type { Witness } from './holders.ts'
import { describeHolders, holderOf } from './holders.ts'
import type { ClaimView, DeviceBytes } from './overlaps.ts'
import { overlappingClaims } from './overlaps.ts'
import { isFenced } from './leases.ts'
import type { OwnBreak } from './own-break.ts'
import type { PinTable } from './pin-table.ts'
import type { Limits, Waiting } from './waiting.ts'

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

/** Whose claims are broken, and how. */
export interface BreakRequest {
  readonly ino: InodeNumber
  readonly busy: BusyPolicy
  readonly limits: Limits
  /** For errors. */
  readonly syscall: string
  readonly path?: string | undefined
}

export const ROLL_BACK: LayoutDecision = { commit: false }

export const firstStateOf = ({ busy }: Pick<BreakRequest, 'busy'>): number =>
  busy === 'wait' ? BreakState.waiting : BreakState.committing

/**
 * Under `wait`: waits while an earlier change of the range has its turn (queue.ts). True: look again before anything is made
 * of what the file was. Also when nobody is ahead any more, but was when the layout was read: who goes advances the
 * generation before it takes its break back, so of who is not found here the generation tells.
 */
export async function letsPass(
  door: Door,
  request: BreakRequest,
  broken: OwnBreak,
  extents: readonly Extent[],
  generation: number,
): Promise<boolean> {
  if (request.busy !== 'wait') return false
  const hasMoved = (): boolean => door.table.generation(bucketOf(request.ino)) !== generation
  const { queue } = broken
  if (!queue.isBehind(extents)) return hasMoved()
  const mayGo = (): boolean => hasMoved() || !queue.isBehind(extents)
  const tooLate = (): Error => cameFirst(door, request)
  if (await broken.keep(mayGo, request.limits, tooLate))
    await door.waiting.until(() => (mayGo() ? true : undefined), request.limits, tooLate)
  return true
}

/**
 * Step 4 for `fail` and `wait`, and the settling of copies and tentative pins for all. Leaves the break committing.
 * Returns until when copies are to be settled rather than counted as pins; 'moved': another change was committed while we
 * waited for pins, which may hold blocks that are not the file's any more, or our break was taken back meanwhile (own-break.ts), so look at
 * the layout again. Under `wait` changes of one range go in the order in which they came (queue.ts); `extents` are those of the whole file.
 *
 * A copy that does not settle has a stopped owner. `fail` refuses, `sequester` takes it for a pin, `wait` waits for it as
 * well, up to its limits, letting the copies of others go on in between.
 */
export async function untilPolicyAllows(
  door: Door,
  request: BreakRequest,
  broken: OwnBreak,
  { extents, targets }: { readonly extents: readonly Extent[]; readonly targets: readonly DeviceBytes[] },
  generation: number,
): Promise<number | 'moved'> {
  const { table, waiting } = door
  const { busy, limits } = request
  const hasMoved = (): boolean => table.generation(bucketOf(request.ino)) !== generation
  const claims = (): ClaimView[] =>
    overlappingClaims(table, targets).filter((claim) => !isFenced(table, request.ino, claim))
  const stillPinned = (): Error => {
    const left = claims()
    return left.length === 0
      ? cameFirst(door, request)
      : busyError(door, request, 'ETIMEDOUT', 'the blocks are still pinned', left)
  }
  for (;;) {
    if (busy === 'wait') {
      broken.set(BreakState.waiting)
      // For pins only: copies go on while a change waits, so a storm of them must not hold it; they are settled below.
      const { queue } = broken
      const isFirst = (): boolean => claims().every((claim) => claim.kind === 'copy') && !queue.isBehind(extents)
      const mayGo = (): boolean => hasMoved() || isFirst()
      if (!mayGo() && !(await broken.keep(mayGo, limits, stillPinned))) return 'moved'
      await waiting.until(() => (mayGo() ? true : undefined), limits, stillPinned)
      if (hasMoved()) return 'moved'
    }
    broken.set(BreakState.committing)
    const settleBy = settleTime(door, limits)
    const partOf = { limits, onTimeout: stillPinned }
    await untilOrTime(door, () => !claims().some(settles), { deadlineMs: settleBy, signal: limits.signal, partOf })
    const holding = busy === 'sequester' ? [] : claims()
    if (holding.length === 0) return settleBy
    if (busy === 'fail') throw busyError(door, request, 'EBUSY', 'the blocks are pinned', holding)
    if (table.clock.steadyMs() >= limits.deadlineMs) throw stillPinned()
    broken.set(BreakState.waiting)
    table.ringWaiters()
    await untilOrTime(door, () => claims().length === 0, {
      deadlineMs: settleTime(door, limits),
      signal: limits.signal,
      partOf,
    })
  }
}

export const settleTime = ({ table }: Door, limits: Limits): number =>
  Math.min(table.clock.steadyMs() + SETTLE_MS, limits.deadlineMs)

/** Resolves when the condition holds or the time is up. */
export async function untilOrTime({ waiting }: Door, condition: () => boolean, limits: Limits): Promise<void> {
  if (!condition()) await waiting.until(() => (condition() ? true : undefined), limits, timeIsUp).catch(ignoreTimeIsUp)
}

/** Copies end by themselves, tentative pins are granted or taken back: in microseconds, unless their owner is stopped. */
export const settles = (claim: ClaimView): boolean => claim.kind === 'copy' || claim.isTentative

const settleTimeIsUp = new Error('settle time is up')
const timeIsUp = (): Error => settleTimeIsUp
const ignoreTimeIsUp = (error: unknown): undefined => {
  if (error !== settleTimeIsUp) throw error
  return undefined
}

function cameFirst(door: Door, { ino, syscall, path }: BreakRequest): Error {
  const holders = changeHolders(door, ino).filter(({ slot }) => slot !== door.table.own.index)
  const what = `another layout change of the range came first (${describeHolders(holders)}); wait longer`
  return systemError('ETIMEDOUT', what, { syscall, path, holders })
}

/** EBUSY or ETIMEDOUT with the holders in it. */
export function busyError(
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
