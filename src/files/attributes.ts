/** Attributes: owners, permissions, times, policies, extended attributes of inodes of any kind. */
import { checkChoice, invalidValue, named, outOfRange, systemError, wrongType } from '../errors.ts'
import { patienceOf } from '../layout/waiting.ts'
import type { AttributeChange, BusyPolicy, DaxMode, Inode, XattrMode } from '../metadata/metadata.ts'
import { BUSY_POLICIES, DAX_MODES, XATTR_NAME_MAX, XATTR_NAMESPACES } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import { ACCESS_ACL, isAcl, removing, settingAccess, settingDefault, settingMode } from './acl.ts'
import type { FileSystem } from './file-system.ts'
import { limitsOf } from './file-system.ts'
import { nowNs, storeTimes } from './growth.ts'

/** What an attribute is changed of. */
export interface Subject {
  readonly ino: InodeNumber
  /** For errors. */
  readonly path: string
}

export interface PolicyChange {
  /** null: the pool's again. */
  busy?: BusyPolicy | null | undefined
  dax?: DaxMode | null | undefined
}

/** A point in time as node:fs takes it: seconds since 1970 (number or numeric string), a Date, or nanoseconds as a bigint. */
export type TimeLike = number | string | bigint | Date

/** What is asked for at once; what is not named stays. */
export type Change = Omit<AttributeChange, 'nowNs'>

/**
 * Changes attributes, all in one transaction; returns the inode after it. When times are set, those of this participant's
 * own writes are stored before, so that they do not come later and undo what is set here. ENOENT.
 */
export async function changeAttributes(
  fs: FileSystem,
  { ino, path }: Subject,
  syscall: string,
  attributes: Change,
  limits = limitsOf(fs),
): Promise<Inode> {
  const setsTimes = attributes.atimeNs !== undefined || attributes.mtimeNs !== undefined
  const open = setsTimes ? fs.openInodes.withNewContent(ino) : undefined
  if (open !== undefined) await storeTimes(fs, open, limits)
  const { mode } = attributes
  const set = { ...(mode === undefined ? {} : { along: settingMode(mode) }), ...attributes, nowNs: nowNs(fs) }
  const before = fs.marks.current(ino)
  const inode = await named(syscall, path, () => fs.metadata.setAttributes(ino, set, patienceOf(fs.table, limits)))
  fs.known.inodeChanged(before, inode)
  if (attributes.along === undefined) fs.known.xattrsStayed(ino, before)
  fs.openInodes.get(ino)?.attributesChanged(fs.marks, before, inode)
  return inode
}

/** Checks permission bits. */
export function permissions(bits: unknown): number {
  if (typeof bits !== 'number') throw wrongType('mode', 'of type number', bits)
  if (!Number.isInteger(bits) || bits < 0 || bits > 0o7777) throw invalidValue('mode', 'must be permission bits', bits)
  return bits
}

export async function setPermissions(fs: FileSystem, subject: Subject, mode: number): Promise<void> {
  await changeAttributes(fs, subject, 'chmod', { mode: permissions(mode) })
}

/**
 * Sets owner and group; -1 leaves one as it is. As in Linux whatever is no directory loses setuid, and setgid where its
 * group may execute it.
 */
export async function setOwner(fs: FileSystem, subject: Subject, uid: number, gid: number): Promise<void> {
  for (const [name, id] of [
    ['uid', uid],
    ['gid', gid],
  ] as const) {
    if (typeof id !== 'number') throw wrongType(name, 'of type number', id)
    if (!Number.isInteger(id) || id < -1 || id > 0xffff_ffff) throw outOfRange(name, '>= -1 and < 2^32', id)
  }
  await changeAttributes(fs, subject, 'chown', {
    ...(uid === -1 || uid === 0xffff_ffff ? {} : { uid }),
    ...(gid === -1 || gid === 0xffff_ffff ? {} : { gid }),
    dropsPrivileges: true,
  })
}

/** Sets access and modification time. Writes of this participant that are not stored yet keep no later time. */
export async function setTimes(fs: FileSystem, subject: Subject, atime: TimeLike, mtime: TimeLike): Promise<void> {
  const times = { atimeNs: nanoseconds('atime', atime), mtimeNs: nanoseconds('mtime', mtime) }
  await changeAttributes(fs, subject, 'utime', times)
}

const NS_PER_S = 1_000_000_000n
/** What the store holds: a signed 64 bit number, from 1677 to 2262. */
const MOST_NS = 2n ** 63n - 1n

function nanoseconds(name: string, time: TimeLike): bigint {
  const ns = typeof time === 'bigint' ? time : nanosecondsOfSeconds(name, time)
  if (ns > MOST_NS || ns < -MOST_NS) throw outOfRange(name, 'between the years 1678 and 2262', time)
  return ns
}

function nanosecondsOfSeconds(name: string, time: Exclude<TimeLike, bigint>): bigint {
  const seconds = time instanceof Date ? time.getTime() / 1000 : Number(time)
  if (!Number.isFinite(seconds) || (typeof time === 'string' && time.trim() === ''))
    throw wrongType(name, 'a Date, a number of seconds, a numeric string or a bigint of nanoseconds', time)
  const whole = Math.floor(seconds)
  return BigInt(whole) * NS_PER_S + BigInt(Math.round((seconds - whole) * 1e9))
}

/** Sets the policies of a file, or those that files made in a directory inherit. */
export async function setPolicies(fs: FileSystem, subject: Subject, { busy, dax }: PolicyChange): Promise<void> {
  if (busy !== undefined && busy !== null) checkChoice('busy', busy, BUSY_POLICIES)
  if (dax !== undefined && dax !== null) checkChoice('dax', dax, DAX_MODES)
  await changeAttributes(fs, subject, 'setattr', {
    ...(busy === undefined ? {} : { busy }),
    ...(dax === undefined ? {} : { dax }),
  })
}

/** EOPNOTSUPP for a name of no namespace, EINVAL for one that is only a namespace, ERANGE for a long one; for 'user.' on a
 * symlink or node `codeOfUser`: there can be none to read, and none may be made. */
function checkXattrName(name: string, { kind }: Inode, syscall: string, path: string, codeOfUser = 'EPERM'): void {
  if (typeof name !== 'string') throw wrongType('name', 'of type string', name)
  if (name.includes('\0')) throw invalidValue('name', 'must be a string without null bytes', name)
  if (name === '' || Buffer.byteLength(name) > XATTR_NAME_MAX)
    throw systemError('ERANGE', `an attribute's name has 1 to ${XATTR_NAME_MAX} bytes`, { syscall, path })
  const namespace = XATTR_NAMESPACES.find((prefix) => name.startsWith(prefix))
  if (namespace === undefined) {
    const what = `the attribute's name must begin with one of ${XATTR_NAMESPACES.join(' ')}`
    throw systemError('EOPNOTSUPP', what, { syscall, path })
  }
  if (namespace === name)
    throw systemError('EINVAL', "the attribute's name must go on after its namespace", { syscall, path })
  if (namespace === 'user.' && kind !== 'file' && kind !== 'directory')
    throw systemError(codeOfUser, `a ${kind} has no attributes of the namespace 'user'`, { syscall, path })
}

/** ENODATA when there is none. */
export async function xattrOf(fs: FileSystem, inode: Inode, name: string, path: string): Promise<Buffer> {
  checkXattrName(name, inode, 'getxattr', path, 'ENODATA')
  const value = await named('getxattr', path, () => fs.known.xattr(inode.ino, name))
  if (value === undefined)
    throw systemError('ENODATA', `there is no attribute '${name}'`, { syscall: 'getxattr', path })
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

/** As `OpenFile.setXattr`. An access control list is set whatever `mode` says; `keepsSetgid` is about its change of the mode. */
export async function setXattr(
  fs: FileSystem,
  inode: Inode,
  name: string,
  value: NodeJS.ArrayBufferView | string,
  mode: XattrMode,
  path: string,
  keepsSetgid = true,
  limits = limitsOf(fs),
): Promise<void> {
  checkXattrName(name, inode, 'setxattr', path)
  if (typeof value !== 'string' && !ArrayBuffer.isView(value))
    throw wrongType('value', 'a string or an ArrayBufferView', value)
  checkChoice('mode', mode, ['set', 'create', 'replace'])
  const bytes =
    typeof value === 'string' ? Buffer.from(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  if (isAcl(name)) {
    const along = name === ACCESS_ACL ? settingAccess(bytes, keepsSetgid) : settingDefault(bytes)
    await changeAttributes(fs, { ino: inode.ino, path }, 'setxattr', { along }, limits)
    return
  }
  const patience = patienceOf(fs.table, limits)
  await named('setxattr', path, () =>
    fs.metadata.setXattr(inode.ino, name, bytes, { mode, nowNs: nowNs(fs) }, patience),
  )
}

export async function removeXattr(
  fs: FileSystem,
  inode: Inode,
  name: string,
  path: string,
  limits = limitsOf(fs),
): Promise<void> {
  checkXattrName(name, inode, 'removexattr', path)
  if (isAcl(name)) {
    await changeAttributes(fs, { ino: inode.ino, path }, 'removexattr', { along: removing(name) }, limits)
    return
  }
  const patience = patienceOf(fs.table, limits)
  await named('removexattr', path, () => fs.metadata.removeXattr(inode.ino, name, nowNs(fs), patience))
}
