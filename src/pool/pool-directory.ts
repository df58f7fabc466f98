/** The files of a pool, by name. `docs/internals/format.md` says what is in them. */
import { join } from 'node:path'

export interface PoolDirectory {
  readonly path: string
  readonly device: string
  readonly metadata: string
  /** A metadata file being made; renamed when it is whole, so that a pool is there as a whole or not at all. */
  readonly unfinishedMetadata: string
  readonly pins: string
  readonly table: string
  /** Space given back to the host when it is full, so that freeing can go on (promise 7). */
  readonly reserve: string
  slot(index: number): string
  bell(index: number): string
}

export function poolDirectory(path: string): PoolDirectory {
  const pins = join(path, 'pins')
  return {
    path,
    device: join(path, 'device'),
    metadata: join(path, 'meta.db'),
    unfinishedMetadata: join(path, 'meta.db.new'),
    pins,
    table: join(pins, 'table'),
    reserve: join(path, 'reserve'),
    slot: (index) => join(pins, `slot-${index}`),
    bell: (index) => join(pins, `bell-${index}`),
  }
}

/** Bytes of the table file that are locked: at open, while reclaiming, and one for each slot while its owner lives. */
export const LockByte = { opening: 0, reclaim: 1, probe: 2, slot: (index: number) => 16 + index } as const
