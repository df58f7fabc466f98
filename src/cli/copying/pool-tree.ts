/** A pool as one side of a copy of trees. */
import type { BusyOptions, File, Pool, Stat } from '../../index.ts'
import { LOST_AND_FOUND_INODE } from '../../metadata/metadata.ts'
import { kindOf } from '../stat-text.ts'
import type { Run } from '../verb.ts'
import { handOn } from './attributes.ts'
import { unlessMissing } from './places.ts'
import { namesIn, putInPlace, replaceFile } from './replace-file.ts'
import type { SourceTree, TargetTree, TreeNode } from './tree.ts'
import { LeftOut } from './tree.ts'

/** `/lost+found` is left out, unless it is what is copied. */
export function poolSource(pool: Pool): SourceTree {
  return {
    async look(path) {
      const stat = await pool.lstat(path)
      return nodeOf(stat, await userXattrsOf(pool, path, stat))
    },
    async *names(path) {
      for await (const { name, ino } of pool.entries(path)) if (ino !== LOST_AND_FOUND_INODE) yield name
    },
    readlink: (path) => pool.readlink(path),
  }
}

/** `busy` is for the pinned blocks of replaced files. */
export function poolTarget(pool: Pool, busy: BusyOptions): TargetTree {
  const names = namesIn(pool, busy)
  return {
    async look(path) {
      const stat = await unlessMissing(() => pool.lstat(path))
      if (stat?.ino === LOST_AND_FOUND_INODE) throw new LeftOut("the pool's own lost+found takes nothing in")
      return stat === undefined ? undefined : nodeOf(stat)
    },
    makeDirectory: (path, { mode }) => pool.mkdir(path, { mode: mode & 0o777 }),
    makeSymlink: (path, target, isTaken) => putInPlace(path, isTaken, (place) => pool.symlink(target, place), names),
    makeLink: (path, existing, isTaken) => putInPlace(path, isTaken, (place) => pool.link(existing, place), names),
    async finish(path, node) {
      const isLink = node.kind === 'symlink'
      await handOn(node, {
        stat: () => pool.lstat(path),
        chown: (uid, gid) => (isLink ? pool.lchown(path, uid, gid) : pool.chown(path, uid, gid)),
        chmod: isLink ? undefined : (mode) => pool.chmod(path, mode),
        setTimes: (atimeNs, mtimeNs) =>
          isLink ? pool.lutimes(path, atimeNs, mtimeNs) : pool.utimes(path, atimeNs, mtimeNs),
      })
      for (const [name, value] of node.xattrs) await pool.setXattr(path, name, value)
    },
  }
}

/** Makes or replaces one file of a tree. */
export async function replaceTreeFile(
  run: Run,
  pool: Pool,
  path: string,
  node: TreeNode,
  busy: BusyOptions,
  fill: (file: File) => Promise<void>,
): Promise<void> {
  await replaceFile(run, pool, { path, mode: () => node.mode & 0o777, busy }, async (file) => {
    await fill(file)
    for (const [name, value] of node.xattrs) await file.setXattr(name, value)
    await handOn(node, {
      stat: () => file.stat(),
      chown: (uid, gid) => file.chown(uid, gid),
      chmod: (mode) => file.chmod(mode),
      setTimes: (atimeNs, mtimeNs) => file.utimes(atimeNs, mtimeNs),
    })
  })
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map()

function nodeOf(stat: Stat, xattrs = NO_XATTRS): TreeNode {
  const { ino, nlink, mode, uid, gid, atimeNs, mtimeNs } = stat
  return { kind: kindOf(stat), key: String(ino), nlink, mode: mode & 0o7777, uid, gid, atimeNs, mtimeNs, xattrs }
}

/** Other kinds have none of the namespace 'user'. */
async function userXattrsOf(pool: Pool, path: string, stat: Stat): Promise<ReadonlyMap<string, Uint8Array>> {
  if (!stat.isFile() && !stat.isDirectory()) return NO_XATTRS
  const names = (await pool.listXattrs(path)).filter((name) => name.startsWith('user.'))
  if (names.length === 0) return NO_XATTRS
  const values = new Map<string, Uint8Array>()
  for (const name of names) values.set(name, await pool.getXattr(path, name))
  return values
}
