/** Opening and closing files: OPEN, CREATE, TMPFILE, FLUSH, RELEASE; FSYNC, FSYNCDIR, SYNCFS. */
import { constants } from 'node:fs'
import { codeOf } from '../../errors.ts'
import { syncAll, syncFile } from '../../files/durability.ts'
import { storeTimes } from '../../files/growth.ts'
import { makeOpen, makeOpenNow } from '../../files/making.ts'
import { OpenInode } from '../../files/open-inode.ts'
import { cuttingOf, resize } from '../../files/ranges.ts'
import type { InodeNumber } from '../../units.ts'
import { OpenedFile } from '../handles.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { EMPTY, short } from '../request.ts'
import type { CreateRequest, Opened, OpenRequest } from '../wire/open.ts'
import { readCreate, readFsync, readHandle, readOpen, readRelease, writeCreated } from '../wire/open.ts'
import { openFlagsOf } from './caching.ts'
import { callOf } from './call-limits.ts'
import { answerOpened, entryOf, filePathOf, mustNotBeLost, openNode, ownerOf, stale } from './inodes.ts'
import { dropPrivileges } from './privileges.ts'

const { O_ACCMODE, O_EXCL, O_RDONLY, O_TRUNC } = { O_ACCMODE: 3, ...constants }
const PERMISSION_BITS = 0o7777

/** With O_TRUNC a layout change: by the mount's policy EBUSY, ETIMEDOUT, EINTR. ESTALE, EPERM (writing in lost+found). */
export const open: Operation = (mounted, request) => {
  const { nodeId } = request
  const asked = readOpen(request.body)
  const isTruncating = (asked.flags & O_TRUNC) !== 0
  if (isTruncating || (asked.flags & O_ACCMODE) !== O_RDONLY) mustNotBeLost(mounted, nodeId, 'open')
  const opened = openNode(mounted, nodeId)
  if (opened instanceof OpenInode && !isTruncating) return answerOpened(handleOf(mounted, opened, asked))
  return openSlowly(mounted, request, asked, opened)
}

async function openSlowly(
  mounted: Mounted,
  request: Request,
  asked: OpenRequest,
  opening: OpenInode | Promise<OpenInode | undefined>,
): Promise<Reply> {
  const opened = await opening
  if (opened === undefined) throw stale('open', request.nodeId)
  if ((asked.flags & O_TRUNC) !== 0) await emptied(mounted, request, opened, asked.killsSetIds)
  return answerOpened(handleOf(mounted, opened, asked))
}

async function emptied(mounted: Mounted, request: Request, opened: OpenInode, killsSetIds: boolean): Promise<void> {
  const { fs } = mounted
  try {
    const call = callOf(mounted, request, 'open', filePathOf(mounted, opened.ino))
    if (killsSetIds) await dropPrivileges(mounted, request, opened, call.limits)
    await resize(fs, opened, 0, await cuttingOf(fs, opened, call))
  } catch (error) {
    await fs.openInodes.close(fs, opened)
    throw error
  }
}

/** Through one that is for reading nothing can be written, so nothing is to be stored when it is closed. */
const handleOf = (mounted: Mounted, opened: OpenInode, { flags }: Pick<OpenRequest, 'flags'>): Opened =>
  numbered(mounted, opened, (flags & O_ACCMODE) === O_RDONLY)

/**
 * What makes a new file grow stores its times itself. Left are those of bytes that are written once more, in place, before the
 * file that was made is closed: they are stored with RELEASE, which the kernel has sent when close(2) returns, though nobody waits for it.
 */
const handleOfNew = (mounted: Mounted, opened: OpenInode): Opened => numbered(mounted, opened, true)

function numbered(mounted: Mounted, opened: OpenInode, sparesFlush: boolean): Opened {
  const handle = mounted.handles.files.add(new OpenedFile(opened, mounted.nodes.isLost(opened.ino)))
  return { handle, openFlags: openFlagsOf(mounted, opened, sparesFlush) }
}

/** Makes a file and opens it. The kernel asks when it knows of none. */
export const create: Operation = (mounted, request) => {
  const asked = readCreate(request.body)
  const { mode, umask, name } = asked
  const parent: InodeNumber = request.nodeId
  const { uid, gid, umask: taken } = ownerOf(mounted, request, umask)
  const what = { kind: 'file', mode: mode & PERMISSION_BITS, uid, gid, umask: taken } as const
  const opened = makeOpenNow(mounted.fs, { parent, name }, what)
  return opened === undefined ? createSlowly(mounted, request, asked) : answerCreated(mounted, opened)
}

function answerCreated(mounted: Mounted, made: OpenInode): Reply {
  const entry = entryOf(mounted, made.inode)
  const opened = handleOfNew(mounted, made)
  return short((bytes, at) => writeCreated(bytes, entry, opened, at))
}

async function createSlowly(mounted: Mounted, request: Request, asked: CreateRequest): Promise<Reply> {
  try {
    return await createAt(mounted, request, asked, asked.name)
  } catch (error) {
    // Somebody was quicker: the kernel looks again, asks who may, and opens it.
    if (codeOf(error) === 'EEXIST' && (asked.flags & O_EXCL) === 0) throw stale('open', request.nodeId)
    throw error
  }
}

/** Makes a file without a name and opens it: it goes with the last close, unless LINK gives it one. */
export const tmpfile: Operation = (mounted, request) => createAt(mounted, request, readCreate(request.body), undefined)

async function createAt(
  mounted: Mounted,
  request: Request,
  { mode, umask, name: asked }: CreateRequest,
  name: string | undefined,
): Promise<Reply> {
  const what = { mode: mode & PERMISSION_BITS, ...ownerOf(mounted, request, umask) }
  const parent: InodeNumber = request.nodeId
  const opened = await makeOpen(mounted.fs, { parent, name }, what, callOf(mounted, request, 'open', asked))
  return answerCreated(mounted, opened)
}

/** Each close(2) of a descriptor: who looks at the file afterwards sees the times of what was written. */
export const flush: Operation = ({ fs, handles }, { body }) => {
  const { open: opened } = handles.files.get(readHandle(body))
  return opened.hasNewContent ? storeTimes(fs, opened).then(() => EMPTY) : EMPTY
}

/** The last close, of which nobody waits for the end. */
export const release: Operation = ({ fs, handles }, { body }) => {
  const { open: opened } = handles.files.take(readRelease(body).handle)
  return fs.openInodes.close(fs, opened)?.then(() => EMPTY) ?? EMPTY
}

/** Whether only the content is asked for makes no difference: the metadata has to be there to find it. */
export const fsync: Operation = ({ fs, handles }, { body }) =>
  syncFile(fs, handles.files.get(readFsync(body).handle).open).then(() => EMPTY)

/** Names are all in the metadata. */
export const fsyncdir: Operation = ({ fs }) => fs.metadata.sync().then(() => EMPTY)

export const syncfs: Operation = ({ fs }) => syncAll(fs).then(() => EMPTY)
