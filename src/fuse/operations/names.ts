/** Names: MKDIR, MKNOD, SYMLINK, LINK, UNLINK, RMDIR, RENAME, RENAME2. */
import { systemError } from '../../errors.ts'
import type { What } from '../../files/making.ts'
import { makeInode, makeLink } from '../../files/making.ts'
import { checkName } from '../../files/paths.ts'
import { moveName, removeDirectory, removeName, removeNameNow } from '../../files/removing.ts'
import type { InodeKind, NameLoss, RenameMode } from '../../metadata/metadata.ts'
import { S_IFMT, TYPE_BITS } from '../../pool/kinds.ts'
import type { InodeNumber } from '../../units.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { EMPTY } from '../request.ts'
import type { RenameRequest } from '../wire/names.ts'
import {
  readLink,
  readMkdir,
  readMknod,
  readName,
  readRename,
  readRename2,
  readSymlink,
  RenameFlag,
} from '../wire/names.ts'
import { callOf } from './call-limits.ts'
import { answerEntry, ownerOf, staleWhenGone } from './inodes.ts'

const PERMISSION_BITS = 0o7777

const kinds = new Map(Object.entries(TYPE_BITS).map(([kind, bits]) => [bits, kind as InodeKind]))

export const mkdir: Operation = (mounted, request) => {
  const { name, mode, umask } = readMkdir(request.body)
  return make(mounted, request, name, { kind: 'directory', mode: mode & PERMISSION_BITS, umask }, 'mkdir')
}

/** Files, fifos, sockets and device nodes; what the last three do is the kernel's business. */
export const mknod: Operation = (mounted, request) => {
  const { name, mode, umask, rdev } = readMknod(request.body)
  const kind = kinds.get(mode & S_IFMT)
  if (kind === undefined || kind === 'directory' || kind === 'symlink')
    throw systemError('EINVAL', 'mknod makes no such inodes', { syscall: 'mknod', path: name })
  const isDevice = kind === 'character' || kind === 'block'
  const what = { kind, mode: mode & PERMISSION_BITS, umask, rdev: isDevice ? rdev : 0 }
  return make(mounted, request, name, what, 'mknod')
}

export const symlink: Operation = (mounted, request) => {
  const { name, target } = readSymlink(request.body)
  return make(mounted, request, name, { kind: 'symlink', mode: 0o777, target }, 'symlink')
}

async function make(
  mounted: Mounted,
  request: Request,
  name: string,
  what: Omit<What, 'uid' | 'gid'>,
  syscall: string,
): Promise<Reply> {
  const parent = request.nodeId
  const call = callOf(mounted, request, syscall, name)
  const inode = await makeInode(
    mounted.fs,
    { parent, name },
    { ...what, ...ownerOf(mounted, request, what.umask ?? 0) },
    call,
  )
  return answerEntry(mounted, inode)
}

export const link: Operation = async (mounted, request) => {
  const parent = request.nodeId
  const { nodeId, name } = readLink(request.body)
  const call = { ...callOf(mounted, request, 'link', `inode ${nodeId}`), dest: name }
  const ino = nodeId as InodeNumber
  const inode = await makeLink(mounted.fs, ino, { parent, name }, call).catch((error: unknown) =>
    staleWhenGone(mounted, ino, 'link', error),
  )
  return answerEntry(mounted, inode)
}

/** By the mount's policy EBUSY, ETIMEDOUT, EINTR: the name is still there. In lost+found: reclaims the file. */
export const unlink: Operation = (mounted, request) => {
  const name = readName(request.body)
  const young = removeNameNow(mounted.fs, { parent: request.nodeId, name })
  if (young === undefined) return unlinkSlowly(mounted, request, name)
  mounted.nodes.removed(young)
  return EMPTY
}

async function unlinkSlowly(mounted: Mounted, request: Request, name: string): Promise<Reply> {
  const call = callOf(mounted, request, 'unlink', name)
  remember(mounted, await removeName(mounted.fs, { parent: request.nodeId, name }, call))
  return EMPTY
}

export const rmdir: Operation = async (mounted, request) => {
  const name = readName(request.body)
  const call = callOf(mounted, request, 'rmdir', name)
  mounted.nodes.removed(await removeDirectory(mounted.fs, { parent: request.nodeId, name }, call))
  return EMPTY
}

export const rename: Operation = (mounted, request) => move(mounted, request, readRename(request.body))
export const rename2: Operation = (mounted, request) => move(mounted, request, readRename2(request.body))

const MODES = new Map<number, RenameMode>([
  [0, 'replace'],
  [RenameFlag.noReplace, 'noReplace'],
  [RenameFlag.exchange, 'exchange'],
])

/** A file that is replaced: as in `unlink`. EINVAL: a combination of flags that is none, or RENAME_WHITEOUT. */
async function move(
  mounted: Mounted,
  request: Request,
  { newParent, name, newName, flags }: RenameRequest,
): Promise<Reply> {
  const call = { ...callOf(mounted, request, 'rename', name), dest: newName }
  const mode = MODES.get(flags)
  if (mode === undefined) throw systemError('EINVAL', 'renames can be asked to replace nothing, or to exchange', call)
  checkName(newName, 'rename', newName)
  const to = { parent: newParent as InodeNumber, name: newName }
  remember(mounted, await moveName(mounted.fs, { parent: request.nodeId, name }, to, mode, call))
  return EMPTY
}

/** Of what has no name any more; also of a file that is open still, which goes with its last close. */
function remember({ nodes }: Mounted, { inode }: NameLoss): void {
  if (inode?.nlink === 0) nodes.removed(inode)
}
