/** Lookups: LOOKUP, FORGET, BATCH_FORGET, READLINK. */
import { constants } from 'node:os'
import { systemError } from '../../errors.ts'
import { checkName, directoryOf } from '../../files/paths.ts'
import { LOST_AND_FOUND_INODE } from '../../metadata/metadata.ts'
import type { InodeNumber } from '../../units.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { reply, short } from '../request.ts'
import { writeNoEntry } from '../wire/entry.ts'
import { readBatchForget, readForget } from '../wire/forget.ts'
import { readName } from '../wire/names.ts'
import { answerEntry, currentInode, found, inodeNow, inodeOf, validMsOf } from './inodes.ts'

/** Every name of a path that is walked: at once when it is known. ENOENT, ENAMETOOLONG, EILSEQ. */
export const lookup: Operation = (mounted, request) => {
  const parent = request.nodeId
  const name = readName(request.body)
  if (name === '.' || name === '..') return lookUpNode(mounted, request, name)
  checkName(name, 'lookup', name)
  const { known } = mounted.fs
  const dentry = known.dentry(parent, name)
  if (dentry === null) return answerNothing(mounted)
  const inode = dentry === undefined ? undefined : inodeNow(mounted, dentry.ino)
  return inode === undefined
    ? lookUp(mounted, request, name)
    : answerEntry(mounted, found(mounted, { parent, name }, inode))
}

async function lookUp(mounted: Mounted, request: Request, name: string): Promise<Reply> {
  const parent = request.nodeId
  for (;;) {
    const dentry = await mounted.fs.known.lookUp(parent, name)
    if (dentry === null) return answerNothing(mounted)
    const inode = await currentInode(mounted, request, dentry.ino)
    // Else it has gone since, perhaps by a rename that put another in its place: look again.
    if (inode !== undefined) return answerEntry(mounted, found(mounted, { parent, name }, inode))
  }
}

/**
 * A node that the kernel has forgotten, of which somebody has a file handle (name_to_handle_at(2)): itself, or the directory
 * that it is in. ENOENT, which the caller sees as ESTALE: it is gone, or has no name any more.
 */
async function lookUpNode(mounted: Mounted, request: Request, name: '.' | '..'): Promise<Reply> {
  const { nodeId } = request
  const directory = await directoryOf(mounted.fs, nodeId)
  const inode = name === '..' ? directory : await currentInode(mounted, request, nodeId)
  if (directory === undefined || inode === undefined) return NOTHING
  const at =
    name === '.' && directory.ino === LOST_AND_FOUND_INODE ? await mounted.fs.metadata.nameOf(nodeId) : undefined
  return answerEntry(mounted, at === undefined ? inode : found(mounted, at, inode))
}

/** No error that is thrown: a shell that looks for a program along its path asks often. */
const NOTHING: Reply = { parts: [], errno: -constants.errno.ENOENT }

/** That there is nothing, the kernel may remember, too. */
function answerNothing(mounted: Mounted): Reply {
  const validMs = validMsOf(mounted)
  return validMs > 0 ? short((bytes, at) => writeNoEntry(bytes, validMs, at)) : NOTHING
}

export const forget: Operation = ({ nodes }, { nodeId, body }) => {
  nodes.forget(nodeId, readForget(body))
  return undefined
}

export const batchForget: Operation = ({ nodes }, { body }) => {
  for (const { nodeId, lookups } of readBatchForget(body)) nodes.forget(nodeId as InodeNumber, lookups)
  return undefined
}

/** EINVAL: it is no symlink. */
export const readlink: Operation = (mounted, request) => {
  const { nodeId } = request
  const inode = inodeNow(mounted, nodeId)
  return inode === undefined
    ? inodeOf(mounted, request, 'readlink').then(({ target }) => answerTarget(target, nodeId))
    : answerTarget(inode.target, nodeId)
}

function answerTarget(target: string | undefined, ino: InodeNumber): Reply {
  if (target !== undefined) return reply(Buffer.from(target))
  throw systemError('EINVAL', 'this is not a symlink', { syscall: 'readlink', path: `inode ${ino}` })
}
