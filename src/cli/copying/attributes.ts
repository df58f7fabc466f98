/** What a copy gets of its source besides content: permission bits; in trees also the owner and times. */
import type { Pool } from '../../index.ts'
import type { TreeNode } from './tree.ts'

/** Bits of a single file: those of what it replaces, else its source's less the umask, as any program makes a file. */
export const singleMode =
  (pool: Pool, sourceMode: number) =>
  (replaced: { readonly mode: number } | undefined): number =>
    replaced === undefined ? sourceMode & 0o777 & ~pool.fileSystem.umask : replaced.mode & 0o7777

/** A file, directory or symlink that was made. */
export interface Copied {
  stat(): Promise<{ readonly uid: number; readonly gid: number; readonly mode: number }>
  chown(uid: number, gid: number): Promise<void>
  /** Undefined: it has no bits of its own, as a symlink. */
  readonly chmod: ((mode: number) => Promise<void>) | undefined
  setTimes(atimeNs: bigint, mtimeNs: bigint): Promise<void>
}

/** Whether this process may make files others': elsewhere as in a pool, though a pool would let everybody. */
const mayGiveAway = (): boolean => process.geteuid?.() === 0

/** A program that runs as its owner must not come to run as whoever copied it. */
const SET_ID_BITS = 0o6000

/** The superuser's copies belong to whom the source belongs to, as with cp -p; others' to themselves, without set-id bits. */
export async function handOn(node: TreeNode, copy: Copied): Promise<void> {
  let { uid, gid, mode } = await copy.stat()
  if (mayGiveAway() && (uid !== node.uid || gid !== node.gid)) {
    await copy.chown(node.uid, node.gid)
    // Which may have cleared bits.
    ;({ uid, gid, mode } = await copy.stat())
  }
  const isSameOwner = uid === node.uid && gid === node.gid
  const bits = isSameOwner ? node.mode : node.mode & ~SET_ID_BITS
  if ((mode & 0o7777) !== bits) await copy.chmod?.(bits)
  await copy.setTimes(node.atimeNs, node.mtimeNs)
}
