/**
 * Leases: layout leases on byte ranges of files, in the pin table. Definitions, states and the table of outcomes:
 * docs/internals/leases.md. This is the table's side of both halves; who calls `onRecall` is pool/own-leases.ts.
 *
 * Concurrency. The holder publishes its lease, then loads the breaks; the change publishes its break, then loads the
 * leases. All are sequentially consistent, so at least one sees the other: the holder takes its lease back and waits,
 * or the change recalls it.
 *
 * The count of a bucket goes up before a record is published and down after it is free: it is never too low. A death
 * in between leaves it too high, which costs changes of the bucket a look, until the pool is opened afresh.
 *
 * `revoked` is the one word of a record that others write. Its value is the state's sequence of the use that is meant: a
 * late revoker cannot hit the record's next use, whose sequence is another.
 */
import type { LeaseMessage } from '../diagnostics.ts'
import { recalls, revokes } from '../diagnostics.ts'
import { systemError } from '../errors.ts'
import type { Holder } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { BreakRequest, Door } from './breaking.ts'
import {
  BreakCause,
  BreakState,
  Bucket,
  bucketOf,
  CAUSE_MASK,
  Record,
  RecordFlag,
  RecordKind,
  RecordStatus,
  SEQUENCE_SHIFT,
  STATUS_MASK,
} from './format.ts'
import { describeHolders, participantOf } from './holders.ts'
import type { OwnBreak } from './own-break.ts'
import { chunkOf, edgesOf, recordAt } from './own-slot.ts'
import type { ClaimView } from './overlaps.ts'
import type { BreakView, PinTable } from './pin-table.ts'
import type { Limits } from './waiting.ts'

/** A live layout lease as read from the table. Offsets and lengths in bytes. */
export interface LeaseView {
  readonly slot: number
  readonly record: number
  readonly sequence: number
  readonly ino: InodeNumber
  readonly offset: number
  readonly length: number
  readonly isExclusive: boolean
  /** Its holder has not looked yet whether it may have it: it is granted or taken back in microseconds. */
  readonly isTentative: boolean
  readonly isRevoked: boolean
  readonly breakTimeMs: number
  readonly sinceMs: number
}

/** A lease to be published in the own slot. */
export interface LeaseRequest {
  readonly ino: InodeNumber
  readonly offset: number
  readonly length: number
  readonly isExclusive: boolean
  /** How long a recall may take. */
  readonly breakTimeMs: number
}

/**
 * Publishes a tentative lease; returns its record. The caller looks at breaks and other leases next, and grants or withdraws
 * it. ENOSPC when the table cannot grow.
 */
export function publishLease(table: PinTable, request: LeaseRequest): number {
  const { ino, offset, length, isExclusive, breakTimeMs } = request
  const bucket = bucketOf(ino)
  table.memory.table.add(bucket + Bucket.leases, 1)
  try {
    return table.own.publish(
      {
        kind: RecordKind.lease,
        flags: isExclusive ? RecordFlag.exclusive : 0,
        ino,
        offset,
        length,
        edges: breakTimeMs,
      },
      [],
    )
  } catch (error) {
    table.memory.table.add(bucket + Bucket.leases, -1)
    throw error
  }
}

/** Nothing stands against a lease just published. */
export const grantLease = (table: PinTable, record: number): void => table.own.grant(record)

/** Takes a lease of the own slot back and wakes the changes that wait for it. */
export function withdrawLease(table: PinTable, record: number, ino: InodeNumber): void {
  table.own.release(record)
  table.memory.table.add(bucketOf(ino) + Bucket.leases, -1)
  for (const { slot } of table.breaks(ino, 0, Infinity, BreakState.watching)) table.ring(slot)
}

/** Layout leases of live owners that overlap bytes [start, end) of an inode; revoked ones as well. */
export function leasesOf(table: PinTable, ino: InodeNumber, start = 0, end = Infinity): LeaseView[] {
  if (table.memory.table.load(bucketOf(ino) + Bucket.leases) === 0) return []
  return [
    ...leasesWhere(table, (lease) => lease.ino === ino && lease.offset < end && start < lease.offset + lease.length),
  ]
}

/** Every layout lease in the pool. */
export const allLeases = (table: PinTable): LeaseView[] => [...leasesWhere(table, () => true)]

function* leasesWhere(table: PinTable, wanted: (lease: LeaseView) => boolean): Generator<LeaseView> {
  for (const slot of table.attached()) {
    for (const { chunk, at, state, record } of table.records(slot, RecordKind.lease)) {
      const sequence = state >>> SEQUENCE_SHIFT
      const lease: LeaseView = {
        slot,
        record,
        sequence,
        ino: chunk.getWide(at + Record.ino) as InodeNumber,
        offset: chunk.getWide(at + Record.offset),
        length: chunk.getWide(at + Record.length),
        isExclusive: (chunk.get(at + Record.flags) & RecordFlag.exclusive) !== 0,
        isTentative: (state & STATUS_MASK) === RecordStatus.tentative,
        isRevoked: chunk.load(at + Record.revoked) === sequence,
        breakTimeMs: chunk.get(at + Record.edges),
        sinceMs: chunk.getWide(at + Record.since),
      }
      // Released and used anew while we read: not this lease any more.
      if (chunk.load(at + Record.state) >>> SEQUENCE_SHIFT !== sequence) continue
      if (wanted(lease) && !table.reapIfDead(slot)) yield lease
    }
  }
}

/** Whether a lease of the own slot was revoked. */
export function isRevoked(table: PinTable, record: number): boolean {
  const chunk = table.memory.chunk(table.own.index, chunkOf(record))
  const at = recordAt(record)
  return chunk.load(at + Record.revoked) === chunk.get(at + Record.state) >>> SEQUENCE_SHIFT
}

/** Ends a lease that did not answer: whoever finds the word knows. Idempotent. */
export function revoke(table: PinTable, { slot, record, sequence }: LeaseView): void {
  table.memory.chunk(slot, chunkOf(record)).store(recordAt(record) + Record.revoked, sequence)
  table.ring(slot)
}

/**
 * Whether a claim is fenced off from changes of an inode: a long-term pin of it whose lease was revoked. Nobody waits for
 * it, nobody fails for it; its blocks are sequestered, whatever the policy. In lost+found, where they are then, it is a
 * pin like any other.
 */
export const isFenced = (table: PinTable, ino: InodeNumber, claim: ClaimView): boolean =>
  claim.isLongTerm &&
  claim.ino === ino &&
  leasesOf(table, ino, claim.offset, claim.offset + claim.length).some(
    (lease) => lease.slot === claim.slot && lease.isRevoked,
  )

/** What a layout change does to the range that it asks for. */
export type RecallCause = Exclude<keyof typeof BreakCause, 'none'>

/** The cause in a break record; undefined: it asks no lease. */
export const causeOf = (code: number): RecallCause | undefined =>
  (Object.keys(BreakCause) as (keyof typeof BreakCause)[]).find(
    (name): name is RecallCause => name !== 'none' && BreakCause[name] === (code & CAUSE_MASK),
  )

/** Bytes that a break asks of leases: breaks are whole blocks, leases are exact. */
export const askedOf = ({ start, end, edges }: BreakView): { start: number; end: number } => ({
  start: start + (edges & 0xfff),
  end: end - (edges >>> 12),
})

/** A change that minds leases. */
interface RecallingChange extends BreakRequest {
  readonly cause: RecallCause
  readonly ownLeases?: ReadonlySet<number> | undefined
}

/**
 * The change's half, its break published: recalls the leases of others in bytes [start, end), and resolves when each is
 * gone or revoked. ETXTBSY: one is exclusive. EBUSY: the policy is to fail. ETIMEDOUT, AbortError by `limits`.
 */
export async function untilRecalled(
  door: Door,
  request: RecallingChange,
  broken: OwnBreak,
  start: number,
  end: number,
): Promise<void> {
  const { table } = door
  const { ino, limits, ownLeases } = request
  const rungMs = new Map<number, number>()
  const told = new Set<string>()
  const inTheWay = (): LeaseView[] =>
    leasesOf(table, ino, start, end).filter(
      (lease) => !lease.isRevoked && !(lease.slot === table.own.index && ownLeases?.has(lease.record) === true),
    )
  /** What is refused is refused for leases that are held; a tentative one is granted or taken back soon. */
  const mayAsk = (): LeaseView[] => {
    const leases = inTheWay()
    const held = leases.filter((lease) => !lease.isTentative)
    const exclusive = held.filter((lease) => lease.isExclusive)
    if (exclusive.length > 0)
      throw leaseError(door, request, 'ETXTBSY', 'the layout is leased exclusively', exclusive, 'wait for its release')
    if (held.length > 0 && request.busy === 'fail')
      throw leaseError(door, request, 'EBUSY', 'the layout is leased', held, "ask with busy 'wait' or 'sequester'")
    return leases
  }
  let beganMs = 0
  const ask = (): LeaseView[] => {
    const leases = mayAsk()
    const nowMs = table.clock.steadyMs()
    const isDue = (lease: LeaseView): boolean => nowMs >= beganMs + lease.breakTimeMs
    for (const lease of leases.filter(isDue)) {
      revoke(table, lease)
      if (revokes.hasSubscribers) revokes.publish(newsOf(table, lease))
    }
    const asked = leases.filter((lease) => !isDue(lease))
    if (recalls.hasSubscribers) for (const lease of asked) tellOnce(table, lease, told)
    // Each ring that we get makes us look; ringing at each look, two who ask each other would never rest.
    for (const { slot } of asked) {
      if (nowMs - (rungMs.get(slot) ?? -Infinity) < RING_AGAIN_MS) continue
      rungMs.set(slot, nowMs)
      table.ring(slot)
    }
    return asked
  }
  const notGivenBack = (): Error =>
    leaseError(door, request, 'ETIMEDOUT', 'a lease on the layout was not given back', inTheWay(), 'wait longer')
  const isFree = (): boolean => mayAsk().length === 0
  do {
    if (isFree()) return
  } while (!(await broken.keep(isFree, limits, notGivenBack)))
  beganMs = table.clock.steadyMs()
  // While holders make up their minds, copies go on.
  broken.set(BreakState.waiting)
  if (ownLeases !== undefined) table.exemptions.set(broken.index, ownLeases)
  table.beginRecall(
    broken.index,
    BreakCause[request.cause],
    end === MAX_FILE_SIZE ? edgesOf(start, 0) & 0xfff : edgesOf(start, end - start),
  )
  try {
    for (let leases = ask(); leases.length > 0; leases = ask()) {
      const revokedMs = beganMs + Math.min(...leases.map((lease) => lease.breakTimeMs))
      const slice: Limits = {
        deadlineMs: Math.min(revokedMs, limits.deadlineMs),
        signal: limits.signal,
        partOf: { limits, onTimeout: notGivenBack },
      }
      const isAnswered = (): true | undefined => (ask().length === 0 ? true : undefined)
      await door.waiting.until(isAnswered, slice, sliceIsOver).catch((error: unknown) => {
        if (error !== SLICE_IS_OVER) throw error
        if (table.clock.steadyMs() >= limits.deadlineMs) throw notGivenBack()
      })
    }
  } finally {
    table.endRecall(broken.index)
    table.exemptions.delete(broken.index)
    // Whoever was asked and has not answered is asked no more.
    for (const { slot } of inTheWay()) table.ring(slot)
  }
}

const newsOf = (table: PinTable, { ino, offset, length, slot }: LeaseView): LeaseMessage => ({
  ...table.teller,
  inode: ino,
  offset,
  length,
  holder: slot,
})

function tellOnce(table: PinTable, lease: LeaseView, told: Set<string>): void {
  const key = `${lease.slot}:${lease.record}:${lease.sequence}`
  if (told.has(key)) return
  told.add(key)
  recalls.publish(newsOf(table, lease))
}

/** A holder that was told, and may not have heard it, is told again. */
const RING_AGAIN_MS = 250
const SLICE_IS_OVER = new Error('the slice is over')
const sliceIsOver = (): Error => SLICE_IS_OVER

/**
 * What a lease is in for. A change made through the lease's own file asks only others; in which file another process makes
 * its change can't be seen, so there it counts as asking.
 */
export function leaseStateOf(table: PinTable, lease: LeaseView): NonNullable<Holder['lease']> {
  if (lease.isRevoked) return 'revoked'
  const { slot, record, ino, offset, length } = lease
  const isOwn = slot === table.own.index
  const asks = (change: BreakView): boolean => {
    const { start, end } = askedOf(change)
    const isExempt = isOwn && change.slot === slot && table.exemptions.get(change.index)?.has(record) === true
    return causeOf(change.cause) !== undefined && start < offset + length && offset < end && !isExempt
  }
  return [...table.breaks(ino, offset, offset + length, BreakState.waiting)].some(asks) ? 'recalled' : 'held'
}

export function leaseHolderOf(
  { table, witness }: Pick<Door, 'table' | 'witness'>,
  lease: LeaseView,
  nowMs: number = table.clock.nowMs(),
): Holder {
  return {
    ...participantOf(table, witness, lease.slot),
    kind: 'lease',
    inode: lease.ino,
    offset: lease.offset,
    length: lease.length,
    ageMs: Math.max(0, nowMs - lease.sinceMs),
    lease: leaseStateOf(table, lease),
    ...(lease.isExclusive ? { isExclusive: true } : {}),
    ...(lease.isRevoked ? { isRevoked: true } : {}),
  }
}

/** An error that names the holders of leases. */
export function leaseError(
  door: Pick<Door, 'table' | 'witness'>,
  detail: { readonly syscall: string; readonly path?: string | undefined },
  code: 'EBUSY' | 'ETIMEDOUT' | 'ETXTBSY',
  what: string,
  leases: readonly LeaseView[],
  advice: string,
): Error {
  const holders = leases.map((lease) => leaseHolderOf(door, lease))
  return systemError(code, `${what} (${describeHolders(holders)}); ${advice}`, { ...detail, holders })
}
