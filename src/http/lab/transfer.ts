/** I/O of the race lab on pinned windows of a file, with a gate in its middle. */
import { createHash } from 'node:crypto'
import type { File } from '../../pool/file.ts'
import type { Pin } from '../../pool/pin.ts'
import type { Check } from './lab-events.ts'

const WINDOW_BYTES = 64 << 10
const WINDOWS = 16
export const FILE_BYTES = WINDOWS * WINDOW_BYTES
/** Windows before the gate: their pins end with their I/O, so that some of what is changed is idle. */
export const EARLY_WINDOWS = WINDOWS / 2
/** Slow enough to watch. */
export const PAUSE_MS = 40

export interface Transfer extends AsyncDisposable {
  /** Bytes that have arrived where they go. */
  readonly movedBytes: number
  /** Up to the gate. */
  begin(): Promise<void>
  /** The rest, after the change was made or is seen waiting. The pins of these windows are held. */
  finish(): Promise<void>
  /** Ends the pins. */
  release(): void
  /** What must be true of the bytes that moved. */
  checks(): Check[]
}

/** Pins the whole file, a window each. */
export async function pinWindows(file: File, mode: 'read' | 'write'): Promise<Pin[]> {
  const pins: Pin[] = []
  for (let window = 0; window < WINDOWS; window++)
    pins.push(await file.pin({ offset: window * WINDOW_BYTES, length: WINDOW_BYTES, mode }))
  return pins
}

export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** As much of a hash as a person compares. */
export const shortHash = (bytes: Uint8Array): string => hashOf(bytes).slice(0, 12)
