/** The `ignore` option of `watch`: a pattern (without '/' it is of the last name), a RegExp, a function, or several. */
import { posix } from 'node:path'
import { wrongType } from '../errors.ts'

export type Ignores = (filename: string) => boolean

export function ignoring(ignore: unknown): Ignores {
  if (ignore === undefined || ignore === null) return () => false
  const predicates = (Array.isArray(ignore) ? ignore : [ignore]).map((each) => predicateOf(each))
  return (filename) => predicates.some((matches) => matches(filename))
}

function predicateOf(ignore: unknown): Ignores {
  if (typeof ignore === 'function') return (filename) => Boolean(ignore(filename))
  if (ignore instanceof RegExp) return (filename) => filename.search(ignore) >= 0
  if (typeof ignore !== 'string')
    throw wrongType('options.ignore', 'a string, a RegExp, a function or an array of them', ignore)
  return (filename) => posix.matchesGlob(ignore.includes('/') ? filename : posix.basename(filename), ignore)
}
