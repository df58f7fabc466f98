/**
 * Copy windows: the memory through which reads and writes by copy reach blocks.
 *
 * Views of extents would be made anew whenever a file grows, and V8 takes their length for memory of its own: a garbage
 * collection for every 64 MiB, so appending to a large file spent its time there. Windows lie at fixed places of the
 * device and serve all files; each is made once.
 */
import type { Device } from '../device/device.ts'
import type { BlockCount, DeviceBlock } from '../units.ts'
import { blocksFor, bytesOf } from '../units.ts'

const WINDOW_BYTES = 32 << 20
/** Windows reach so far into the next, so that a range up to this length lies in one. */
const OVERLAP_BYTES = 1 << 20

/** Where copies find the bytes of blocks. */
export interface CopyMemory {
  /** `length` bytes from byte `start` of the device, for the time of one copy. */
  bytes(start: number, length: number): Uint8Array
}

export class CopyWindows implements CopyMemory {
  readonly #device: Device
  readonly #windows: ArrayBuffer[] = []

  constructor(device: Device) {
    this.#device = device
  }

  /** `length` bytes from byte `start` of the device, for the time of a copy under a claim. Price: 50 ns. */
  bytes(start: number, length: number): Uint8Array {
    const index = Math.floor(start / WINDOW_BYTES)
    const within = start - index * WINDOW_BYTES
    const window = (this.#windows[index] ??= this.#map(index * WINDOW_BYTES, WINDOW_BYTES + OVERLAP_BYTES))
    if (within + length <= window.byteLength) return new Uint8Array(window, within, length)
    const first = Math.floor(start / bytesOf(1)) * bytesOf(1)
    return new Uint8Array(this.#map(first, start - first + length), start - first, length)
  }

  /** Maps whole blocks from byte `start`, as far as the device goes. */
  #map(start: number, length: number): ArrayBuffer {
    const count = Math.min(blocksFor(length), this.#device.blockCount - start / bytesOf(1))
    return this.#device.map({ start: (start / bytesOf(1)) as DeviceBlock, count: count as BlockCount })
  }
}
