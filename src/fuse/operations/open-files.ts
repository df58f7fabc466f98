/** Opening and closing files: OPEN, CREATE, TMPFILE, FLUSH, RELEASE; FSYNC, FSYNCDIR, SYNCFS. */
import { constants } from 'node:fs'
import { codeOf } from '../../errors.ts'
import { syncAll, syncFile } from '../../files/durability.ts'
import { storeTimes } from '../../files/growth.ts'
import type { What } from '../../files/making.ts'
import { makeOpen, makeOpenNow } from '../../files/making.ts'
import { OpenInode } from '../../files/open-inode.ts'
import { cuttingOf, resize } from '../../files/ranges.ts'
import { OpenedFile } from '../handles.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { EMPTY, short } from '../request.ts'
import type { CreateRequest, Opened, OpenRequest } from '../wire/open.ts'
import { readCreate, readFsync, readHandle, readOpen, readRelease, writeCreated } from '../wire/open.ts'
import { openFlagsOf, openFlagsOfNew } from './caching.ts'
import { callOf, lookLimits } from './call-limits.ts'
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
  const opened = openNode(mounted, request)
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
function handleOf(mounted: Mounted, opened: OpenInode, { flags }: OpenRequest): Opened {
  const openFlags = openFlagsOf(mounted, opened, (flags & O_ACCMODE) === O_RDONLY)
  return { handle: numberOf(mounted, opened, flags), openFlags }
}

/**
 * What makes a new file grow stores its times itself. Left are those of bytes that are written once more, in place, before the
 * file that was made is closed: they are stored with RELEASE, which the kernel has sent when close(2) returns, though nobody waits for it.
 */
const handleOfNew = (mounted: Mounted, opened: OpenInode, { flags }: CreateRequest): Opened => ({
  handle: numberOf(mounted, opened, flags),
  openFlags: openFlagsOfNew(mounted),
})

const numberOf = ({ handles, nodes }: Mounted, opened: OpenInode, flags: number): number =>
  handles.files.add(new OpenedFile(opened, { isLost: nodes.isLost(opened.ino), flags }))

/** Makes a file and opens it. The kernel asks when it knows of none. */
export const create: Operation = (mounted, request) => {
  const asked = readCreate(request.body)
  const place = { parent: request.nodeId, name: asked.name }
  const what = fileOf(mounted, request, asked)
  const opened = makeOpenNow(mounted.fs, place, what)
  return opened === undefined ? createSlowly(mounted, request, asked, what) : answerCreated(mounted, opened, asked)
}

/** Makes a file without a name and opens it: it goes with the last close, unless LINK gives it one. */
export const tmpfile: Operation = async (mounted, request) => {
  const asked = readCreate(request.body)
  const place = { parent: request.nodeId, name: undefined }
  const call = callOf(mounted, request, 'open', asked.name)
  return answerCreated(mounted, await makeOpen(mounted.fs, place, fileOf(mounted, request, asked), call), asked)
}

type NewFile = What & { readonly kind: 'file' }

/** What is asked for, whose it is. */
function fileOf(mounted: Mounted, request: Request, { mode, umask: asked }: CreateRequest): NewFile {
  const { uid, gid, umask } = ownerOf(mounted, request, asked)
  return { kind: 'file', mode: mode & PERMISSION_BITS, uid, gid, umask }
}

async function createSlowly(mounted: Mounted, request: Request, asked: CreateRequest, what: NewFile): Promise<Reply> {
  const { name, flags } = asked
  const call = callOf(mounted, request, 'open', name)
  try {
    const opened = await makeOpen(mounted.fs, { parent: request.nodeId, name }, what, call)
    return answerCreated(mounted, opened, asked)
  } catch (error) {
    // Somebody was quicker: the kernel looks again, asks who may, and opens it.
    if (codeOf(error) === 'EEXIST' && (flags & O_EXCL) === 0) throw stale('open', request.nodeId)
    throw error
  }
}

function answerCreated(mounted: Mounted, made: OpenInode, asked: CreateRequest): Reply {
  const entry = entryOf(mounted, made.inode)
  const opened = handleOfNew(mounted, made, asked)
  return short((bytes, at) => writeCreated(bytes, entry, opened, at))
}

/** Each close(2) of a descriptor: who looks at the file afterwards sees the times of what was written. */
export const flush: Operation = (mounted, request) => {
  const { open: opened } = mounted.handles.files.get(readHandle(request.body))
  if (!opened.hasNewContent) return EMPTY
  return storeTimes(mounted.fs, opened, lookLimits(mounted, request)).then(() => EMPTY)
}

/** The last close, of which nobody waits for the end. */
export const release: Operation = ({ fs, handles }, { body }) => {
  const { open: opened } = handles.files.take(readRelease(body).handle)
  return fs.openInodes.close(fs, opened)?.then(() => EMPTY) ?? EMPTY
}

/** Whether only the content is asked for makes no difference: the metadata has to be there to find it. */
export const fsync: Operation = (mounted, request) => {
  const { open: opened } = mounted.handles.files.get(readFsync(request.body).handle)
  return syncFile(mounted.fs, opened, lookLimits(mounted, request)).then(() => EMPTY)
}

/** Names are all in the metadata. */
export const fsyncdir: Operation = ({ fs }) => fs.metadata.sync().then(() => EMPTY)

export const syncfs: Operation = ({ fs }) => syncAll(fs).then(() => EMPTY)
