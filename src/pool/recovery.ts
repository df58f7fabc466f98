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
import { closeSync, constants, lstatSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../device/device.ts'
import { codeOf, systemError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { mountedInstance } from '../platform/mounted-file-system.ts'
import { bootId } from '../platform/process-identity.ts'
import type { Run } from '../units.ts'
import { requireOwnFile } from './own-file.ts'
import type { PoolDirectory } from './pool-directory.ts'

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants

/** Whether there was anything to do. EUCLEAN: the metadata contradict themselves about what is free. */
export async function repairAfterReboot(
  directory: PoolDirectory,
  metadata: Metadata,
  device: Device,
): Promise<boolean> {
  if (isSound(directory)) return false
  const [free, mapped] = [await metadata.freeRuns(), await metadata.mappedRuns()]
  // What is punched here is gone: not when the metadata contradict themselves about it.
  refuseOverlap(free, mapped)
  for (const run of free) device.discard(run)
  for (const run of mapped) device.allocate(run)
  await device.flush()
  // What a failed sync left of the log may be in the page cache only; meta.db is written and synced anew.
  await metadata.checkpoint()
  const fd = openSync(soundMark(directory), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  try {
    writeSync(fd, markOf(directory))
  } finally {
    closeSync(fd)
  }
  return true
}

/** Whether free blocks are zero, and mapped ones have space, for all that this boot has seen of this device. */
export const isSound = (directory: PoolDirectory): boolean => readIfThere(soundMark(directory)) === markOf(directory)

/** The next fresh open repairs, whatever boot it is on. */
export const demandRepair = (directory: PoolDirectory): void => rmSync(soundMark(directory), { force: true })

const soundMark = ({ pins }: PoolDirectory): string => join(pins, 'boot')

function markOf({ device, pins }: PoolDirectory): string {
  const { dev, ino } = statSync(device, { bigint: true })
  return `${bootId()} ${mountedInstance(pins)} ${dev}:${ino}`
}

function refuseOverlap(free: readonly Run[], mapped: readonly Run[]): void {
  let next = 0
  for (const { start, count } of free) {
    while (next < mapped.length && mapped[next].start + mapped[next].count <= start) next++
    if (next < mapped.length && mapped[next].start < start + count) {
      const what = `block ${Math.max(start, mapped[next].start)} is free, and a file has it; run fsck`
      throw systemError('EUCLEAN', `the metadata is damaged: ${what}`, { syscall: 'open' })
    }
  }
}

function readIfThere(path: string): string | undefined {
  try {
    // Before it is opened: a pipe would keep us waiting.
    requireOwnFile(lstatSync(path), path)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
