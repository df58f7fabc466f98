/**
 * Own leases: the layout leases of this participant, and who is told when somebody asks for one: the holder's side of
 * docs/internals/leases.md.
 *
 * Concurrency. A change publishes what it asks for in its break, then rings; it rings again each 250 ms while it waits. On
 * a ring all breaks that overlap own leases are looked at, and leases that were revoked. So a ring that was lost, or came
 * while this process was stopped, is made up for by the next.
 */
import type { OpenInode } from '../files/open-inode.ts'
import type { FileSystem } from '../files/file-system.ts'
import { untilUnbroken } from '../files/file-system.ts'
import { BreakState, RecordKind } from '../layout/format.ts'
import type { LeaseView } from '../layout/leases.ts'
import { causeOf, isRevoked, leaseError, leasesOf, publishLease, withdrawLease } from '../layout/leases.ts'
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
  /** Breaks that were told of, by slot, index and begin. */
  readonly told: Set<string>
}

export class OwnLeases {
  readonly #fs: FileSystem
  readonly #entries = new Set<Entry>()
  readonly #endWatch: () => void

  constructor(fs: FileSystem) {
    this.#fs = fs
    this.#endWatch = fs.waiting.watch(() => this.#look())
  }

  /** Takes a lease, waiting for layout changes under way. EBUSY: an exclusive one is in the way. ETIMEDOUT, AbortError. */
  async take(open: OpenInode, leasing: Leasing, records: Set<number>, limits: Limits, path: string): Promise<Lease> {
    const fs = this.#fs
    const { table } = fs
    const { offset, length, isExclusive } = leasing
    for (;;) {
      const record = publishLease(table, { ino: open.ino, ...leasing })
      const others = leasesOf(table, open.ino, offset, offset + length).filter(
        (lease) => !(lease.slot === table.own.index && lease.record === record),
      )
      const inTheWay = others.filter((lease: LeaseView) => !lease.isRevoked && (isExclusive || lease.isExclusive))
      if (inTheWay.length > 0) {
        withdrawLease(table, record, open.ino)
        const what = isExclusive ? 'others have leases on the layout' : 'the layout is leased exclusively'
        throw leaseError(fs, { syscall: 'lease', path }, 'EBUSY', what, inTheWay, 'wait for their release')
      }
      const isBroken = [...table.breaks(open.ino, offset, offset + length, BreakState.waiting)].length > 0
      if (!isBroken) return this.#enter(open, leasing, record, records)
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
    return entry.lease
  }

  /** Whether a lease was revoked, as of now. */
  isRevoked(lease: Lease): boolean {
    this.#look()
    return lease.state === 'revoked'
  }

  /** Ends all leases, and the watch. */
  async close(): Promise<void> {
    this.#endWatch()
    for (const { lease } of [...this.#entries]) await lease.release()
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
    for (const { slot, index, start, end: stop, sinceMs, cause: code } of asking) {
      const cause = causeOf(code)
      if (cause === undefined) continue
      const key = `${slot}:${index}:${sinceMs}`
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
