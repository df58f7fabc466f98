/**
 * openPool: becoming a participant.
 *
 * Under the opening lock, one at a time: 1 look for living participants; none: this is a fresh open, the pin table is
 * reset; 2 open metadata and device; 3 take a slot; 4 a fresh open recovers: after a reboot, or with a copied device, free space
 * is punched and mapped space allocated again (recovery.ts), orphans and lost+found go; 5 otherwise the dead are reaped.
 *
 * If this process dies in here, the kernel drops its locks; the next opener finds nobody alive and starts again.
 */
import { rmSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { transactions } from '../diagnostics.ts'
import { checkLabel } from '../device/label.ts'
import { checkBytes, syncHasFailed } from '../errors.ts'
import { CopyWindows } from '../files/copy-windows.ts'
import { removeOrphans } from '../files/open-inodes.ts'
import { TableMarks } from '../layout/change-marks.ts'
import { Slot, Table } from '../layout/format.ts'
import { MAX_SLOTS } from '../layout/table-counts.ts'
import { transactionHolders } from '../layout/holders.ts'
import { reclaimIdleLostFiles } from '../layout/lost-and-found.ts'
import { PinTable, requireTable, resetTable } from '../layout/pin-table.ts'
import { PunchMarks } from '../layout/punch-marks.ts'
import { SharedDevice } from '../layout/shared-device.ts'
import { enter } from '../layout/solitude.ts'
import { StuckWaits } from '../layout/stuck-waits.ts'
import { forgetOtherVersion, isOfOtherVersion, requireOwnVersion } from '../layout/table-version.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import { ownStartTime } from '../platform/process-identity.ts'
import { commandLineOf } from './command-lines.ts'
import type { Foundations } from './foundations.ts'
import { FILES } from './foundations.ts'
import { FreeSpaceMaker } from './free-space-maker.ts'
import { openForReads } from './open-for-reads.ts'
import { OPENING_TIMEOUT_MS, requirePool, requireWritable, takeOpeningLock } from './opening.ts'
import { Pool } from './pool.ts'
import type { PoolDirectory } from './pool-directory.ts'
import { LockByte, poolDirectory } from './pool-directory.ts'
import { demandRepair, repairAfterReboot } from './recovery.ts'
import { HostReserve } from './host-reserve.ts'
import { FifoBells, SharedTable } from './shared-table.ts'
import { warnOfStuckWait } from './stuck-wait.ts'
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
   * An operation of this participant that has waited for pins, leases, layout changes or the lock of the metadata for so many
   * milliseconds is told of, once, by a process warning with the code HOLDFAST_STUCK, and counted in `pool.stats().stuckWaits`. Default 60,000;
   * Infinity: never. (What waits no longer than the usual 45 s ends with ETIMEDOUT before.)
   */
  stuckAfterMs?: number
}

/**
 * Opens the pool in directory `path`. ENOENT (no such directory, or no pool in it), EACCES, EROFS (it may only be read:
 * see `readOnly`), EUCLEAN (device and metadata do not fit, damage), ENOLCK, EPROTONOSUPPORT (another format; in use by a
 * Holdfast with another pin table), EIO (a sync failed, and somebody has the pool open since before that). Price: 5 ms,
 * whatever the pool's size.
 */
export function openPool(path: string, options: OpenPoolOptions = {}): Promise<Pool> {
  return openPoolOn(FILES, path, options)
}

/** The same on foundations of the caller's; with `readOnly` they are not asked. */
export async function openPoolOn(foundations: Foundations, path: string, options: OpenPoolOptions = {}): Promise<Pool> {
  assertSupportedPlatform()
  const directory = poolDirectory(path)
  requirePool(directory)
  const { stuckAfterMs = 60_000 } = options
  if (stuckAfterMs !== Infinity) checkBytes('stuckAfterMs', stuckAfterMs)
  const stuckWaits = new StuckWaits(systemClock, { afterMs: stuckAfterMs, tell: warnOfStuckWait })
  if (options.readOnly === true) return openForReads(directory, stuckWaits)
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
    if (!isFresh) {
      requireOwnVersion(shared, path)
      requireTable(shared)
    }
    if (shared.table.load(Table.syncFailed) !== 0) {
      if (!isFresh) throw syncHasFailed('open', path)
      // First: dying between the two is then no harm.
      demandRepair(directory)
      shared.table.store(Table.syncFailed, 0)
    }
    if (isFresh) startAfresh(shared, directory)
    const slot = shared.takeSlot()
    const bells = new FifoBells(directory, slot)
    ends.defer(() => bells.close())
    const surroundings = { memory: shared, liveness: shared.liveness, bells, clock: systemClock }
    const identity = { pid: process.pid, threadId, startTime: ownStartTime(), pool: path }
    const table = new PinTable(surroundings, slot, identity)
    ends.defer(() => table.detach())

    const witness = {
      commandLine: commandLineOf,
      takenAt: (record: number): string | undefined => pool?.takenAt(record),
    }
    await enter(table, OPENING_TIMEOUT_MS, path, () => transactionHolders(table, witness))
    const reserve = new HostReserve(directory.reserve)
    const marks = new TableMarks(shared)
    let transactionSinceMs = performance.now()
    const syncGuard = {
      hasSyncFailed: () => shared.table.load(Table.syncFailed) !== 0,
      onSyncFailed: () => shared.table.store(Table.syncFailed, 1),
    }
    metadata = await foundations.openMetadata(directory.metadata, {
      marks,
      syncGuard,
      onTransaction: (isActive) => {
        const since = isActive ? systemClock.nowMs() : 0
        table.own.words.setWide(Slot.transactionSince, since)
        if (!transactions.hasSubscribers) return
        if (isActive) transactionSinceMs = performance.now()
        else transactions.publish({ ...table.teller, durationMs: performance.now() - transactionSinceMs })
      },
      onWait: (operation, wouldEndWith) => stuckWaits.begin(operation, wouldEndWith),
      whoHoldsTransaction: () => transactionHolders(table, witness),
      onNoSpace: () => reserve.giveBack(),
    })
    // Before anything is changed: who only reads what was at rest looks afresh from here on. The log is there by now.
    shared.table.add(Table.openings, 1)
    const opened = foundations.openDevice(directory.device, metadata.properties.blockCount)
    const device = new SharedDevice(opened, directory.device, syncGuard, new PunchMarks(shared))
    ends.defer(() => device.close())
    checkLabel(directory.device, metadata.properties.uuid)
    if (isFresh && (await repairAfterReboot(directory, metadata, device))) opened.dropCache?.()
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
      stuckWaits,
      isReadOnly: false,
    })
    table.reap()
    // Also when that found nobody: the dead one may have been the last owner of our own slot.
    await removeOrphans(pool.fileSystem)
    if (isFresh) await reclaimIdleLostFiles(pool.fileSystem)
    // Also what somebody freed who ended before it was given back.
    if ((await metadata.space()).busy > 0) space.soon()
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

/** Nobody has the pool open: what is in the pin table is nobody's. */
function startAfresh(shared: SharedTable, directory: PoolDirectory): void {
  if (isOfOtherVersion(shared)) {
    const slots = Math.min(shared.table.load(Table.slotCount) >>> 0, MAX_SLOTS)
    for (let slot = 0; slot < slots; slot++) rmSync(directory.slot(slot), { force: true })
    forgetOtherVersion(shared)
  }
  shared.mend()
  resetTable(shared)
}
