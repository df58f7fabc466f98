/**
 * Own leases: the layout leases of this participant, and who is told when somebody asks for one: the holder's side of
 * docs/internals/leases.md.
 *
 * Concurrency. A change publishes what it asks for in its break, then rings; it rings again each 250 ms while it waits. On
 * a ring all breaks that overlap own leases are looked at, and leases that were revoked. So a ring that was lost, or came
 * while this process was stopped, is made up for by the next. Who died between setting `rung` and ringing would keep all
 * others from ringing: each LOOK_MS the holder of a lease answers for it, and sees whether who asked is dead.
 */
import { systemError } from '../errors.ts'
import type { OpenInode } from '../files/open-inode.ts'
import type { FileSystem } from '../files/file-system.ts'
import { untilUnbroken } from '../files/file-system.ts'
import { untilOrTime } from '../layout/breaking.ts'
import { BreakState, RecordKind, Slot } from '../layout/format.ts'
import type { LeaseView } from '../layout/leases.ts'
import {
  askedOf,
  causeOf,
  grantLease,
  isRevoked,
  leaseError,
  leasesOf,
  publishLease,
  withdrawLease,
} from '../layout/leases.ts'
import type { Limits } from '../layout/waiting.ts'
import type { OnRecall } from './lease.ts'
import { Lease } from './lease.ts'

/** A lease to be taken. Offsets and lengths in bytes. */
export interface Leasing {
  readonly offset: number
  readonly length: number
  readonly isExclusive: boolean
  readonly breakTimeMs: number
  readonly onRecall: OnRecall
}

interface Entry {
  readonly lease: Lease
  readonly record: number
  readonly open: OpenInode
  /** Recalls that were told of, by slot, index and the number in their cause. */
  readonly told: Set<string>
}

/** How often the holder of a lease looks without having been rung. */
const LOOK_MS = 250
/** How long who stepped back for another lease waits before it tries again: that one is granted in microseconds. */
const STEP_BACK_MS = 2
/** How often the first of several tries at once; after that another one's process is stopped, or very slow. */
const TRIES_AT_ONCE = 100

export class OwnLeases {
  readonly #fs: FileSystem
  readonly #entries = new Set<Entry>()
  #cancelLook: (() => void) | undefined
  readonly #endWatch: () => void
  #isClosed = false

  constructor(fs: FileSystem) {
    this.#fs = fs
    this.#endWatch = fs.waiting.watch(() => this.#look())
  }

  /**
   * Takes a lease, waiting for layout changes under way. EBUSY: an exclusive one is in the way. ETIMEDOUT, AbortError.
   *
   * Nobody is refused for a lease that is tentative, since it may be on its way out. Of several that are tried at once all
   * see each other, and all but one step back: the one with the lowest slot and record tries again at once, the others when
   * it has been granted or has given up. Who is granted has seen no other after it published its own, as before.
   */
  async take(open: OpenInode, leasing: Leasing, records: Set<number>, limits: Limits, path: string): Promise<Lease> {
    const fs = this.#fs
    const { table } = fs
    const { offset, length, isExclusive } = leasing
    for (let tries = 0; ;) {
      if (this.#isClosed) throw systemError('EBADF', 'the pool was closed meanwhile', { syscall: 'lease', path })
      const record = publishLease(table, { ino: open.ino, ...leasing })
      const others = leasesOf(table, open.ino, offset, offset + length).filter(
        (lease) => !(lease.slot === table.own.index && lease.record === record),
      )
      const inTheWay = others.filter((lease: LeaseView) => !lease.isRevoked && (isExclusive || lease.isExclusive))
      if (inTheWay.length > 0) {
        withdrawLease(table, record, open.ino)
        const detail = { syscall: 'lease', path }
        const what = isExclusive ? 'others have leases on the layout' : 'the layout is leased exclusively'
        const held = inTheWay.filter((lease) => !lease.isTentative)
        if (held.length > 0) throw leaseError(fs, detail, 'EBUSY', what, held, 'wait for their release')
        const isFirst = inTheWay.every((lease) => table.own.index < lease.slot)
        if (isFirst && tries++ < TRIES_AT_ONCE) continue
        const stuck = (): Error => {
          const undecided = 'a lease that is neither granted nor given up is in the way'
          return leaseError(fs, detail, 'ETIMEDOUT', undecided, inTheWay, 'wait longer')
        }
        if (table.clock.steadyMs() >= limits.deadlineMs) throw stuck()
        const deadlineMs = Math.min(table.clock.steadyMs() + STEP_BACK_MS, limits.deadlineMs)
        const { signal } = limits
        await untilOrTime(fs, () => false, { deadlineMs, signal, partOf: { limits, onTimeout: stuck } })
        continue
      }
      const isBroken = [...table.breaks(open.ino, offset, offset + length, BreakState.waiting)].length > 0
      if (!isBroken) {
        grantLease(table, record)
        return this.#enter(open, leasing, record, records)
      }
      withdrawLease(table, record, open.ino)
      await untilUnbroken(fs, { kind: RecordKind.pin, ino: open.ino, offset, length }, limits, 'lease', path)
    }
  }

  #enter(open: OpenInode, leasing: Leasing, record: number, records: Set<number>): Lease {
    const fs = this.#fs
    open.handles++
    records.add(record)
    const { offset, length, isExclusive, breakTimeMs, onRecall } = leasing
    const entry: Entry = {
      record,
      open,
      told: new Set(),
      lease: new Lease({
        offset,
        length,
        isExclusive,
        breakTimeMs,
        onRecall,
        withdraw: () => {
          records.delete(record)
          withdrawLease(fs.table, record, open.ino)
        },
        forget: async () => {
          this.#entries.delete(entry)
          await fs.openInodes.close(fs, open)
        },
      }),
    }
    this.#entries.add(entry)
    // Who came while the lease was not entered yet has rung already.
    this.#look()
    this.#lookLater()
    return entry.lease
  }

  /** Whether a lease was revoked, as of now. */
  isRevoked(lease: Lease): boolean {
    this.#look()
    return lease.state === 'revoked'
  }

  /** Ends all leases, and the watch; none is granted from here on. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#endWatch()
    this.#cancelLook?.()
    for (const { lease } of [...this.#entries]) await lease.release()
  }

  #lookLater(): void {
    if (this.#cancelLook !== undefined || this.#entries.size === 0) return
    const { table } = this.#fs
    const look = (): void => {
      this.#cancelLook = undefined
      table.own.words.store(Slot.rung, 0)
      this.#look()
      this.#lookLater()
    }
    this.#cancelLook = table.clock.after(LOOK_MS, look, false)
  }

  #look(): void {
    for (const entry of [...this.#entries]) this.#lookAt(entry)
  }

  #lookAt({ lease, record, open, told }: Entry): void {
    if (lease.state !== 'held' && lease.state !== 'recalled') return
    const { table } = this.#fs
    if (isRevoked(table, record)) return lease.revoke()
    const end = lease.offset + lease.length
    const asking = [...table.breaks(open.ino, lease.offset, end, BreakState.waiting)].filter(
      ({ slot, index }) => slot !== table.own.index || table.exemptions.get(index)?.has(record) !== true,
    )
    const now = new Set<string>()
    for (const change of asking) {
      const { slot, index, sinceMs } = change
      const cause = causeOf(change.cause)
      const { start, end: stop } = askedOf(change)
      if (cause === undefined || start >= end || stop <= lease.offset || table.reapIfDead(slot)) continue
      const key = `${slot}:${index}:${change.cause}:${sinceMs}`
      now.add(key)
      if (told.has(key)) continue
      told.add(key)
      const offset = Math.max(start, lease.offset)
      const deadlineMs = sinceMs + lease.breakTimeMs
      lease.recall({ offset, length: Math.min(stop, end) - offset, deadlineMs, cause })
    }
    for (const key of told) if (!now.has(key)) told.delete(key)
    if (now.size === 0) lease.settle()
  }
}
