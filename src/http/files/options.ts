/** What a front end is asked for, checked once; names as in `send`. */
import { checkBytes, checkChoice, outOfRange, wrongType } from '../../errors.ts'
import type { Stat } from '../../pool/stat.ts'

/** How long a response may keep the blocks of a file that its client does not take, and how many of them. */
export interface HoldLimits {
  /**
   * Milliseconds that every response has; default 30,000. Older ones, the slowest first, also give way when somebody finds no
   * space in the pool and they hold it back.
   */
  graceMs?: number | undefined
  /** And a second more for each so many bytes; default 65,536. 0: no limit. */
  bytesPerSecond?: number | undefined
  /**
   * When the time is over, what is left is copied to memory and the blocks are let go, if it is at most so many bytes;
   * else the connection is closed. Default 262,144. 0: always closed.
   */
  copyBytes?: number | undefined
  /** Bytes of such copies at a time, of all responses; default 67,108,864. */
  copiesBytes?: number | undefined
  /**
   * Bytes of blocks that have left the file (truncated, replaced, written anew …) and that one response may keep from being
   * used again, alone or with others; with more it ends as when its time is over. Default: a quarter of the pool.
   */
  heldBackBytes?: number | undefined
}

export interface WriteLimits {
  /** A longer body is 413. */
  maxBytes: number
}

export interface FilesOptions {
  /** Directory of the pool that is served; default '/'. */
  root?: string | undefined
  /** Names looked for in a directory; default 'index.html'. False: none. */
  index?: string | readonly string[] | false | undefined
  /** Added, with a dot, to a name without one that is not there, such as ['html']; default none. */
  extensions?: readonly string[] | false | undefined
  /** Of a path with a name that begins with a dot: 'ignore' (default) as if it were not there, 'deny' is 403. */
  dotfiles?: 'allow' | 'deny' | 'ignore' | undefined
  /**
   * Default true: a weak ETag. 'strong': a strong one, for pools whose files are replaced only, never written to in place,
   * since that may be stored later than it is seen. False: none.
   */
  etag?: boolean | 'strong' | undefined
  /** Default true. */
  lastModified?: boolean | undefined
  /** Default true: Cache-Control is set, from `maxAge` and `immutable`. */
  cacheControl?: boolean | undefined
  /** Milliseconds; default 0. */
  maxAge?: number | undefined
  /** Default false. */
  immutable?: boolean | undefined
  /** Default true. */
  acceptRanges?: boolean | undefined
  /** Called before each 200, 206 and 304 to add headers or to change them. Names in lower case. Must not wait. */
  setHeaders?: ((headers: Map<string, string>, path: string, stat: Stat) => void) | undefined
  hold?: HoldLimits | undefined
  /** Default: PUT and DELETE are 405. */
  write?: WriteLimits | undefined
  /** Told of what a client sees as a bare 5xx, and of responses that broke off for a reason of ours. */
  onError?: ((error: unknown, path: string) => void) | undefined
}

/** The same with nothing left open. */
export interface Settings {
  readonly root: string
  readonly index: readonly string[]
  readonly extensions: readonly string[]
  readonly dotfiles: 'allow' | 'deny' | 'ignore'
  readonly etag: boolean | 'strong'
  readonly lastModified: boolean
  /** undefined: none. */
  readonly cacheControl: string | undefined
  readonly acceptRanges: boolean
  readonly setHeaders: FilesOptions['setHeaders']
  readonly hold: {
    readonly graceMs: number
    readonly bytesPerSecond: number
    readonly copyBytes: number
    readonly copiesBytes: number
    /** undefined: a part of the pool. */
    readonly heldBackBytes: number | undefined
  }
  readonly write: { readonly maxBytes: number } | undefined
  readonly onError: (error: unknown, path: string) => void
  /** Header fields of all answers about files. */
  readonly always: ReadonlyMap<string, string>
}

const MOST_AGE_S = 31_536_000

/** TypeError, RangeError. */
export function settingsOf(options: FilesOptions = {}, always: Settings['always'] = new Map()): Settings {
  const { root = '/', cacheControl = true, maxAge = 0, etag = true, hold = {}, write, onError, setHeaders } = options
  if (typeof root !== 'string') throw wrongType('root', 'of type string', root)
  if (typeof maxAge !== 'number') throw wrongType('maxAge', 'of type number', maxAge)
  if (!(maxAge >= 0)) throw outOfRange('maxAge', '>= 0', maxAge)
  for (const [name, value] of Object.entries({ setHeaders, onError }))
    if (value !== undefined && typeof value !== 'function') throw wrongType(name, 'of type function', value)
  const isImmutable = checkFlag('immutable', options.immutable ?? false)
  const ageS = Math.min(Math.floor(maxAge / 1000), MOST_AGE_S)
  return {
    root: root
      .split('/')
      .filter((name) => name !== '')
      .map((name) => `/${name}`)
      .join(''),
    index: list('index', options.index ?? 'index.html'),
    extensions: list('extensions', options.extensions ?? []),
    dotfiles: checkChoice('dotfiles', options.dotfiles ?? 'ignore', ['allow', 'deny', 'ignore']),
    etag: etag === 'strong' ? etag : checkFlag('etag', etag),
    lastModified: checkFlag('lastModified', options.lastModified ?? true),
    cacheControl: checkFlag('cacheControl', cacheControl)
      ? `public, max-age=${ageS}${isImmutable ? ', immutable' : ''}`
      : undefined,
    acceptRanges: checkFlag('acceptRanges', options.acceptRanges ?? true),
    setHeaders,
    hold: {
      graceMs: checkBytes('hold.graceMs', hold.graceMs ?? 30_000),
      bytesPerSecond: checkBytes('hold.bytesPerSecond', hold.bytesPerSecond ?? 65_536),
      copyBytes: checkBytes('hold.copyBytes', hold.copyBytes ?? 262_144),
      copiesBytes: checkBytes('hold.copiesBytes', hold.copiesBytes ?? 67_108_864),
      heldBackBytes:
        hold.heldBackBytes === undefined ? undefined : checkBytes('hold.heldBackBytes', hold.heldBackBytes),
    },
    write: write === undefined ? undefined : { maxBytes: checkBytes('write.maxBytes', write.maxBytes) },
    onError: onError ?? (() => undefined),
    always,
  }
}

function checkFlag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, 'of type boolean', value)
  return value
}

function list(name: string, value: string | readonly string[] | false): readonly string[] {
  if (value === false) return []
  const words = typeof value === 'string' ? [value] : value
  if (!Array.isArray(words) || words.some((word) => typeof word !== 'string' || word === ''))
    throw wrongType(name, 'a string, an array of strings, or false', value)
  return words
}
