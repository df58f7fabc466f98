/** The scene: sizes and offsets of a demo, all following from the size of the file that is downloaded. */
import { outOfRange } from '../../errors.ts'
import { BLOCK_SIZE } from '../../units.ts'

export type ChangeKind = 'truncate' | 'punch' | 'unlink'
/** 'dax never': direct access is off for the files, pins are copies. */
export type Policy = 'fail' | 'wait' | 'sequester' | 'dax never'

/** What is played. Of copies one kind of change is enough: there is nothing that it could take away. */
export const ROUNDS: readonly { readonly kind: ChangeKind; readonly policy: Policy }[] = [
  { kind: 'truncate', policy: 'fail' },
  { kind: 'truncate', policy: 'wait' },
  { kind: 'truncate', policy: 'sequester' },
  { kind: 'truncate', policy: 'dax never' },
  { kind: 'punch', policy: 'fail' },
  { kind: 'punch', policy: 'wait' },
  { kind: 'punch', policy: 'sequester' },
  { kind: 'unlink', policy: 'fail' },
  { kind: 'unlink', policy: 'wait' },
  { kind: 'unlink', policy: 'sequester' },
]

/** Bytes [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export const VIDEO = '/video.bin'
export const CAPTURE = '/capture.bin'

/** Names of contents, see content.ts. */
export const VIDEO_CONTENT = 'the video'
export const OLD_CAPTURE = 'what capture.bin held before'
export const DEVICE_CONTENT = 'what the device sends'

/** Cuts are not at block boundaries: the blocks at their edges are split. */
const UNALIGNED = 1000
const DOWNLOAD_WINDOWS = 16
const CAPTURE_WINDOWS = 16
const LEAST_BYTES = 1 << 20
const GRAIN = 64 * BLOCK_SIZE

/** Windows of the capture: O_DIRECT reads before and during the change, O_DIRECT reads after it, a pipe, and a part that nobody pins. */
const LATE_WINDOW = 8
const PIPE_WINDOW = 12
const FREE_WINDOW = 14

export class Scene {
  /** Of the file that is downloaded. */
  readonly videoBytes: number
  /** Of the file that is read into. */
  readonly captureBytes: number
  readonly poolBytes: number

  constructor(sizeBytes: number) {
    if (sizeBytes < LEAST_BYTES) throw outOfRange('size', `>= ${LEAST_BYTES}`, sizeBytes)
    this.videoBytes = Math.ceil(sizeBytes / GRAIN) * GRAIN
    this.captureBytes = this.videoBytes / 4
    // A quarter for files that are there before the change, and what the pool keeps for itself.
    this.poolBytes = this.videoBytes * 1.5 + GRAIN * 2
  }

  /** Windows of the download, each a pin. */
  downloadWindows(): ByteRange[] {
    return windows(0, this.videoBytes, this.videoBytes / DOWNLOAD_WINDOWS)
  }

  /** Windows that O_DIRECT reads fill over and over until the change has been made, and once. */
  earlyWindows(): ByteRange[] {
    return windows(0, LATE_WINDOW * this.#captureWindow, this.#captureWindow)
  }

  /** Windows that O_DIRECT reads fill only after the change. */
  lateWindows(): ByteRange[] {
    return windows(LATE_WINDOW * this.#captureWindow, PIPE_WINDOW * this.#captureWindow, this.#captureWindow)
  }

  /** Filled from a pipe; the second half of it comes after the change. */
  pipeWindow(): ByteRange {
    return { start: PIPE_WINDOW * this.#captureWindow, end: FREE_WINDOW * this.#captureWindow }
  }

  /** What arrives in the capture after the change. */
  lateRange(): ByteRange {
    return { start: LATE_WINDOW * this.#captureWindow, end: FREE_WINDOW * this.#captureWindow }
  }

  /** Bytes of the capture that are pinned: all up to here. */
  get pinnedCaptureBytes(): number {
    return FREE_WINDOW * this.#captureWindow
  }

  /** What leaves a file. */
  cut(kind: ChangeKind, path: string): ByteRange {
    const size = this.sizeOf(path)
    if (kind === 'unlink') return { start: 0, end: size }
    if (kind === 'truncate') return { start: size / 4 + UNALIGNED, end: size }
    if (path === VIDEO) return { start: size / 4 + UNALIGNED, end: (size / 4) * 3 + UNALIGNED }
    return { start: LATE_WINDOW * this.#captureWindow + UNALIGNED, end: size - UNALIGNED }
  }

  sizeOf(path: string): number {
    return path === VIDEO ? this.videoBytes : this.captureBytes
  }

  get #captureWindow(): number {
    return this.captureBytes / CAPTURE_WINDOWS
  }
}

function windows(from: number, to: number, length: number): ByteRange[] {
  const out: ByteRange[] = []
  for (let start = from; start < to; start += length) out.push({ start, end: start + length })
  return out
}
