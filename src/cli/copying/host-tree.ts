/**
 * The host as one side of a copy of trees, as far as node:fs goes: it has no extended attributes, and sets times to a
 * quarter of a microsecond, those before 1970 to a millisecond. Synchronous, but for the content of long files: a turn of
 * the thread pool takes longer than what is to be done, and this process has nothing else to do.
 */
import { isUtf8 } from 'node:buffer'
import type { BigIntStats } from 'node:fs'
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import { codeOf, systemError } from '../../errors.ts'
import type { InodeKind } from '../../index.ts'
import { handOn } from './attributes.ts'
import { unlessMissing } from './places.ts'
import { putInPlace } from './replace-file.ts'
import type { SourceTree, TargetTree, TreeNode } from './tree.ts'
import { LeftOut } from './tree.ts'

/** `poolPath` is the pool that is copied into: it may lie in what is copied. */
export function hostSource(poolPath: string): SourceTree {
  const pool = keyOf(lstatSync(poolPath, { bigint: true }))
  return {
    async look(path) {
      const node = lookAtHost(path)
      if (node.key === pool) throw new LeftOut('the pool itself')
      return node
    },
    async *names(path) {
      yield* readdirSync(path)
    },
    async readlink(path) {
      const target = readlinkSync(path, 'buffer')
      if (!isUtf8(target)) throw notUtf8('the symlink points to a name that', 'readlink', path)
      return target.toString()
    },
  }
}

function lookAtHost(path: string): TreeNode {
  try {
    return nodeOf(lstatSync(path, { bigint: true }))
  } catch (error) {
    // What is no UTF-8 was replaced by U+FFFD when it was read, and is not found.
    if (codeOf(error) === 'ENOENT' && path.includes('\uFFFD')) throw notUtf8('the name', 'lstat', path)
    throw error
  }
}

const notUtf8 = (what: string, syscall: string, path: string): Error =>
  systemError('EILSEQ', `${what} is not UTF-8, as names in a pool are`, { syscall, path })

const names = {
  rename: async (from: string, to: string): Promise<void> => renameSync(from, to),
  unlink: async (path: string): Promise<void> => unlinkSync(path),
}

export const hostTarget: TargetTree = {
  look: async (path) => unlessMissing(() => lookAtHost(path)),
  // Until it is finished this process must be able to write in it, whoever else may not.
  makeDirectory: async (path, { mode }) => mkdirSync(path, { mode: (mode & 0o777) | 0o700 }),
  makeSymlink: (path, target, isTaken) => putInPlace(path, isTaken, async (at) => symlinkSync(target, at), names),
  makeLink: (path, existing, isTaken) => putInPlace(path, isTaken, async (at) => linkSync(existing, at), names),
  finish: (path, node) => {
    const isLink = node.kind === 'symlink'
    return handOn(node, {
      stat: async () => lstatSync(path),
      chown: async (uid, gid) => (isLink ? lchownSync : chownSync)(path, uid, gid),
      chmod: isLink ? undefined : async (mode) => chmodSync(path, mode),
      setTimes: async (atimeNs, mtimeNs) => (isLink ? lutimesSync : utimesSync)(path, timeOf(atimeNs), timeOf(mtimeNs)),
    })
  },
}

/** For node:fs a negative number is the present. */
const timeOf = (ns: bigint): number | Date => (ns < 0n ? new Date(Number(ns / 1_000_000n)) : Number(ns) / 1e9)

const keyOf = ({ dev, ino }: BigIntStats): string => `${dev} ${ino}`

function nodeOf(stat: BigIntStats): TreeNode {
  return {
    kind: kindOf(stat),
    key: keyOf(stat),
    nlink: Number(stat.nlink),
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
    xattrs: new Map(),
  }
}

function kindOf(stat: BigIntStats): InodeKind {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isFIFO()) return 'fifo'
  if (stat.isSocket()) return 'socket'
  return stat.isBlockDevice() ? 'block' : 'character'
}
