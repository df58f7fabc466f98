/**
 * Recovery of the device at a fresh open on another boot than the last: after a power failure the page cache may have
 * reached the disk for data whose transaction was lost (free blocks that are not zero: promise 6), and a transaction for
 * blocks whose allocation was lost (mapped blocks without space: promise 7). A process's death alone loses neither.
 *
 * The same holds for a device that was copied, whatever the boot: a copy may have lost the space of blocks that are zero
 * (cp makes holes of them), or have space where the original had none.
 *
 * The boot that made the pool sound, and the file of the device, are remembered in a file, written after the flush. Price:
 * a punch for each free run and an allocation for each mapped run (files lie together, so runs are few); no file is read.
 */
import { closeSync, constants, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../device/device.ts'
import { codeOf, systemError } from '../errors.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { bootId } from '../platform/process-identity.ts'
import type { Run } from '../units.ts'
import type { PoolDirectory } from './pool-directory.ts'

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants

export async function repairAfterReboot(directory: PoolDirectory, metadata: Metadata, device: Device): Promise<void> {
  if (isSound(directory)) return
  const [free, mapped] = [await metadata.freeRuns(), await metadata.mappedRuns()]
  // What is punched here is gone: not when the metadata contradict themselves about it.
  refuseOverlap(free, mapped)
  for (const run of free) device.discard(run)
  for (const run of mapped) device.allocate(run)
  await device.flush()
  const fd = openSync(soundMark(directory), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  try {
    writeSync(fd, markOf(directory))
  } finally {
    closeSync(fd)
  }
}

/** Whether free blocks are zero, and mapped ones have space, for all that this boot has seen of this device. */
export const isSound = (directory: PoolDirectory): boolean => readIfThere(soundMark(directory)) === markOf(directory)

/** Has the next fresh open repair the device as after a reboot. */
export const forgetSound = (directory: PoolDirectory): void => rmSync(soundMark(directory), { force: true })

const soundMark = ({ pins }: PoolDirectory): string => join(pins, 'boot')

function markOf({ device }: PoolDirectory): string {
  const { dev, ino } = statSync(device, { bigint: true })
  return `${bootId()} ${dev}:${ino}`
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
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
