/**
 * openPool: becoming a participant.
 *
 * Under the opening lock, one at a time: 1 look for living participants; none: this is a fresh open, the pin table is
 * reset; 2 open metadata and device; 3 take a slot; 4 a fresh open recovers: after a reboot free space is punched and
 * mapped space allocated again (a power failure may have kept data of transactions it lost, or lost allocations it did
 * not), orphans and lost+found go; 5 otherwise the dead are reaped.
 *
 * If this process dies in here, the kernel drops its locks; the next opener finds nobody alive and starts again.
 */
import { threadId } from 'node:worker_threads'
import { FileDevice } from '../device/file-device.ts'
import { checkLabel } from '../device/label.ts'
import { checkBytes } from '../errors.ts'
import { CopyWindows } from '../files/copy-windows.ts'
import { removeOrphans } from '../files/open-inodes.ts'
import { TableMarks } from '../layout/change-marks.ts'
import { Slot, Table } from '../layout/format.ts'
import { transactionHolders } from '../layout/holders.ts'
import { reclaimIdleLostFiles } from '../layout/lost-and-found.ts'
import { PinTable, requireTable, resetTable } from '../layout/pin-table.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { openSqliteMetadata } from '../metadata/sqlite-metadata.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import { processStartTime } from '../platform/process-identity.ts'
import { commandLineOf } from './command-lines.ts'
import { FreeSpaceMaker } from './free-space-maker.ts'
import { openForReads } from './open-for-reads.ts'
import { requirePool, requireWritable, takeOpeningLock } from './opening.ts'
import { Pool } from './pool.ts'
import { LockByte, poolDirectory } from './pool-directory.ts'
import { repairAfterReboot } from './recovery.ts'
import { HostReserve } from './host-reserve.ts'
import { FifoBells, SharedTable } from './shared-table.ts'
import { systemClock } from './system-clock.ts'

export interface OpenPoolOptions {
  /**
   * For who may not write the pool directory, or wants no part in it: see `Pool.isReadOnly`. Nothing is made, locked or
   * written; what would change something, pins included, is EROFS. Default false.
   */
  readOnly?: boolean
  /** Remember where pins are taken, for `pool.pins()` and the warning about dropped ones. Costs 5 µs a pin. Default false. */
  debug?: boolean
  /**
   * An operation of this participant that has waited for pins, leases or layout changes for so many milliseconds is told of,
   * once, by a process warning with the code HOLDFAST_STUCK, and counted in `pool.stats().stuckWaits`. Default 60,000;
   * Infinity: never. (What waits no longer than the usual 45 s ends with ETIMEDOUT before.)
   */
  stuckAfterMs?: number
}

/**
 * Opens the pool in directory `path`. ENOENT (no such directory, or no pool in it), EACCES, EROFS (it may only be read:
 * see `readOnly`), EUCLEAN (device and metadata do not fit, damage), ENOLCK, EPROTONOSUPPORT (a newer format). Price: 5 ms,
 * whatever the pool's size.
 */
export async function openPool(path: string, options: OpenPoolOptions = {}): Promise<Pool> {
  assertSupportedPlatform()
  const directory = poolDirectory(path)
  requirePool(directory)
  const { stuckAfterMs = 60_000 } = options
  if (stuckAfterMs !== Infinity) checkBytes('stuckAfterMs', stuckAfterMs)
  if (options.readOnly === true) return openForReads(directory, stuckAfterMs)
  requireWritable(directory)
  // What ends this participant, last things first: here when a step fails, later as the last step of `Pool.close`.
  const ends = new DisposableStack()
  let metadata: Metadata | undefined
  let pool: Pool | undefined
  try {
    const shared = new SharedTable(directory)
    ends.defer(() => shared.close())
    const opening = shared.lock(LockByte.opening)
    await takeOpeningLock(opening, path)
    const isFresh = !shared.isAnybodyAlive()
    if (isFresh) {
      shared.mend()
      resetTable(shared)
    } else requireTable(shared)
    const slot = shared.takeSlot()
    const bells = new FifoBells(directory, slot)
    ends.defer(() => bells.close())
    const surroundings = { memory: shared, liveness: shared.liveness, bells, clock: systemClock }
    const identity = { pid: process.pid, threadId, startTime: processStartTime(process.pid) ?? 0 }
    const table = new PinTable(surroundings, slot, identity)
    ends.defer(() => table.detach())

    const witness = {
      commandLine: commandLineOf,
      takenAt: (record: number): string | undefined => pool?.takenAt(record),
    }
    const reserve = new HostReserve(directory.reserve)
    const marks = new TableMarks(shared)
    metadata = await openSqliteMetadata(directory.metadata, {
      marks,
      onTransaction: (isActive) => {
        const since = isActive ? systemClock.nowMs() : 0
        table.own.words.setWide(Slot.transactionSince, since)
      },
      whoHoldsTransaction: () => transactionHolders(table, witness),
      onNoSpace: () => reserve.giveBack(),
    })
    // Before anything is changed: who only reads what was at rest looks afresh from here on. The log is there by now.
    shared.table.add(Table.openings, 1)
    const device = FileDevice.open(directory.device, metadata.properties.blockCount)
    ends.defer(() => device.close())
    checkLabel(directory.device, metadata.properties.uuid)
    if (isFresh) await repairAfterReboot(directory, metadata, device)
    reserve.take()

    const space = new FreeSpaceMaker({ table, metadata, device, reclaimLock: shared.lock(LockByte.reclaim) })
    pool = new Pool({
      path,
      table,
      metadata,
      marks,
      device,
      copyMemory: new CopyWindows(device),
      witness,
      space,
      reserve,
      leave: () => ends.dispose(),
      isDebug: options.debug === true,
      stuckAfterMs,
      isReadOnly: false,
    })
    table.reap()
    // Also when that found nobody: the dead one may have been the last owner of our own slot.
    await removeOrphans(pool.fileSystem)
    if (isFresh && (await reclaimIdleLostFiles(pool.fileSystem)) > 0) space.soon()
    opening.unlock()
    return pool
  } catch (error) {
    // The caller is told why the pool could not be opened, not what else fails for the same reason.
    await pool?.close().catch(() => undefined)
    await metadata?.close()
    ends.dispose()
    throw error
  }
}
