/** What is asked of names; part of the contract of metadata.ts. */
import type { InodeNumber } from '../units.ts'
import type { Inode, InodeKind } from './metadata.ts'

/**
 * What is made takes the policies of its directory; in a directory with S_ISGID also its group, and directories that bit.
 */
export interface CreateRequest {
  readonly parent: InodeNumber
  /** undefined: a file with nlink 0, which `link` may name. `claim` keeps it from being taken for an orphan. */
  readonly name: string | undefined
  readonly kind: InodeKind
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Of a symlink, 1 to 4095 bytes. */
  readonly target?: string | undefined
  readonly rdev?: number | undefined
  /** Asked inside the transaction: true, it is known that nothing has the name now, so nobody need look. */
  readonly isFree?: (() => boolean) | undefined
  /** What else it has, by what its directory has. */
  readonly along?: Along | undefined
  readonly nowNs: bigint
}

/** Asked inside the transaction, of an inode and its extended attributes: what follows, to be committed along with the rest. */
export type Along = (inode: Inode, xattrOf: (name: string) => Uint8Array | undefined) => Follows

export interface Follows {
  /** Permission bits, instead of those asked for. */
  readonly mode?: number | undefined
  /** Extended attributes that are set; undefined: removed, if they are there. */
  readonly xattrs?: readonly (readonly [name: string, value: Uint8Array | undefined])[] | undefined
}

export interface LinkRequest {
  readonly ino: InodeNumber
  readonly parent: InodeNumber
  readonly name: string
  readonly nowNs: bigint
}

export interface UnlinkRequest {
  readonly parent: InodeNumber
  readonly name: string
  readonly nowNs: bigint
}

/** How `rename` treats a target that is there: as rename(2) and renameat2(2). */
export type RenameMode = 'replace' | 'noReplace' | 'exchange'

export interface RenameRequest {
  readonly fromParent: InodeNumber
  readonly fromName: string
  readonly toParent: InodeNumber
  readonly toName: string
  /** Default 'replace'. */
  readonly mode?: RenameMode | undefined
  readonly nowNs: bigint
}
