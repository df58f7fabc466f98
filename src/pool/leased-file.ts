/** LeasedFile: an open file with the layout leases taken through it, and what long-term pins ask of them. */
import { checkBytes, outOfRange, systemError, wrongType } from '../errors.ts'
import type { WaitOptions } from '../files/file-system.ts'
import { limitsOf } from '../files/file-system.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { Lease, OnRecall } from './lease.ts'
import { OpenFile } from './open-file.ts'
import type { Pin } from './pin.ts'

export interface LeaseOptions extends WaitOptions {
  /** The one type that is asked for; pins carry leases of type 'allocated' by themselves. */
  type: 'layout'
  /** First byte; default 0. */
  offset?: number | undefined
  /** Bytes; default: all there may ever be. */
  length?: number | undefined
  /** Others' layout changes fail with ETXTBSY while it is held. Default false. */
  exclusive?: boolean | undefined
  /** How long a recall may take; default, and at most, the pool's `leaseBreakTimeMs`. */
  breakTimeMs?: number | undefined
  /** Somebody wants to change the layout of the range: release or downgrade the lease before `deadlineMs`. */
  onRecall: OnRecall
}

export class LeasedFile extends OpenFile {
  #leaseRecords: Set<number> | undefined
  /** Made when they are wanted: most files have none, and two sets would be a tenth of the price of opening one. */
  #leases: Set<Lease> | undefined

  /** Records of the leases that this file's own changes do not ask. */
  protected get leaseRecords(): Set<number> {
    return (this.#leaseRecords ??= new Set())
  }

  /**
   * Takes a layout lease: nobody changes the layout of the range without asking, and long-term pins may be taken under it
   * (docs/internals/leases.md). It lives until it is released, also after `close()` of the file. Waits while a change
   * of the range is under way. EBUSY with `holders`: an exclusive lease is in the way · ETIMEDOUT · AbortError.
   */
  async lease(options: LeaseOptions): Promise<Lease> {
    const { type, onRecall, exclusive = false, offset = 0 } = options
    if (type !== 'layout') throw wrongType('type', "'layout'", type)
    if (typeof onRecall !== 'function') throw wrongType('onRecall', 'of type function', onRecall)
    if (typeof exclusive !== 'boolean') throw wrongType('exclusive', 'of type boolean', exclusive)
    checkBytes('offset', offset)
    const length = checkBytes('length', options.length ?? MAX_FILE_SIZE - offset)
    if (length === 0) throw outOfRange('length', '>= 1', length)
    const most = this.fs.properties.leaseBreakTimeMs
    const breakTimeMs = checkBytes('breakTimeMs', options.breakTimeMs ?? most)
    if (breakTimeMs > most) throw outOfRange('breakTimeMs', `<= ${most}, the pool's leaseBreakTimeMs`, breakTimeMs)
    this.mustBeOpen('lease')
    if (this.fs.isReadOnly) {
      const what = 'a pool that is open for reading only publishes no leases; open it without { readOnly: true }'
      throw systemError('EROFS', what, { syscall: 'lease', path: this.path })
    }
    const leasing = { offset, length, isExclusive: exclusive, breakTimeMs, onRecall }
    const limits = limitsOf(this.fs, options)
    const lease = await this.owner.leases.take(this.opened, leasing, this.leaseRecords, limits, this.path)
    const leases = (this.#leases ??= new Set())
    for (const other of leases) if (other.state === 'released') leases.delete(other)
    leases.add(lease)
    return lease
  }

  /** The lease a long-term pin is taken under. EOPNOTSUPP: none covers the range. ESTALE: it was revoked. */
  protected leaseFor(offset: number, length: number): Lease {
    let isRevoked = false
    for (const lease of this.#leases ?? []) {
      if (!lease.covers(offset, length)) continue
      isRevoked ||= this.owner.leases.isRevoked(lease)
      if (lease.state === 'held' || lease.state === 'recalled') return lease
    }
    const detail = { syscall: 'pin', path: this.path }
    if (isRevoked) throw systemError('ESTALE', 'the layout lease was revoked; take a new one', detail)
    const what = 'a long-term pin needs a layout lease over its range; take one with file.lease()'
    throw systemError('EOPNOTSUPP', what, detail)
  }

  /** Puts a pin just granted under its lease, unless that was revoked (ESTALE) or given back (EOPNOTSUPP) meanwhile. */
  protected hold(lease: Lease, pin: Pin): Pin {
    const isRevoked = this.owner.leases.isRevoked(lease)
    if (!isRevoked && (lease.state === 'held' || lease.state === 'recalled')) {
      lease.add(pin)
      return pin
    }
    pin.release()
    const detail = { syscall: 'pin', path: this.path }
    if (isRevoked) throw systemError('ESTALE', 'the layout lease was revoked; take a new one', detail)
    throw systemError('EOPNOTSUPP', 'the layout lease was given back meanwhile; take a new one', detail)
  }
}
