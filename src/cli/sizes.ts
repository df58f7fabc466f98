/** Sizes in words: `4k 256M 1G 1.5G`, powers of 1024; plain numbers are bytes. */
import { InvalidArgumentError } from 'commander'

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const

/** Bytes of a size as typed. Throws commander's InvalidArgumentError, which says what a size looks like. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text)
  if (match === null) throw new InvalidArgumentError('A size is a number with or without k, M, G, T: 4k, 256M, 1.5G.')
  const power = UNITS.findIndex((unit) => unit.toLowerCase() === (match[2] ?? '').toLowerCase())
  const bytes = Number(match[1]) * 1024 ** power
  if (!Number.isInteger(bytes)) throw new InvalidArgumentError('This is not a whole number of bytes.')
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError('This is more than 2^53 - 1 bytes.')
  return bytes
}

/** A new size as truncate(1) takes it: `SIZE`, `+SIZE` longer, `-SIZE` shorter, never below 0. */
export function parseSizeChange(text: string): (presentBytes: number) => number {
  const sign = /^[+-]/.exec(text)?.[0]
  const bytes = parseSize(sign === undefined ? text : text.slice(1))
  switch (sign) {
    case '+':
      return (present) => present + bytes
    case '-':
      return (present) => Math.max(0, present - bytes)
    default:
      return () => bytes
  }
}

/** At most four digits and a unit: `0`, `512`, `4k`, `1.5G`, `120M`. */
export function formatSize(bytes: number): string {
  let value = bytes
  let power = 0
  while (value >= 1023.5 && power < UNITS.length - 1) {
    value /= 1024
    power++
  }
  const digits = power > 0 && value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(0)
  return `${digits}${UNITS[power]}`
}
