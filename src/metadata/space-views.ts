/** How the space of a pool is used, in numbers and block by block. Part of the contract, metadata.ts. */
import type { FileBlock, InodeNumber, Run } from '../units.ts'

/** Block counts; free + mapped + busy = blockCount, sequestered is part of mapped. */
export interface Space {
  readonly blockCount: number
  readonly free: number
  readonly mapped: number
  readonly busy: number
  readonly sequestered: number
  /** Inodes of kind 'file', orphans and those of lost+found included. */
  readonly files: number
  /** Part of `free` that ordinary allocation leaves alone; grows with the pool, so newer than that of the properties. */
  readonly reserve: number
}

/** `id`: never given again. */
export interface BusyExtent extends Run {
  readonly id: number
}

/** A run of blocks of the device, and what they are used for. */
export type Tenancy = Run &
  (
    | { readonly use: 'free' | 'busy' }
    /** Of a file; `isLost`: of one in /lost+found. `fileBlock`: which block of it the first one is. */
    | { readonly use: 'file'; readonly ino: InodeNumber; readonly fileBlock: FileBlock; readonly isLost: boolean }
  )

/** A part of the busy extents, which are in the order of their ids: those above `after` (default 0), at most `limit` (default 4096). */
export interface BusyPage {
  readonly after?: number
  readonly limit?: number
}
