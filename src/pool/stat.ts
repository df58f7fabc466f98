/** What `stat` says of a file or directory. */
import type { BusyPolicy, DaxMode, Inode } from '../metadata/metadata.ts'
import { BLOCK_SIZE } from '../units.ts'

const S_IFREG = 0o100_000
const S_IFDIR = 0o040_000

export class Stat {
  readonly ino: number
  /** Type and permission bits, as in node:fs. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
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
    this.ino = inode.ino
    this.mode = inode.mode | (inode.kind === 'directory' ? S_IFDIR : S_IFREG)
    this.nlink = inode.nlink
    this.uid = inode.uid
    this.gid = inode.gid
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

  isFile(): boolean {
    return (this.mode & S_IFDIR) === 0
  }

  isDirectory(): boolean {
    return (this.mode & S_IFDIR) !== 0
  }
}

const dateOf = (ns: bigint): Date => new Date(Number(ns / 1_000_000n))
