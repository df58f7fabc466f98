/** `statfs`: the space of the pool, in blocks. */
import type { BigIntStatsFs, StatsFs } from 'node:fs'
import type { Pool } from '../pool/pool.ts'
import { BLOCK_SIZE } from '../units.ts'

/** 'HFPT', as the pin table begins. */
const TYPE = 0x48_46_50_54

/** `bavail` counts what becomes free when space is wanted; as many inodes as blocks can be made at least. */
export async function statisticsOf(pool: Pool, bigint: boolean): Promise<StatsFs | BigIntStatsFs> {
  const { sizeBytes, freeBytes, availableBytes, files } = await pool.stats()
  const bavail = Math.floor(availableBytes / BLOCK_SIZE)
  const numbers = {
    type: TYPE,
    bsize: BLOCK_SIZE,
    frsize: BLOCK_SIZE,
    blocks: Math.floor(sizeBytes / BLOCK_SIZE),
    bfree: Math.max(bavail, Math.floor(freeBytes / BLOCK_SIZE)),
    bavail,
    files: files + bavail,
    ffree: bavail,
  }
  if (!bigint) return numbers
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, BigInt(value)]),
  ) as unknown as BigIntStatsFs
}
