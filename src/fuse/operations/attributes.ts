/** Attributes: GETATTR, STATX, SETATTR. */
import { codeOf } from '../../errors.ts'
import type { Change } from '../../files/attributes.ts'
import { changeAttributes } from '../../files/attributes.ts'
import { checkSize, nowNs } from '../../files/growth.ts'
import type { OpenInode } from '../../files/open-inode.ts'
import { cuttingOf, resize } from '../../files/ranges.ts'
import { attributesAfter } from '../../metadata/attribute-changes.ts'
import type { Inode } from '../../metadata/metadata.ts'
import { Stat } from '../../pool/stat.ts'
import type { InodeNumber } from '../../units.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { reply } from '../request.ts'
import type { SetattrRequest } from '../wire/setattr.ts'
import { readSetattr } from '../wire/setattr.ts'
import { encodeStatx } from '../wire/statx.ts'
import { callOf } from './call-limits.ts'
import {
  answerAttributes,
  currentInode,
  filePathOf,
  inodeNow,
  inodeOf,
  mustNotBeLost,
  openNode,
  stale,
  storeTimesOf,
  validMsOf,
} from './inodes.ts'
import { dropPrivileges, losses } from './privileges.ts'

export const getattr: Operation = (mounted, request) => {
  const inode = inodeNow(mounted, request.nodeId)
  return inode === undefined
    ? looked(mounted, request).then((found) => answerAttributes(mounted, found))
    : answerAttributes(mounted, inode)
}

/** With the birth time. */
export const statx: Operation = (mounted, request) => {
  const answer = (inode: Inode): Reply => reply(encodeStatx(new Stat(inode), validMsOf(mounted)))
  const inode = inodeNow(mounted, request.nodeId)
  return inode === undefined ? looked(mounted, request).then(answer) : answer(inode)
}

/** Of what was removed through this mount as it was last. ESTALE. */
async function looked(mounted: Mounted, request: Request): Promise<Inode> {
  const { nodeId } = request
  const inode = (await currentInode(mounted, request, nodeId)) ?? mounted.nodes.gone(nodeId)
  if (inode === undefined) throw stale('stat', nodeId)
  return inode
}

/**
 * chmod, chown, truncate and utimensat in one. Who may is the kernel's business. The size goes first, through the door for
 * layout changes: EBUSY, ETIMEDOUT, EINTR leave everything as it was. All else is one transaction, which sets ctime, also
 * when nothing is asked for (chown to -1, -1).
 */
export const setattr: Operation = async (mounted, request) => {
  const { fs } = mounted
  const { nodeId } = request
  const set = readSetattr(request.body)
  await storeTimesOf(mounted, request, nodeId)
  const change = changeOf(mounted, request, set)
  if (set.size !== undefined) {
    await setSize(mounted, request, set.size, set)
    if (Object.keys(change).length === 0) return answerAttributes(mounted, await inodeOf(mounted, request, 'truncate'))
  }
  const { limits, path } = callOf(mounted, request, 'setattr', filePathOf(mounted, nodeId))
  const inode = await changeAttributes(fs, { ino: nodeId, path }, 'setattr', change, limits).catch((error: unknown) =>
    codeOf(error) === 'ENOENT' ? changeGone(mounted, nodeId, change) : Promise.reject(error as Error),
  )
  return answerAttributes(mounted, inode)
}

/** The same of what was removed through this mount: somebody has the directory, the fifo or the device open. ESTALE. */
function changeGone({ fs, nodes }: Mounted, ino: InodeNumber, change: Change): Inode {
  const before = nodes.gone(ino)
  if (before === undefined) throw stale('setattr', ino)
  const inode = attributesAfter(before, { ...change, nowNs: nowNs(fs) })
  nodes.changedGone(inode)
  return inode
}

/**
 * A request that names nothing comes of chown(-1, -1), and of the kernel's own taking off of privileges: what else there was
 * to it, it has left to us.
 */
function changeOf({ fs }: Mounted, request: Request, set: SetattrRequest): Change {
  const { mode, uid, gid, atimeNs, mtimeNs, size, killsSetIds } = set
  const isEmpty = [mode, uid, gid, atimeNs, mtimeNs, size].every((each) => each === undefined)
  const timeOf = (time: bigint | 'now'): bigint => (time === 'now' ? nowNs(fs) : time)
  return {
    ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(atimeNs === undefined ? {} : { atimeNs: timeOf(atimeNs) }),
    ...(mtimeNs === undefined ? {} : { mtimeNs: timeOf(mtimeNs) }),
    ...(isEmpty || (killsSetIds && size === undefined) ? losses(request) : {}),
  }
}

async function setSize(
  mounted: Mounted,
  request: Request,
  size: number,
  { handle, killsSetIds }: SetattrRequest,
): Promise<void> {
  const { fs, handles } = mounted
  const { nodeId } = request
  mustNotBeLost(mounted, nodeId, 'truncate')
  const path = filePathOf(mounted, nodeId)
  checkSize(size, 'truncate', path)
  const cut = async (open: OpenInode): Promise<void> => {
    const call = callOf(mounted, request, 'truncate', path)
    if (killsSetIds) await dropPrivileges(mounted, request, open, call.limits)
    await resize(fs, open, size, await cuttingOf(fs, open, call))
  }
  if (handle !== undefined) return cut(handles.files.get(handle).open)
  const open = await openNode(mounted, request)
  if (open === undefined) throw stale('truncate', nodeId)
  try {
    await cut(open)
  } finally {
    await fs.openInodes.close(fs, open)
  }
}
