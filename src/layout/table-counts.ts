/**
 * The counts of the pin table, looked at before anybody loops over them. Participants keep them right; what a disk or
 * somebody with another tool has put there instead ends here in EUCLEAN, and not in a loop of four thousand million steps,
 * or in pins that nobody sees. A count that is too low cannot be told from a right one: who may write the pool directory
 * is trusted (SECURITY.md).
 */
import { systemError } from '../errors.ts'
import type { HoldfastError } from '../errors.ts'
import { BREAKS, CHUNK_RECORDS, Slot, Table } from './format.ts'
import type { Words } from './words.ts'

/** Participants at a time, and slots that there can ever be. */
export const MAX_SLOTS = 65_536

/** Records of one participant, 64 bytes each: 256 MiB. */
export const MAX_RECORDS = 1024 * CHUNK_RECORDS

export const damagedTable = (what: string): HoldfastError =>
  systemError('EUCLEAN', `the pin table is damaged: ${what}; close the pool everywhere, then open it again`, {
    syscall: 'open',
  })

export function slotCountIn(table: Words): number {
  const count = table.load(Table.slotCount) >>> 0
  if (count > MAX_SLOTS) throw damagedTable(`it says that it has ${count} slots`)
  return count
}

export function recordCountIn(words: Words, slot: number): number {
  const count = words.load(Slot.recordCount) >>> 0
  if (count > MAX_RECORDS) throw damagedTable(`slot ${slot} says that it has ${count} records`)
  return count
}

/** Never more than there is room for. */
export const breakCountIn = (words: Words): number => Math.min(words.load(Slot.breakCount) >>> 0, BREAKS)
