/** Changes of attributes: the body of one transaction. */
import { systemError } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { AttributeChange, Inode } from './metadata.ts'
import type { Tables } from './tables.ts'

/** What lets a program do more than who runs it. */
const CAPABILITY = 'security.capability'
const S_ISUID = 0o4000
const S_ISGID = 0o2000
const GROUP_MAY_EXECUTE = 0o010

/** ENOENT. */
export function changeAttributes(tables: Tables, ino: InodeNumber, change: AttributeChange): Inode {
  const inode = tables.inodes.get(ino)
  if (inode === undefined) throw systemError('ENOENT', `there is no inode ${ino}`, { syscall: 'setattr' })
  const follows = change.along?.(inode, (name) => tables.xattrs.get(ino, name))
  const after = attributesAfter(inode, change, follows?.mode)
  tables.inodes.setAttributes(after)
  if (losesPrivileges(inode, change)) tables.xattrs.removeIfThere(ino, CAPABILITY)
  tables.xattrs.follow(ino, follows)
  return after
}

/** The inode as a change leaves it; `mode`: what follows from it for the permission bits, else they are what it says. */
export function attributesAfter(inode: Inode, change: AttributeChange, mode = change.mode ?? inode.mode): Inode {
  return {
    ...inode,
    mode: losesPrivileges(inode, change) ? withoutSetIds(mode) : mode,
    uid: change.uid ?? inode.uid,
    gid: change.gid ?? inode.gid,
    atimeNs: change.atimeNs ?? inode.atimeNs,
    mtimeNs: change.mtimeNs ?? inode.mtimeNs,
    ctimeNs: change.nowNs,
    changeCount: inode.changeCount + 1,
    busy: change.busy === null ? undefined : (change.busy ?? inode.busy),
    dax: change.dax === null ? undefined : (change.dax ?? inode.dax),
  }
}

const losesPrivileges = ({ kind }: Inode, { dropsPrivileges }: AttributeChange): boolean =>
  dropsPrivileges === true && kind !== 'directory'

/** Setgid without group execute marks mandatory locks, and stays. */
const withoutSetIds = (mode: number): number => mode & ~S_ISUID & ((mode & GROUP_MAY_EXECUTE) === 0 ? 0o7777 : ~S_ISGID)
