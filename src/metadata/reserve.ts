/** How many free blocks of a device ordinary allocation leaves alone: one in 128, at least 2 and at most 64. */
import type { BlockCount } from '../units.ts'

export const reserveOf = (blockCount: number): BlockCount =>
  Math.max(2, Math.min(64, Math.floor(blockCount / 128))) as BlockCount
