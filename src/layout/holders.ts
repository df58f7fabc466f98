/** Holders: claims and transactions in the words of errors, `pool.pins()` and the CLI (promise 11). */
import type { Holder } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import { Record, RecordKind, Slot, Table } from './format.ts'
import type { ClaimView } from './overlaps.ts'
import { claimsOf } from './overlaps.ts'
import type { PinTable } from './pin-table.ts'

/** What this process can tell about others: their command line; in debug mode where its own pins were taken. */
export interface Witness {
  /** '' when the process is not the one that started then, in clock ticks since boot. */
  commandLine(pid: number, startTime: number): string
  takenAt(record: number): string | undefined
}

/** In a list `nowMs` is one for all, so that the order of their ages is that of their beginnings. */
export function holderOf(
  table: PinTable,
  witness: Witness,
  claim: ClaimView,
  nowMs: number = table.clock.nowMs(),
): Holder {
  const holder: Holder = {
    ...participantOf(table, witness, claim.slot),
    kind: claim.kind,
    mode: claim.isWrite ? 'write' : 'read',
    inode: claim.ino,
    offset: claim.offset,
    length: claim.length,
    ageMs: Math.max(0, nowMs - claim.sinceMs),
  }
  if (claim.isStable) holder.isStable = true
  if (claim.isLongTerm) holder.isLongTerm = true
  const takenAt = claim.slot === table.own.index ? witness.takenAt(claim.record) : undefined
  if (takenAt !== undefined) holder.takenAt = takenAt
  return holder
}

/** Every pin and copy under way in the pool, dead owners reaped; of one inode when it is given. */
export const listHolders = (table: PinTable, witness: Witness, ino?: InodeNumber): Holder[] =>
  allClaims(table)
    .filter((claim) => ino === undefined || claim.ino === ino)
    .map((claim) => holderOf(table, witness, claim))

/** The same as read from the table. */
export function allClaims(table: PinTable): ClaimView[] {
  const claims: ClaimView[] = []
  for (const slot of table.attached()) if (!table.reapIfDead(slot)) claims.push(...claimsOf(table, slot))
  return claims
}

/** Who has the inode open, each participant once. */
export function openHolders(table: PinTable, witness: Witness, ino: InodeNumber): Holder[] {
  const holders: Holder[] = []
  for (const slot of table.attached()) {
    const record = table.records(slot, RecordKind.open).find(({ chunk, at }) => chunk.getWide(at + Record.ino) === ino)
    if (record === undefined || table.reapIfDead(slot)) continue
    holders.push({ ...participantOf(table, witness, slot), kind: 'open', inode: ino })
  }
  return holders
}

/** Whether another participant may be changing bytes of the inode: has it open, or pinned for writing. */
export function storesElsewhere(table: PinTable, ino: InodeNumber): boolean {
  for (const slot of table.attached()) {
    if (slot === table.own.index) continue
    const isOpen = [...table.records(slot, RecordKind.open)].some(
      ({ chunk, at }) => chunk.getWide(at + Record.ino) === ino,
    )
    const isPinned = (): boolean => claimsOf(table, slot).some((claim) => claim.ino === ino && claim.isWrite)
    if ((isOpen || isPinned()) && !table.reapIfDead(slot)) return true
  }
  return false
}

/**
 * Who is there besides this participant: another text after anybody has come, left, or died and was reaped. Who died may have
 * changed bytes and left no word of it: times and change count are stored at close. Price: 0.1 µs, and as much for each.
 */
export function companyOf(table: PinTable): string {
  let company = `${table.memory.table.load(Table.entries)}`
  for (const slot of table.attached()) if (slot !== table.own.index) company += ` ${slot}`
  return company
}

/** Whoever is inside a metadata transaction. */
export function transactionHolders(table: PinTable, witness: Witness): Holder[] {
  const holders: Holder[] = []
  for (const slot of table.attached()) {
    const sinceMs = table.slot(slot).getWide(Slot.transactionSince)
    if (sinceMs === 0 || slot === table.own.index || table.reapIfDead(slot)) continue
    holders.push({
      ...participantOf(table, witness, slot),
      kind: 'transaction',
      ageMs: Math.max(0, table.clock.nowMs() - sinceMs),
    })
  }
  return holders
}

export function participantOf(
  table: PinTable,
  witness: Witness,
  slot: number,
): Pick<Holder, 'pid' | 'threadId' | 'slot' | 'command'> {
  const words = table.slot(slot)
  const pid = words.load(Slot.pid)
  return {
    pid,
    threadId: words.load(Slot.threadId),
    slot,
    command: witness.commandLine(pid, words.getWide(Slot.startTime)),
  }
}

/** "pid 17 (node server.js) pins bytes 0-4096 for 3 s", for messages. */
export function describeHolders(holders: readonly Holder[]): string {
  if (holders.length === 0) return 'no holder left'
  const [first] = holders
  const command = first.command === '' ? '' : ` (${first.command})`
  const range = first.offset === undefined ? '' : ` bytes ${first.offset}-${first.offset + (first.length ?? 0)}`
  const age = first.ageMs === undefined ? '' : ` for ${first.ageMs} ms`
  const more = holders.length > 1 ? ` and ${holders.length - 1} more` : ''
  return `${first.kind} of pid ${first.pid}${command}${range}${age}${more}`
}
