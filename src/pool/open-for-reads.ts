/**
 * Opening a pool for reading only: one who is no participant. It takes no slot and no lock, writes no word and no file, and
 * nobody knows of it (layout/observer.ts says why what it reads is right all the same).
 *
 * The metadata are looked at in one of two ways (metadata/sqlite-reader.ts). A look at a pool at rest is over when somebody
 * opens the pool; the word `openings` of the pin table tells.
 */
import { checkLabel } from '../device/label.ts'
import { ReadOnlyDevice } from '../device/read-only-device.ts'
import { TableMarks } from '../layout/change-marks.ts'
import { Table } from '../layout/format.ts'
import { ObserverTable } from '../layout/observer.ts'
import { participantOf } from '../layout/holders.ts'
import { requireTable } from '../layout/pin-table.ts'
import { batchOwnerIn } from '../layout/solitude.ts'
import type { StuckWaits } from '../layout/stuck-waits.ts'
import { requireOwnVersion } from '../layout/table-version.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { openSqliteMetadata } from '../metadata/sqlite-metadata.ts'
import { commandLineOf } from './command-lines.ts'
import { FreeSpaceMaker } from './free-space-maker.ts'
import { HostReserve } from './host-reserve.ts'
import { ObservedTable } from './observed-table.ts'
import { Pool } from './pool.ts'
import type { PoolDirectory } from './pool-directory.ts'
import { systemClock } from './system-clock.ts'

/** The caller has seen that there is a pool. */
export async function openForReads(directory: PoolDirectory, stuckWaits: StuckWaits): Promise<Pool> {
  const ends = new DisposableStack()
  let metadata: Metadata | undefined
  try {
    const memory = new ObservedTable(directory)
    ends.defer(() => memory.close())
    requireOwnVersion(memory, directory.path)
    if (memory.isAnybodyAlive()) requireTable(memory)
    const table = new ObserverTable(memory, (slot) => memory.isAlive(slot), systemClock, directory.path)
    const witness = { commandLine: commandLineOf, takenAt: () => undefined }
    metadata = await openSqliteMetadata(directory.metadata, {
      readOnly: true,
      onWait: (operation, wouldEndWith) => stuckWaits.begin(operation, wouldEndWith),
      openings: () => memory.table.load(Table.openings),
      uncommitted: () => {
        const owner = batchOwnerIn(table)
        return owner === undefined ? [] : [{ ...participantOf(table, witness, owner), kind: 'transaction' }]
      },
    })
    const device = new ReadOnlyDevice(directory.device, metadata.properties.blockCount)
    ends.defer(() => device.close())
    checkLabel(directory.device, metadata.properties.uuid)
    const reclaimLock = { tryLock: () => false, unlock: () => undefined }
    return new Pool({
      path: directory.path,
      table,
      metadata,
      marks: new TableMarks(memory),
      device,
      copyMemory: { bytes: (start, length) => device.read(start, length) },
      witness,
      space: new FreeSpaceMaker({ table, metadata, device, reclaimLock }),
      reserve: new HostReserve(directory.reserve),
      leave: () => ends.dispose(),
      isDebug: false,
      stuckWaits,
      isReadOnly: true,
    })
  } catch (error) {
    await metadata?.close()
    ends.dispose()
    throw error
  }
}
