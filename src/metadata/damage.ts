/**
 * Damage: what the store says that no store of ours can say. Constraints keep such rows out; a disk, a bit, or somebody
 * with another tool may have put them in all the same. Whoever decodes a row refuses it here, so that a lie ends in
 * EUCLEAN where it is read, and never reaches arithmetic, a mapping or a loop.
 */
import { systemError } from '../errors.ts'
import type { HoldfastError } from '../errors.ts'

export const damaged = (what: string): HoldfastError =>
  systemError('EUCLEAN', `the metadata is damaged: ${what}; run fsck`, { syscall: 'read' })

/** A number that counts something: EUCLEAN unless it is an integer from `least` to `most`, default 2^53 - 1. */
export function counted(value: unknown, what: string, most = Number.MAX_SAFE_INTEGER, least = 0): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (Number.isSafeInteger(number) && (number as number) >= least && (number as number) <= most) return number as number
  throw damaged(`${what} is ${shownValue(value)}`)
}

/** EUCLEAN unless the value is one of the words. */
export function oneOf<T extends string>(value: unknown, what: string, words: readonly T[]): T {
  if (words.includes(value as T)) return value as T
  throw damaged(`${what} is ${shownValue(value)}`)
}

/** The row that every store has one of. */
export function theRow<T>(row: T | undefined, table: string): T {
  if (row === undefined) throw damaged(`the table ${table} is empty`)
  return row
}

const SHOWN_CHARACTERS = 40

export const shownValue = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value.slice(0, SHOWN_CHARACTERS))
    : value instanceof Uint8Array
      ? 'a blob'
      : String(value)
