/** What an inode is when it is made. */
import assert from 'node:assert/strict'
import type { InodeNumber } from '../units.ts'
import type { CreateRequest, Inode } from './metadata.ts'

/** The bit of a directory's mode that gives its group to what is made in it. */
const S_ISGID = 0o2000

/** `mode`: instead of the one that was asked for. In the order of the columns, one shape for all: they are many, and short-lived. */
export function newInode(
  ino: InodeNumber,
  { name, kind, uid, gid, target, rdev = 0, nowNs }: CreateRequest,
  mode: number,
  directory: Inode,
): Inode {
  assert((kind === 'symlink') === (target !== undefined), 'a symlink has a target, nothing else has')
  const isDirectory = kind === 'directory'
  const givesGroup = (directory.mode & S_ISGID) !== 0
  const inherits = isDirectory || kind === 'file'
  return {
    ino,
    kind,
    mode: givesGroup && isDirectory ? mode | S_ISGID : mode,
    uid,
    gid: givesGroup ? directory.gid : gid,
    nlink: isDirectory ? 2 : name === undefined ? 0 : 1,
    size: target === undefined ? 0 : Buffer.byteLength(target),
    blocks: 0,
    atimeNs: nowNs,
    mtimeNs: nowNs,
    ctimeNs: nowNs,
    birthtimeNs: nowNs,
    changeCount: 0,
    busy: inherits ? directory.busy : undefined,
    dax: inherits ? directory.dax : undefined,
    target,
    rdev,
  }
}
