/**
 * Recovery of the device at a fresh open on another boot than the last: after a power failure the page cache may have
 * reached the disk for data whose transaction was lost (free blocks that are not zero: promise 6), and a transaction for
 * blocks whose allocation was lost (mapped blocks without space: promise 7). A process's death alone loses neither.
 *
 * Likewise when the device is another file than then: a copy, a restored backup. Copying makes holes of zeros and zeros of
 * holes (promises 6 and 7), and large folios (docs/internals/page-cache.md).
 *
 * The boot and the file that were made sound are remembered in a file, written after the flush. Price: a punch for each free
 * run and an allocation for each mapped run (files lie together, so runs are few); no file is read.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../device/device.ts'
import { codeOf } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { bootId } from '../platform/process-identity.ts'
import type { PoolDirectory } from './pool-directory.ts'

/** Whether there was anything to do. */
export async function repairAfterReboot(
  directory: PoolDirectory,
  metadata: Metadata,
  device: Device,
): Promise<boolean> {
  const path = join(directory.pins, 'boot')
  const { dev, ino } = statSync(directory.device, { bigint: true })
  const present = `${bootId()} ${dev}:${ino}`
  if (readIfThere(path) === present) return false
  for (const run of await metadata.freeRuns()) device.discard(run)
  for (const run of await metadata.mappedRuns()) device.allocate(run)
  await device.flush()
  writeFileSync(path, present, { mode: 0o600 })
  return true
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
