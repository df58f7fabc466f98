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
  /** Each write is durable when it resolves. */
  readonly syncs: boolean
  /** A symlink at the end of the path is followed. */
  readonly follows: boolean
  /** Something else than a directory is refused. */
  readonly mustBeDirectory: boolean
}

const { O_APPEND, O_CREAT, O_DIRECTORY, O_DSYNC, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } =
  constants

const WORDS: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  rs: O_RDONLY | O_SYNC,
  'r+': O_RDWR,
  'rs+': O_RDWR | O_SYNC,
  w: O_TRUNC | O_CREAT | O_WRONLY,
  wx: O_TRUNC | O_CREAT | O_WRONLY | O_EXCL,
  'w+': O_TRUNC | O_CREAT | O_RDWR,
  'wx+': O_TRUNC | O_CREAT | O_RDWR | O_EXCL,
  a: O_APPEND | O_CREAT | O_WRONLY,
  as: O_APPEND | O_CREAT | O_WRONLY | O_SYNC,
  ax: O_APPEND | O_CREAT | O_WRONLY | O_EXCL,
  'a+': O_APPEND | O_CREAT | O_RDWR,
  'as+': O_APPEND | O_CREAT | O_RDWR | O_SYNC,
  'ax+': O_APPEND | O_CREAT | O_RDWR | O_EXCL,
}

/** node:fs takes the two letters in either order. */
const turned = (word: string): string => word.replace(/^([a-z])([a-z])/, '$2$1')

export function parseFlags(flags: string | number): OpenMode {
  const mode = typeof flags === 'number' ? modeOf(flags) : MODES.get(flags)
  if (mode === undefined) throw invalidValue('flags', 'must be flags of node:fs, such as r, r+, w, wx or a', flags)
  return mode
}

function modeOf(bits: number): OpenMode {
  const access = bits & (O_WRONLY | O_RDWR)
  return {
    mayRead: access === O_RDONLY || access === O_RDWR,
    mayWrite: access === O_WRONLY || access === O_RDWR,
    creates: (bits & O_CREAT) !== 0,
    isExclusive: (bits & O_EXCL) !== 0,
    truncates: (bits & O_TRUNC) !== 0,
    appends: (bits & O_APPEND) !== 0,
    syncs: (bits & (O_SYNC | O_DSYNC)) !== 0,
    follows: (bits & O_NOFOLLOW) === 0,
    mustBeDirectory: (bits & O_DIRECTORY) !== 0,
  }
}

const MODES = new Map(
  Object.entries(WORDS).flatMap(([word, bits]) => [word, turned(word)].map((each) => [each, modeOf(bits)] as const)),
)
