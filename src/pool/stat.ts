/** What `stat` says of an inode. */
import type { BusyPolicy, DaxMode, Inode } from '../metadata/metadata.ts'
import { BLOCK_SIZE } from '../units.ts'
import { Kinds, TYPE_BITS } from './kinds.ts'

export class Stat extends Kinds {
  readonly ino: number
  /** Type and permission bits, as in node:fs. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  /** Device number of a device node, else 0. */
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  /** Bytes of a block: 4096. */
  readonly blksize: number
  /** Mapped space in units of 512 bytes, as in node:fs. */
  readonly blocks: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint
  /** Goes up with every change of content (at the latest at close, sync and stat of the writer) or attributes. */
  readonly changeCount: number
  /** The file's own policies; undefined: those of the pool. */
  readonly busy: BusyPolicy | undefined
  readonly dax: DaxMode | undefined

  constructor(inode: Inode) {
    super()
    this.ino = inode.ino
    this.mode = inode.mode | TYPE_BITS[inode.kind]
    this.nlink = inode.nlink
    this.uid = inode.uid
    this.gid = inode.gid
    this.rdev = inode.rdev
    this.size = inode.size
    this.blksize = BLOCK_SIZE
    this.blocks = (inode.blocks * BLOCK_SIZE) / 512
    this.atimeNs = inode.atimeNs
    this.mtimeNs = inode.mtimeNs
    this.ctimeNs = inode.ctimeNs
    this.birthtimeNs = inode.birthtimeNs
    this.changeCount = inode.changeCount
    this.busy = inode.busy
    this.dax = inode.dax
  }

  get atime(): Date {
    return dateOf(this.atimeNs)
  }

  get mtime(): Date {
    return dateOf(this.mtimeNs)
  }

  get ctime(): Date {
    return dateOf(this.ctimeNs)
  }

  get birthtime(): Date {
    return dateOf(this.birthtimeNs)
  }
}

const dateOf = (ns: bigint): Date => new Date(Number(ns / 1_000_000n))
