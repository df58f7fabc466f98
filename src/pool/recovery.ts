/**
 * Recovery of the device at a fresh open on another boot, or another mounting of the host's file system, than the last: after
 * a power failure the page cache may have reached the disk for data whose transaction was lost (free blocks that are not
 * zero: promise 6), and a transaction for blocks whose allocation was lost (mapped blocks without space: promise 7). A
 * process's death alone loses neither. After a failed sync it is done as well.
 *
 * Likewise when the device is another file than then: a copy, a restored backup. Copying makes holes of zeros and zeros of
 * holes (promises 6 and 7), and large folios (docs/internals/page-cache.md).
 *
 * The boot, the mounting and the file that were made sound are remembered in a file, written after the flush. Price: a punch
 * for each free run and an allocation for each mapped run (files lie together, so runs are few); no file is read.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../device/device.ts'
import { codeOf } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { mountedInstance } from '../platform/mounted-file-system.ts'
import { bootId } from '../platform/process-identity.ts'
import type { PoolDirectory } from './pool-directory.ts'

/** Whether there was anything to do. */
export async function repairAfterReboot(
  directory: PoolDirectory,
  metadata: Metadata,
  device: Device,
): Promise<boolean> {
  const { pins } = directory
  const path = join(pins, 'boot')
  const { dev, ino } = statSync(directory.device, { bigint: true })
  const present = `${bootId()} ${mountedInstance(pins)} ${dev}:${ino}`
  if (readIfThere(path) === present) return false
  for (const run of await metadata.freeRuns()) device.discard(run)
  for (const run of await metadata.mappedRuns()) device.allocate(run)
  await device.flush()
  // What a failed sync left of the log may be in the page cache only; meta.db is written and synced anew.
  await metadata.checkpoint()
  writeFileSync(path, present, { mode: 0o600 })
  return true
}

/** The next fresh open repairs, whatever boot it is on. */
export function demandRepair({ pins }: PoolDirectory): void {
  rmSync(join(pins, 'boot'), { force: true })
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
