/** Space of the host for blocks that are about to enter a file. */
import type { Device } from '../device/device.ts'
import type { Run } from '../units.ts'

/**
 * Allocates runs of blocks, all or none: when one fails, those before it go back to the host, which is full then and needs what
 * it has for others. Inside the transaction that takes the runs out of free space, so they are nobody else's. ENOSPC.
 */
export function allocateRuns(device: Pick<Device, 'allocate' | 'discard'>, runs: readonly Run[]): void {
  let done = 0
  try {
    for (; done < runs.length; done++) device.allocate(runs[done])
  } catch (error) {
    for (const run of runs.slice(0, done)) device.discard(run)
    throw error
  }
}
