/**
 * What was typed, as bytes. Node.js puts U+FFFD in the place of what is no UTF-8, so another file would be meant, or several
 * names be one.
 */
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'

/** A word that was typed and is no UTF-8, as far as it could be read; undefined: there is none. */
export function wordOfOtherEncoding(args: readonly string[]): string | undefined {
  const word = args.find((arg) => arg.includes('\uFFFD'))
  return word === undefined || isUtf8(readFileSync('/proc/self/cmdline')) ? undefined : word
}
