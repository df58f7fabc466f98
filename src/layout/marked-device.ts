/**
 * The device of a pool as its participants use it: what may take pages out of the page cache leaves a mark
 * (punch-marks.ts). Allocation does too: it punches the holes it is about to fill.
 */
import type { Device } from '../device/device.ts'
import type { BlockCount, Run } from '../units.ts'
import type { PunchMarks } from './punch-marks.ts'

export class MarkedDevice implements Device {
  readonly #device: Device
  readonly #marks: PunchMarks

  constructor(device: Device, marks: PunchMarks) {
    this.#device = device
    this.#marks = marks
  }

  get blockCount(): BlockCount {
    return this.#device.blockCount
  }

  map(run: Run): ArrayBuffer {
    return this.#device.map(run)
  }

  prefetch(run: Run): void {
    this.#device.prefetch(run)
  }

  allocate(run: Run): void {
    this.#marks.during(run, () => this.#device.allocate(run))
  }

  discard(run: Run): void {
    this.#marks.during(run, () => this.#device.discard(run))
  }

  flush(): Promise<void> {
    return this.#device.flush()
  }

  flushRun(run: Run): void {
    this.#device.flushRun(run)
  }

  grow(blockCount: BlockCount): void {
    this.#device.grow(blockCount)
  }

  close(): void {
    this.#device.close()
  }
}
