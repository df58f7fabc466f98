/**
 * Activity: one number that becomes another one when somebody, in any process, comes or goes, pins, leases, opens or changes
 * something. For who shows the pool, and would otherwise read all of it again and again.
 *
 * Not seen: copies, which come by the thousand, and busy extents that become free, which concern no inode (the counts of
 * `Metadata.space` tell of those). Two states may have the same number, once in 2^32.
 *
 * Dead participants are reaped on the way. Price: a load for each bucket's words and each record in use; 0.1 ms, and 10 µs for each thousand pins.
 */
import {
  Break,
  breakAt,
  Bucket,
  BUCKETS,
  bucketOf,
  KIND_MASK,
  Record,
  RecordKind,
  RecordStatus,
  Slot,
  STATUS_MASK,
} from './format.ts'
import { chunkOf, recordAt } from './own-slot.ts'
import type { PinTable } from './pin-table.ts'

type Seen = Pick<PinTable, 'memory' | 'slot' | 'attached' | 'reapIfDead'>

export function activityOf(table: Seen): number {
  let sum = 0
  const mix = (value: number): void => {
    sum = (Math.imul(sum ^ value, 0x01_00_01_93) + 0x9e_37_79_b9) | 0
  }
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const at = bucketOf(bucket)
    for (const word of [Bucket.generation, Bucket.changes, Bucket.arrivals]) mix(table.memory.table.load(at + word))
  }
  for (const slot of table.attached()) {
    // Who was killed has told nobody.
    if (table.reapIfDead(slot)) continue
    const words = table.slot(slot)
    mix(slot)
    mix(words.load(Slot.waiters))
    for (let index = 0; index < words.load(Slot.breakCount); index++) {
      mix(words.load(breakAt(index) + Break.state))
      mix(words.load(breakAt(index) + Break.cause))
    }
    const records = words.load(Slot.recordCount)
    for (let record = 0; record < records; record++) {
      const chunk = table.memory.chunk(slot, chunkOf(record))
      const state = chunk.load(recordAt(record))
      if ((state & STATUS_MASK) !== RecordStatus.granted || (state & KIND_MASK) === RecordKind.copy) continue
      mix(record)
      mix(state)
      if ((state & KIND_MASK) === RecordKind.lease) mix(chunk.load(recordAt(record) + Record.revoked))
    }
  }
  return sum
}
