/** What `stat` gives, as node:fs has it: numbers, or with `bigint` bigints and nanoseconds. */
import type { BigIntStats, Stats } from 'node:fs'
import { Kinds } from '../pool/kinds.ts'
import type { Stat } from '../pool/stat.ts'

const NS_PER_MS = 1_000_000n

/** What is told of an inode. */
type Numbers = Pick<
  Stat,
  | 'ino'
  | 'mode'
  | 'nlink'
  | 'uid'
  | 'gid'
  | 'rdev'
  | 'blksize'
  | 'size'
  | 'blocks'
  | 'atimeNs'
  | 'mtimeNs'
  | 'ctimeNs'
  | 'birthtimeNs'
>

/** `dev` says which pool: with `ino` it is the file's identity, also beside files of the host. */
export const statsOf = (stat: Numbers, dev: number): Stats => new PoolStats(stat, dev)

export const bigintStatsOf = (stat: Numbers, dev: number): BigIntStats => new PoolBigIntStats(stat, dev)

/** `fs.Stats`: for instanceof, and to see what a program gets. */
export class PoolStats extends Kinds implements Stats {
  readonly dev: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
  readonly ino: number
  readonly size: number
  readonly blocks: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number

  constructor(stat: Numbers, dev: number) {
    super()
    this.dev = dev
    this.mode = stat.mode
    this.nlink = stat.nlink
    this.uid = stat.uid
    this.gid = stat.gid
    this.rdev = stat.rdev
    this.blksize = stat.blksize
    this.ino = stat.ino
    this.size = stat.size
    this.blocks = stat.blocks
    this.atimeMs = msOf(stat.atimeNs)
    this.mtimeMs = msOf(stat.mtimeNs)
    this.ctimeMs = msOf(stat.ctimeNs)
    this.birthtimeMs = msOf(stat.birthtimeNs)
  }

  get atime(): Date {
    return dateOf(this.atimeMs)
  }

  get mtime(): Date {
    return dateOf(this.mtimeMs)
  }

  get ctime(): Date {
    return dateOf(this.ctimeMs)
  }

  get birthtime(): Date {
    return dateOf(this.birthtimeMs)
  }
}

class PoolBigIntStats extends Kinds implements BigIntStats {
  readonly dev: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly blksize: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly blocks: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint

  constructor(stat: Numbers, dev: number) {
    super()
    this.dev = BigInt(dev)
    this.mode = BigInt(stat.mode)
    this.nlink = BigInt(stat.nlink)
    this.uid = BigInt(stat.uid)
    this.gid = BigInt(stat.gid)
    this.rdev = BigInt(stat.rdev)
    this.blksize = BigInt(stat.blksize)
    this.ino = BigInt(stat.ino)
    this.size = BigInt(stat.size)
    this.blocks = BigInt(stat.blocks)
    this.atimeMs = stat.atimeNs / NS_PER_MS
    this.mtimeMs = stat.mtimeNs / NS_PER_MS
    this.ctimeMs = stat.ctimeNs / NS_PER_MS
    this.birthtimeMs = stat.birthtimeNs / NS_PER_MS
    this.atimeNs = stat.atimeNs
    this.mtimeNs = stat.mtimeNs
    this.ctimeNs = stat.ctimeNs
    this.birthtimeNs = stat.birthtimeNs
  }

  get atime(): Date {
    return dateOf(Number(this.atimeMs))
  }

  get mtime(): Date {
    return dateOf(Number(this.mtimeMs))
  }

  get ctime(): Date {
    return dateOf(Number(this.ctimeMs))
  }

  get birthtime(): Date {
    return dateOf(Number(this.birthtimeMs))
  }
}

/** As node:fs: the whole milliseconds exactly, what is below them as well as a double can. */
function msOf(ns: bigint): number {
  const whole = ns / NS_PER_MS
  return Number(whole) + Number(ns - whole * NS_PER_MS) / 1e6
}

/** node:fs rounds to the nearest. */
const dateOf = (ms: number): Date => new Date(Math.round(ms))

/** Of a path where nothing is, for `watchFile`. */
export const NOTHING: Numbers = {
  ino: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  blksize: 0,
  size: 0,
  blocks: 0,
  atimeNs: 0n,
  mtimeNs: 0n,
  ctimeNs: 0n,
  birthtimeNs: 0n,
}
