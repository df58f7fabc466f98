/** What a run of the race lab tells, in order. Plain JSON. */
import type { Failure } from '../api/failure.ts'

/** A run of the file's first blocks, in the order of the file, and what they are now. */
export interface BlockRun {
  readonly count: number
  /** 'other': of another file, which no block may be that is pinned. */
  readonly state: 'file' | 'sequestered' | 'busy' | 'free' | 'other'
  readonly isPinned: boolean
}

/** What is to be seen at a moment. */
export interface LabView {
  readonly blocks: readonly BlockRun[]
  /** Pins of the file that are held; each carries an `allocated` lease on its range. */
  readonly pins: number
  /** Bytes that the I/O has moved. */
  readonly movedBytes: number
  readonly totalBytes: number
  /** Bytes of the file that lie in lost+found. */
  readonly lostBytes: number
  readonly change: 'to come' | 'waits' | 'done' | 'refused'
}

/** What must hold, and whether it did. */
export interface Check {
  readonly text: string
  readonly isRight: boolean
}

export type LabHappening =
  | { readonly kind: 'step'; readonly text: string; readonly view: LabView }
  /** The same between two steps. */
  | { readonly kind: 'sample'; readonly view: LabView }
  | { readonly kind: 'verdict'; readonly isRight: boolean; readonly checks: readonly Check[] }
  /** It could not be carried out: no space, the pool was closed. */
  | { readonly kind: 'failure'; readonly error: Failure }
  /** The last one: what the run made is removed. */
  | { readonly kind: 'end' }

/** `atMs`: since the run began. */
export type LabEvent = LabHappening & { readonly sequence: number; readonly atMs: number }
