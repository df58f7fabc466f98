/**
 * Privileges: setuid, setgid and capabilities, which a file loses when somebody writes to it who may not give them. The
 * kernel says when (`handleKillPrivilegesV2`); with each write of who is not root, so looking must cost next to nothing.
 * Of FALLOCATE and COPY_FILE_RANGE it says nothing: there all but root lose them.
 */
import { changeAttributes } from '../../files/attributes.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import type { Limits } from '../../layout/waiting.ts'
import type { Mounted, Request } from '../request.ts'
import { filePathOf, inodeNow, inodeOf } from './inodes.ts'

const SET_IDS = 0o6000
const CAPABILITY = 'security.capability'

/** Files that had no privileges when they had this change count. */
const plain = new WeakMap<OpenInode, number>()

/** Whether it is known that there are none to lose. Price: 50 ns. */
export const hasNoPrivileges = ({ fs }: Mounted, open: OpenInode): boolean =>
  open.isCurrent(fs) && plain.get(open) === open.inode.changeCount

/** Where the kernel does not say whether to: by who asks. */
export const dropPrivilegesFor = async (
  mounted: Mounted,
  { uid }: Request,
  open: OpenInode,
  limits: Limits,
): Promise<void> => (uid === 0 ? undefined : dropPrivileges(mounted, open, limits))

/** Takes them off, if there are any. ENOENT. */
export async function dropPrivileges(mounted: Mounted, open: OpenInode, limits: Limits): Promise<void> {
  const { fs } = mounted
  const { ino } = open
  // Times of writes that are not stored yet are no change of privileges.
  const inode = open.isCurrent(fs) ? open.inode : (inodeNow(mounted, ino) ?? (await inodeOf(mounted, ino, 'write')))
  if (plain.get(open) === inode.changeCount) return
  if ((inode.mode & SET_IDS) === 0 && (await fs.metadata.xattr(ino, CAPABILITY)) === undefined) {
    plain.set(open, inode.changeCount)
    return
  }
  const subject = { ino, path: filePathOf(mounted, ino) }
  const { changeCount } = await changeAttributes(fs, subject, 'setattr', { dropsPrivileges: true }, limits)
  plain.set(open, changeCount)
}
