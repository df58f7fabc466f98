/**
 * Privileges: setuid, setgid and capabilities, which a file loses when somebody writes to it: capabilities always, the
 * other two when the writer may not give them. The kernel says when those go (`handleKillPrivilegesV2`); with each write of
 * who is not root, so looking must cost next to nothing. Of FALLOCATE and COPY_FILE_RANGE it says nothing: there all but
 * root lose them. Capabilities it takes off itself, by a SETATTR before, but for direct writes.
 *
 * Setgid where the group may not execute goes only when the writer is not of the group, which the kernel leaves to us.
 */
import type { Change } from '../../files/attributes.ts'
import { changeAttributes } from '../../files/attributes.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Limits } from '../../layout/waiting.ts'
import type { Inode } from '../../metadata/metadata.ts'
import { isMember } from '../caller-groups.ts'
import type { Mounted, Request } from '../request.ts'
import { filePathOf, inodeNow, stale } from './inodes.ts'

const S_ISUID = 0o4000
const S_ISGID = 0o2000
const SET_IDS = S_ISUID | S_ISGID
const GROUP_MAY_EXECUTE = 0o010
const CAPABILITY = 'security.capability'

/** Files that had no privileges when they had this change count. */
const plain = new WeakMap<OpenInode, number>()

/** Whether it is known that there are none to lose. Price: 50 ns. */
export const hasNoPrivileges = ({ fs }: Mounted, open: OpenInode): boolean =>
  open.isCurrent(fs) && plain.get(open) === open.inode.changeCount

/** What a change of owner or content by who may not give set-ids takes off. */
export const losses = (request: Request): Change => ({
  dropsPrivileges: true,
  ...(request.uid === 0 ? {} : { along: (inode: Inode) => ({ mode: inode.mode & ~foreignSetgid(request, inode) }) }),
})

/** Setgid of a group that is not the caller's and may not execute; else 0. */
const foreignSetgid = (request: Request, { kind, mode, gid }: Inode): number =>
  kind === 'directory' || (mode & GROUP_MAY_EXECUTE) !== 0 || (mode & S_ISGID) === 0 || isMember(request, gid)
    ? 0
    : S_ISGID

/** Of a file, by the same: the bits that go. */
const lostSetIds = (request: Request, inode: Inode): number =>
  inode.mode & (S_ISUID | ((inode.mode & GROUP_MAY_EXECUTE) === 0 ? foreignSetgid(request, inode) : S_ISGID))

/** Where the kernel does not say whether to: by who asks. */
export const dropPrivilegesFor = async (
  mounted: Mounted,
  request: Request,
  open: OpenInode,
  limits: Limits,
): Promise<void> => (request.uid === 0 ? undefined : dropPrivileges(mounted, request, open, limits))

/** Takes them off, if there are any; `keepsSetIds`: capabilities only. ESTALE. */
export async function dropPrivileges(
  mounted: Mounted,
  request: Request,
  open: OpenInode,
  limits: Limits,
  keepsSetIds = false,
): Promise<void> {
  const { fs } = mounted
  const { ino } = open
  // Times of writes that are not stored yet are no change of privileges.
  const inode = open.isCurrent(fs) ? open.inode : (inodeNow(mounted, ino) ?? (await fs.known.lookUpInode(ino)))
  if (inode === undefined) throw stale('write', ino)
  if (plain.get(open) === inode.changeCount) return
  const isCapable = !fs.known.isBare(ino) && (await fs.known.xattr(ino, CAPABILITY)) !== undefined
  const hasSetIds = (inode.mode & SET_IDS) !== 0
  if (!isCapable && !hasSetIds) plain.set(open, inode.changeCount)
  if (!isCapable && (keepsSetIds || lostSetIds(request, inode) === 0)) return
  const change: Change = keepsSetIds ? { along: () => ({ xattrs: [[CAPABILITY, undefined]] }) } : losses(request)
  await changeAttributes(fs, { ino, path: filePathOf(mounted, ino) }, 'setattr', change, limits)
}
