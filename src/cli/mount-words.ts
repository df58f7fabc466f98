/** The words of `-o`, as mount(8) and fstab(5) write them: separated by commas. */
import { InvalidArgumentError } from 'commander'
import type { MountOptions } from '../fuse/index.ts'
import { CACHE_MODES, isMountFlag } from '../fuse/options.ts'
import type { BusyPolicy } from '../index.ts'
import { parseDuration } from './durations.ts'
import { BUSY_POLICIES } from './options.ts'

/** For mount(8), systemd and whoever else reads fstab; they mean nothing to a mount. */
const isForOthers = (word: string): boolean =>
  /^(?:defaults|auto|noauto|nofail|_netdev|user|users|nouser|owner|group|uhelper|comment|x-.*|X-.*)(?:=|$)/.test(word)

/** What the kernel says of a mount, and mount(8) repeats when it remounts. */
const isOfMounted = (word: string): boolean => /^(?:user_id|group_id)=/.test(word)

export interface MountWords extends MountOptions {
  /** The pool is mounted already, and its mount is to become another one. */
  readonly remounts?: boolean
}

/** Adds what the words of one `-o` say to what those before it said; the last one counts. */
export function parseMountWords(text: string, before: MountWords = {}): MountWords {
  const words = text.split(',').filter((word) => word !== '' && !isForOthers(word))
  const remounts = before.remounts === true || words.includes('remount')
  const options = remounts ? { ...before, remounts } : { ...before }
  for (const word of words) {
    if (word !== 'remount' && !(remounts && isOfMounted(word))) Object.assign(options, optionOf(word, options))
  }
  return options
}

function optionOf(word: string, { flags = [] }: MountOptions): MountOptions {
  const [name, ...rest] = word.split('=')
  const value = rest.length === 0 ? undefined : rest.join('=')
  if (value === undefined) {
    if (word === 'ro' || word === 'rw') return { readOnly: word === 'ro' }
    if (word === 'allow_other') return { allowOther: true }
    // It is always so.
    if (word === 'default_permissions') return {}
    if (isMountFlag(word)) return { flags: [...flags, word] }
  } else if (name === 'cache') {
    return { cache: oneOf(name, value, CACHE_MODES) }
  } else if (name === 'busy') {
    return { busy: oneOf<BusyPolicy>(name, value, BUSY_POLICIES) }
  } else if (name === 'timeout') {
    return { timeoutMs: parseDuration(value) }
  }
  throw new InvalidArgumentError(
    `There is no '${word}'; there are ro, allow_other, cache=, busy=, timeout=, remount and flags of mount(8).`,
  )
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T
  throw new InvalidArgumentError(`${name} is one of ${choices.join(', ')}.`)
}
