/** Attributes of the model's nodes, as Linux changes them. */
import type { XattrMode } from '../../src/metadata/metadata.ts'
import { ModelError } from './model-tree.ts'
import type { Node } from './model-tree.ts'
import type { Model } from './model-state.ts'
import type { Data, Policies, Who } from './operations.ts'
import { bytesOf } from './operations.ts'

const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010

export function setMode(node: Node, mode: number): undefined {
  node.mode = mode
  node.changes++
}

/** Whatever is no directory loses setuid, and setgid where its group may execute it. */
export function setOwner(node: Node, uid: number, gid: number): undefined {
  if (uid !== -1) node.uid = uid
  if (gid !== -1) node.gid = gid
  if (node.kind !== 'directory') node.mode &= ~(S_ISUID | ((node.mode & S_IXGRP) === 0 ? 0 : S_ISGID))
  node.changes++
}

/** Seconds, in quarters, so that every system can say them exactly. */
export function setTimes(
  model: Model,
  node: Node,
  by: Who,
  { atime, mtime }: { atime: number; mtime: number },
): undefined {
  model.store(node, by)
  node.atimeNs = nanoseconds(atime)
  // Who wrote and has not stored that yet sets the time of that later.
  node.mtimeNs = node.unstored.size === 0 ? nanoseconds(mtime) : undefined
  node.changes++
}

const nanoseconds = (seconds: number): bigint => BigInt(seconds * 4) * 250_000_000n

export function setPolicies(node: Node, { busy, dax }: Policies): undefined {
  if (busy !== undefined) node.busy = busy ?? undefined
  if (dax !== undefined) node.dax = dax ?? undefined
  node.changes++
}

const NAMESPACES = ['user.', 'trusted.', 'security.', 'system.']
const XATTR_NAME_MAX = 255
const XATTR_SIZE_MAX = 65_536
const XATTR_LIST_MAX = 65_536

function checkXattr({ kind }: Node, name: string, codeOfUser: string): void {
  if (name === '' || Buffer.byteLength(name) > XATTR_NAME_MAX) throw new ModelError('ERANGE')
  if (NAMESPACES.includes(name)) throw new ModelError('EINVAL')
  if (!NAMESPACES.some((namespace) => name.startsWith(namespace))) throw new ModelError('EOPNOTSUPP')
  if (name.startsWith('user.') && kind !== 'file' && kind !== 'directory') throw new ModelError(codeOfUser)
}

export function setXattr(node: Node, name: string, data: Data, mode: XattrMode): undefined {
  checkXattr(node, name, 'EPERM')
  const { xattrs } = node
  if (data.length > XATTR_SIZE_MAX) throw new ModelError('E2BIG')
  if (mode === 'create' && xattrs.has(name)) throw new ModelError('EEXIST')
  if (mode === 'replace' && !xattrs.has(name)) throw new ModelError('ENODATA')
  const listed = [...xattrs.keys(), ...(xattrs.has(name) ? [] : [name])]
  const size = listed.reduce((sum, each) => sum + Buffer.byteLength(each) + 1, 0)
  if (size > XATTR_LIST_MAX) throw new ModelError('ENOSPC')
  xattrs.set(name, bytesOf(data))
  node.changes++
}

export function getXattr(node: Node, name: string): Buffer {
  checkXattr(node, name, 'ENODATA')
  const known = node.xattrs.get(name)
  if (known === undefined) throw new ModelError('ENODATA')
  return known
}

export const listXattrs = ({ xattrs }: Node): string[] => [...xattrs.keys()].toSorted(byBytes)

export function removeXattr(node: Node, name: string): undefined {
  checkXattr(node, name, 'EPERM')
  if (!node.xattrs.delete(name)) throw new ModelError('ENODATA')
  node.changes++
}

export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
