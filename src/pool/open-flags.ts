/** The flags of `open`, as in node:fs: words ('r', 'wx+' …) or the numbers of `fs.constants`. */
import { constants } from 'node:fs'
import { invalidValue } from '../errors.ts'

export interface OpenMode {
  readonly mayRead: boolean
  readonly mayWrite: boolean
  readonly creates: boolean
  readonly isExclusive: boolean
  readonly truncates: boolean
  readonly appends: boolean
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants

const WORDS: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  rs: O_RDONLY,
  'r+': O_RDWR,
  'rs+': O_RDWR,
  w: O_TRUNC | O_CREAT | O_WRONLY,
  wx: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
  'w+': O_TRUNC | O_CREAT | O_RDWR,
  'wx+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
  a: O_APPEND | O_CREAT | O_WRONLY,
  as: O_APPEND | O_CREAT | O_WRONLY,
  ax: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
  'a+': O_APPEND | O_CREAT | O_RDWR,
  'as+': O_APPEND | O_CREAT | O_RDWR,
  'ax+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
}

export function parseFlags(flags: string | number): OpenMode {
  const bits = typeof flags === 'number' ? flags : Object.hasOwn(WORDS, flags) ? WORDS[flags] : undefined
  if (bits === undefined) throw invalidValue('flags', 'must be flags of node:fs, such as r, r+, w, wx or a', flags)
  const access = bits & (O_WRONLY | O_RDWR)
  return {
    mayRead: access !== O_WRONLY,
    mayWrite: access !== O_RDONLY,
    creates: (bits & O_CREAT) !== 0,
    isExclusive: (bits & O_EXCL) !== 0,
    truncates: (bits & O_TRUNC) !== 0,
    appends: (bits & O_APPEND) !== 0,
  }
}
