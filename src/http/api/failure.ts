/** Errors as the API tells them: `{ error: { code, message, holders? } }`, and the status that fits. */
import type { Holder } from '../../errors.ts'
import { codeOf, invalidValue, outOfRange } from '../../errors.ts'
import { statusOf } from '../files/refusal.ts'

/** Plain JSON. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly holders?: readonly Holder[]
}

export function failureOf(error: unknown): Failure {
  const { message, holders } = error as { message?: string; holders?: Holder[] }
  return {
    code: codeOf(error) ?? 'ERR_INTERNAL',
    message: message ?? String(error),
    ...(holders === undefined ? {} : { holders }),
  }
}

/** 400 for what the caller got wrong, 409 for a change that holders refuse, 500 for what nobody expects. */
export function failureStatus(error: unknown): number {
  const code = codeOf(error) ?? ''
  if (code.startsWith('ERR_INVALID_ARG') || code === 'ERR_OUT_OF_RANGE') return 400
  if (code === 'EBUSY' || code === 'ETXTBSY') return 409
  return statusOf(error)
}

/** A whole number in a query; `missing` when it is not there. RangeError, TypeError. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  missing: number,
  [least, most]: readonly [number, number],
): number {
  if (text === undefined) return missing
  if (!/^\d{1,16}$/.test(text)) throw invalidValue(name, 'must be a whole number', text)
  const value = Number(text)
  if (value < least || value > most) throw outOfRange(name, `>= ${least} and <= ${most}`, text)
  return value
}

/** A path in a query. */
export function pathIn(text: string | undefined): string {
  if (text === undefined || !text.startsWith('/'))
    throw invalidValue('path', "must begin with '/', as in ?path=/file", text)
  return text
}
