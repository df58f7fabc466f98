/**
 * Access control lists of POSIX 1003.1e, as Linux stores them: extended attributes whose bytes are the kernel's own form,
 *
 *   version 2, then for each entry: tag (16 bits), permissions (16), id (32); little endian.
 *
 * The access list and the permission bits say the same thing twice, and change together, in one transaction: the list's
 * mask (without one, its group) is the mode's group bits. A list that says no more than a mode can is not stored. What is
 * made in a directory with a default list begins with that, and the umask is not asked.
 */
import { systemError } from '../errors.ts'
import type { Along, InodeKind } from '../metadata/metadata.ts'

export const ACCESS_ACL = 'system.posix_acl_access'
const DEFAULT_ACL = 'system.posix_acl_default'

export const isAcl = (name: string): boolean => name === ACCESS_ACL || name === DEFAULT_ACL

const Tag = { owner: 0x01, user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const
const NAMED: readonly number[] = [Tag.user, Tag.group]

interface AclEntry {
  readonly tag: number
  /** Read 4, write 2, execute 1. */
  permissions: number
  /** Of a user or group that is named. */
  readonly id: number
}

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8
const ALL_TAGS = 0x3f

/** EINVAL: no list of entries, or one that leaves out the owner, the group or the others. */
function parse(value: Uint8Array, name: string): AclEntry[] {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const refused = (): Error =>
    systemError('EINVAL', `the value of '${name}' is no access control list`, { syscall: 'setxattr' })
  const count = (bytes.length - HEADER_BYTES) / ENTRY_BYTES
  if (!Number.isInteger(count) || count < 0 || bytes.readUInt32LE(0) !== VERSION) throw refused()
  const entries = Array.from({ length: count }, (_, nth) => {
    const at = HEADER_BYTES + nth * ENTRY_BYTES
    return { tag: bytes.readUInt16LE(at), permissions: bytes.readUInt16LE(at + 2), id: bytes.readUInt32LE(at + 4) }
  })
  const countOf = (tag: number): number => entries.filter((entry) => entry.tag === tag).length
  const isComplete = [Tag.owner, Tag.owningGroup, Tag.other].every((tag) => countOf(tag) === 1)
  const masks = countOf(Tag.mask)
  const needsMask = entries.some(({ tag }) => NAMED.includes(tag))
  const isPlain = entries.every(({ tag, permissions }) => (tag & ALL_TAGS) === tag && permissions <= 7)
  if (!isComplete || !isPlain || masks > 1 || (needsMask && masks === 0)) throw refused()
  return entries
}

function encode(entries: readonly AclEntry[]): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES)
  bytes.writeUInt32LE(VERSION, 0)
  for (const [nth, { tag, permissions, id }] of entries.entries()) {
    const at = HEADER_BYTES + nth * ENTRY_BYTES
    bytes.writeUInt16LE(tag, at)
    bytes.writeUInt16LE(permissions, at + 2)
    bytes.writeUInt32LE(id, at + 4)
  }
  return bytes
}

/** The entries that permission bits stand for: whose bits are at which place. */
function placesOf(entries: readonly AclEntry[]): readonly (readonly [entry: AclEntry, shift: number])[] {
  const of = (tag: number): AclEntry => entries.find((entry) => entry.tag === tag)!
  const group = entries.find(({ tag }) => tag === Tag.mask) ?? of(Tag.owningGroup)
  return [
    [of(Tag.owner), 6],
    [group, 3],
    [of(Tag.other), 0],
  ]
}

const modeOf = (entries: readonly AclEntry[]): number =>
  placesOf(entries).reduce((mode, [{ permissions }, shift]) => mode | (permissions << shift), 0)

/** It says no more than permission bits. */
const isMinimal = (entries: readonly AclEntry[]): boolean => entries.length === 3

/** With a new access list: the permission bits follow it. `keepsSetgid` false: setgid goes. EINVAL. */
export function settingAccess(value: Uint8Array, keepsSetgid: boolean): Along {
  const entries = parse(value, ACCESS_ACL)
  return ({ mode }) => ({
    mode: (mode & (keepsSetgid ? 0o7000 : 0o5000)) | modeOf(entries),
    xattrs: [[ACCESS_ACL, isMinimal(entries) ? undefined : value]],
  })
}

/** With a new default list, of a directory. EINVAL; EACCES: only directories have one. */
export function settingDefault(value: Uint8Array): Along {
  parse(value, DEFAULT_ACL)
  return ({ kind }) => {
    if (kind !== 'directory')
      throw systemError('EACCES', 'only directories have a default list', { syscall: 'setxattr' })
    return { xattrs: [[DEFAULT_ACL, value]] }
  }
}

/** Without either of them, there or not. */
export const removing =
  (name: string): Along =>
  () => ({ xattrs: [[name, undefined]] })

/** With new permission bits: an access list follows them. */
export function settingMode(mode: number): Along {
  return (_, xattrOf) => {
    const value = xattrOf(ACCESS_ACL)
    if (value === undefined) return {}
    const entries = parse(value, ACCESS_ACL)
    for (const [entry, shift] of placesOf(entries)) entry.permissions = (mode >> shift) & 7
    return { xattrs: [[ACCESS_ACL, encode(entries)]] }
  }
}

/**
 * Of something new: the permission bits asked for, less the umask or, in a directory with a default list, less what that
 * does not allow; then it begins with that list, and a directory has it, too.
 */
export function inheriting(kind: InodeKind, mode: number, umask: number): Along | undefined {
  if (kind === 'symlink') return undefined
  return (_, xattrOf) => {
    const value = xattrOf(DEFAULT_ACL)
    if (value === undefined) return { mode: mode & ~umask }
    const entries = parse(value, DEFAULT_ACL)
    for (const [entry, shift] of placesOf(entries)) entry.permissions &= (mode >> shift) & 7
    return {
      mode: (mode & 0o7000) | modeOf(entries),
      xattrs: [
        ...(isMinimal(entries) ? [] : ([[ACCESS_ACL, encode(entries)]] as const)),
        ...(kind === 'directory' ? ([[DEFAULT_ACL, value]] as const) : []),
      ],
    }
  }
}
