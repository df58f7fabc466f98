/**
 * Access: who may do what, by owner, group and permission bits, as in POSIX. The library itself does not ask: who can open
 * a pool can read and write all of it. Front ends ask, on behalf of their own users.
 */
import type { Inode } from '../metadata/metadata.ts'

export interface Credentials {
  readonly uid: number
  readonly gid: number
  /** Supplementary groups; default none. */
  readonly groups?: readonly number[] | undefined
}

/** Bits of an access, as R_OK, W_OK and X_OK of access(2). */
export const MAY_READ = 4
export const MAY_WRITE = 2
/** Execute a file, or go through a directory. */
export const MAY_EXECUTE = 1

const S_ISVTX = 0o1000

const isIn = (who: Credentials, gid: number): boolean => who.gid === gid || (who.groups?.includes(gid) ?? false)

/** Whether all of `bits` are allowed. Root may all, but execute a file that nobody may. */
export function mayAccess({ kind, mode, uid, gid }: Inode, who: Credentials, bits: number): boolean {
  if (who.uid === 0) return (bits & MAY_EXECUTE) === 0 || kind === 'directory' || (mode & 0o111) !== 0
  const granted = who.uid === uid ? mode >>> 6 : isIn(who, gid) ? mode >>> 3 : mode
  return (granted & bits) === bits
}

/** Whether the name of `inode` in `directory` may be removed or renamed: in a sticky directory by an owner of either only. */
export function mayRemove(directory: Inode, inode: Inode, who: Credentials): boolean {
  if (!mayAccess(directory, who, MAY_WRITE | MAY_EXECUTE)) return false
  if ((directory.mode & S_ISVTX) === 0) return true
  return who.uid === 0 || who.uid === directory.uid || who.uid === inode.uid
}

/** Permissions and times may be changed by the owner. */
export const mayChange = ({ uid }: Inode, who: Credentials): boolean => who.uid === 0 || who.uid === uid

/** Permission bits as chmod(2) sets them: setgid is lost where the caller is not of the file's group. */
export const grantedMode = ({ kind, gid }: Inode, who: Credentials, mode: number): number =>
  who.uid === 0 || kind === 'directory' || isIn(who, gid) ? mode : mode & ~0o2000
