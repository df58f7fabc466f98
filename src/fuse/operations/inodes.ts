/** Inodes as the operations see them: how they are now, in the words of replies. */
import type { SystemErrorDetail } from '../../errors.ts'
import { codeOf, systemError } from '../../errors.ts'
import { storeTimes } from '../../files/growth.ts'
import type { NameIn } from '../../files/making.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import { isInLostAndFound } from '../../files/removing.ts'
import type { Inode } from '../../metadata/metadata.ts'
import { ROOT_INODE } from '../../metadata/metadata.ts'
import { Stat } from '../../pool/stat.ts'
import type { InodeNumber } from '../../units.ts'
import { fileNamed, inodeNamed } from '../handles.ts'
import { lookLimits } from './call-limits.ts'
import type { Mounted, Reply, Request } from '../request.ts'
import { short } from '../request.ts'
import { writeAttributesReply } from '../wire/attributes.ts'
import type { Entry } from '../wire/entry.ts'
import { writeEntry } from '../wire/entry.ts'
import { InitFlag } from '../wire/init.ts'
import type { Opened } from '../wire/open.ts'
import { writeOpened } from '../wire/open.ts'

/** How long the kernel may believe names and attributes with `cache=auto`. */
const VALID_MS = 1000

export const validMsOf = ({ options }: Mounted): number => (options.cache === 'auto' ? VALID_MS : 0)

/** The inode as it is now, at once; undefined: it has to be looked up, or times of writes be stored first. Price: 0.1 µs. */
export function inodeNow({ fs }: Mounted, ino: InodeNumber): Inode | undefined {
  const open = fs.openInodes.get(ino)
  if (open === undefined) return fs.known.inode(ino)
  if (open.hasNewContent) return undefined
  return open.isCurrent(fs) ? open.inode : fs.known.inode(ino)
}

/** The same, looked up when it is not known, times of this participant's writes stored; undefined: it is gone. */
export async function currentInode(mounted: Mounted, request: Request, ino: InodeNumber): Promise<Inode | undefined> {
  await storeTimesOf(mounted, request, ino)
  return mounted.fs.known.lookUpInode(ino)
}

/** Times of writes in place, which are stored late, before somebody looks at them, or sets others. */
export async function storeTimesOf(mounted: Mounted, request: Request, ino: InodeNumber): Promise<void> {
  const { fs } = mounted
  const open = fs.openInodes.withNewContent(ino)
  if (open !== undefined) await storeTimes(fs, open, lookLimits(mounted, request))
}

/** The inode of a request. ESTALE when it is gone: the kernel looks at the path once more, and finds what is there now. */
export async function inodeOf(mounted: Mounted, request: Request, syscall: string): Promise<Inode> {
  const { nodeId } = request
  const inode = await currentInode(mounted, request, nodeId)
  if (inode === undefined) throw stale(syscall, nodeId)
  return inode
}

/** Opens the inode once more; undefined: it is gone. What was removed can be opened anew for as long as it is open (/proc/self/fd). */
export function openNode(mounted: Mounted, request: Request): OpenInode | Promise<OpenInode | undefined> {
  const { openInodes } = mounted.fs
  const { nodeId } = request
  return openInodes.openAgain(nodeId) ?? openInodes.open(mounted.fs, nodeId, () => lookLimits(mounted, request))
}

export const stale = (syscall: string, ino: InodeNumber): Error =>
  systemError('ESTALE', 'the inode is gone', { syscall, path: inodeNamed(ino) })

/**
 * What was done to an inode failed. ENOENT of one that is gone becomes ESTALE: perhaps another one has been put in its place
 * since the kernel looked, and it looks again.
 */
export async function staleWhenGone(
  mounted: Mounted,
  ino: InodeNumber,
  syscall: string,
  error: unknown,
): Promise<never> {
  if (codeOf(error) === 'ENOENT' && (await mounted.fs.known.lookUpInode(ino)) === undefined) throw stale(syscall, ino)
  throw error
}

/** How errors call a file. */
export const filePathOf = ({ nodes }: Mounted, ino: InodeNumber): string => fileNamed(ino, nodes.isLost(ino))

/** What is in lost+found is for reading: EPERM. */
export function mustNotBeLost({ nodes }: Mounted, ino: InodeNumber, syscall: string): void {
  if (nodes.isLost(ino))
    throw systemError('EPERM', 'files of lost+found are for reading; copy it out', detailOf(syscall, ino))
}

const detailOf = (syscall: string, ino: InodeNumber): SystemErrorDetail => ({ syscall, path: inodeNamed(ino) })

/** What a name leads to, as the kernel is told. It counts as a lookup. */
export function entryOf(mounted: Mounted, inode: Inode): Entry {
  const validMs = validMsOf(mounted)
  return {
    nodeId: inode.ino,
    // Numbers are never used again while the pool lives; of another pool at the same place they are. The root's, which the
    // kernel has before it asks, is 0.
    generation: inode.ino === ROOT_INODE ? 0n : inode.birthtimeNs,
    attributes: new Stat(inode),
    entryValidMs: validMs,
    attributesValidMs: validMs,
  }
}

export function answerEntry(mounted: Mounted, inode: Inode): Reply {
  const entry = entryOf(mounted, inode)
  return short((bytes, at) => writeEntry(bytes, entry, at))
}

/** What was found at a place, perhaps in lost+found: to be called for each reply that tells the kernel of it. */
export function found({ nodes }: Mounted, at: NameIn, inode: Inode): Inode {
  if (isInLostAndFound(at)) nodes.foundInLost(inode.ino)
  return inode
}

export function answerAttributes(mounted: Mounted, inode: Inode): Reply {
  const validMs = validMsOf(mounted)
  return short((bytes, at) => writeAttributesReply(bytes, new Stat(inode), validMs, at))
}

export const answerOpened = (opened: Opened): Reply => short((bytes, at) => writeOpened(bytes, opened, at))

/** Who asks is whose the new inode is. The umask is ours to take off where the kernel leaves it to us, for the sake of ACLs. */
export const ownerOf = (
  { negotiated }: Mounted,
  { uid, gid }: Request,
  umask: number,
): { uid: number; gid: number; umask: number } => ({
  uid,
  gid,
  umask: (negotiated & InitFlag.dontMask) === 0n ? 0 : umask,
})
