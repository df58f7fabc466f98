/**
 * What every device refuses before it touches a byte. RangeErrors: the caller's mistake. Callers: the devices.
 */
import { outOfRange } from '../errors.ts'
import { MAX_DEVICE_BLOCKS } from '../units.ts'
import type { Run } from '../units.ts'

/** A run has at least one block and lies in the device. */
export function checkRun(run: Run, blockCount: number): void {
  const { start, count } = run
  if (!Number.isSafeInteger(start) || start < 0 || start >= blockCount) {
    throw outOfRange('run.start', `a block of the device, < ${blockCount}`, start)
  }
  if (!Number.isSafeInteger(count) || count < 1 || count > blockCount - start) {
    throw outOfRange('run.count', `>= 1 and within the ${blockCount} blocks of the device`, count)
  }
}

export function checkBlockCount(blockCount: number): void {
  if (!Number.isSafeInteger(blockCount) || blockCount < 1 || blockCount > MAX_DEVICE_BLOCKS) {
    throw outOfRange('blockCount', `>= 1 and <= ${MAX_DEVICE_BLOCKS}`, blockCount)
  }
}
