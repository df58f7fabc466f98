/** Extended attributes: GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR. Which namespaces are whose is the kernel's business. */
import { systemError } from '../../errors.ts'
import { isAcl } from '../../files/acl.ts'
import { removeXattr, setXattr, xattrOf } from '../../files/attributes.ts'
import type { XattrMode } from '../../metadata/metadata.ts'
import type { InodeNumber } from '../../units.ts'
import type { Mounted, Operation, Reply, Request } from '../request.ts'
import { EMPTY, reply } from '../request.ts'
import { InitFlag } from '../wire/init.ts'
import { readName } from '../wire/names.ts'
import {
  encodeXattrNames,
  encodeXattrSize,
  readGetxattr,
  readListxattr,
  readSetxattr,
  XattrFlag,
} from '../wire/xattr.ts'
import { CallLimits } from './call-limits.ts'
import { filePathOf, inodeNow, inodeOf, staleWhenGone } from './inodes.ts'
import { isVirtual, virtualNames, virtualXattr } from './lost-file-xattrs.ts'

/** Made once: Linux asks for 'security.capability' before the first write to a file, and before each change of its owner. */
const NO_ATTRIBUTE = systemError('ENODATA', 'there is no such attribute', { syscall: 'getxattr' })

/** ENODATA: there is none. ERANGE: it is larger than asked for. */
export const getxattr: Operation = (mounted, request) => {
  const { nodeId, body } = request
  const { name, size } = readGetxattr(body)
  mustBeServed(mounted, name, 'getxattr', nodeId)
  if (mounted.fs.known.isBare(nodeId) && !isVirtual(mounted, nodeId, name)) throw NO_ATTRIBUTE
  return lookUpXattr(mounted, request, name, size)
}

async function lookUpXattr(mounted: Mounted, request: Request, name: string, size: number): Promise<Reply> {
  const { nodeId } = request
  if (isVirtual(mounted, nodeId, name)) return answerSized(await virtualXattr(mounted, nodeId, name), size, nodeId)
  const inode = inodeNow(mounted, nodeId) ?? (await inodeOf(mounted, request, 'getxattr'))
  return answerSized(await xattrOf(mounted.fs, inode, name, filePathOf(mounted, nodeId)), size, nodeId)
}

/** Names of 'trusted.' are shown to root only. */
export const listxattr: Operation = async (mounted, request) => {
  const { nodeId, uid, body } = request
  const { size } = readListxattr(body)
  const { ino } = inodeNow(mounted, nodeId) ?? (await inodeOf(mounted, request, 'listxattr'))
  const names = await mounted.fs.metadata.xattrs(ino)
  const shown = uid === 0 ? names : names.filter((name) => !name.startsWith('trusted.'))
  return answerSized(encodeXattrNames([...shown, ...virtualNames(mounted, nodeId)]), size, nodeId)
}

/** Size 0 asks how large it is. */
function answerSized(value: Buffer, size: number, ino: InodeNumber): Reply {
  if (size === 0) return reply(encodeXattrSize(value.length))
  if (value.length <= size) return value.length === 0 ? EMPTY : reply(value)
  throw systemError('ERANGE', `it has ${value.length} bytes`, { syscall: 'getxattr', path: `inode ${ino}` })
}

const MODES = new Map<number, XattrMode>([
  [0, 'set'],
  [XattrFlag.create, 'create'],
  [XattrFlag.replace, 'replace'],
])

/** EEXIST, ENODATA, E2BIG, ENOSPC, EPERM (what is shown of files of lost+found). */
export const setxattr: Operation = async (mounted, request) => {
  const { nodeId, body } = request
  const { name, value, flags, killsSetgid } = readSetxattr(
    body,
    (mounted.negotiated & InitFlag.setxattrExtended) !== 0n,
  )
  const path = filePathOf(mounted, nodeId)
  mustBeServed(mounted, name, 'setxattr', nodeId)
  mustNotBeVirtual(mounted, nodeId, name, 'setxattr')
  const mode = MODES.get(flags)
  if (mode === undefined)
    throw systemError('EINVAL', 'XATTR_CREATE and XATTR_REPLACE exclude each other', { syscall: 'setxattr', path })
  const inode = inodeNow(mounted, nodeId) ?? (await inodeOf(mounted, request, 'setxattr'))
  const limits = new CallLimits(mounted, request)
  await setXattr(mounted.fs, inode, name, value, mode, path, !killsSetgid, limits).catch((error: unknown) =>
    staleWhenGone(mounted, nodeId, 'setxattr', error),
  )
  return EMPTY
}

export const removexattr: Operation = async (mounted, request) => {
  const { nodeId, body } = request
  const name = readName(body)
  mustBeServed(mounted, name, 'removexattr', nodeId)
  mustNotBeVirtual(mounted, nodeId, name, 'removexattr')
  const inode = inodeNow(mounted, nodeId) ?? (await inodeOf(mounted, request, 'removexattr'))
  const limits = new CallLimits(mounted, request)
  await removeXattr(mounted.fs, inode, name, filePathOf(mounted, nodeId), limits).catch((error: unknown) =>
    staleWhenGone(mounted, nodeId, 'removexattr', error),
  )
  return EMPTY
}

/**
 * 'system.' is what the kernel and file systems say to each other, and nobody but them checks who may: of it there are
 * access control lists, when the kernel knows of them, and nothing else.
 */
function mustBeServed({ negotiated }: Mounted, name: string, syscall: string, ino: InodeNumber): void {
  if (!name.startsWith('system.') || (isAcl(name) && (negotiated & InitFlag.posixAcl) !== 0n)) return
  throw systemError('EOPNOTSUPP', `the mount serves no attribute '${name}'`, { syscall, path: `inode ${ino}` })
}

function mustNotBeVirtual(mounted: Mounted, ino: InodeNumber, name: string, syscall: string): void {
  if (!isVirtual(mounted, ino, name)) return
  const what = `'${name}' of a file of lost+found says what holds it; it cannot be set`
  throw systemError('EPERM', what, { syscall, path: filePathOf(mounted, ino) })
}
