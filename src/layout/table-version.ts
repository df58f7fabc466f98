/**
 * The version of a pin table, and what becomes of another one.
 *
 * The table is no lasting part of a pool: with nobody there it is made anew. So a version that is not ours matters while
 * somebody who made it so has the pool open, and only then. What all versions share are the first words of the table (magic,
 * version, count of slots) and the bytes whose locks tell who is alive: by those the question is asked.
 *
 * Caller holds the opening lock: nobody changes the version meanwhile.
 */
import { systemError } from '../errors.ts'
import { FORMAT_VERSION, Table, TABLE_MAGIC } from './format.ts'
import type { TableMemory } from './surroundings.ts'

type Memory = Pick<TableMemory, 'table'>

/** Whether there is a table, of a version that is not ours. */
export const isOfOtherVersion = ({ table }: Memory): boolean =>
  table.load(Table.magic) === TABLE_MAGIC && table.load(Table.version) !== FORMAT_VERSION

/** EPROTONOSUPPORT: the table is of another version. */
export function requireOwnVersion(memory: Memory, path: string): void {
  if (!isOfOtherVersion(memory)) return
  const version = memory.table.load(Table.version)
  const what =
    `the pin table of the pool has version ${version}, this Holdfast knows version ${FORMAT_VERSION} only; use the Holdfast ` +
    'that has the pool open, or open the pool to write when nobody has it open'
  throw systemError('EPROTONOSUPPORT', what, { syscall: 'open', path })
}

/** Takes a table of another version for none, nobody being alive: `resetTable` makes it anew. The files of its slots are gone. */
export function forgetOtherVersion({ table }: Memory): void {
  table.store(Table.magic, 0)
  table.store(Table.slotCount, 0)
}
