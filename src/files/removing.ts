/**
 * Removing: names taken away, and moved. Taking away a file's last name makes its blocks go, at once or at the last close,
 * so it goes through the door: under `fail` and `wait` the name stays while the blocks are pinned.
 */
import { breaks } from '../diagnostics.ts'
import { named, systemError } from '../errors.ts'
import type { TakeName } from '../layout/break-last-name.ts'
import { breakLastName } from '../layout/break-last-name.ts'
import { reclaimLostFile } from '../layout/lost-and-found.ts'
import { patienceOf } from '../layout/waiting.ts'
import type { BusyPolicy, Inode, NameLoss, RenameMode } from '../metadata/metadata.ts'
import { LOST_AND_FOUND_INODE } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { FileSystem } from './file-system.ts'
import { busyPolicyOf, mustBeWritable } from './file-system.ts'
import { nowNs } from './growth.ts'
import type { BusyCall, Call, NameIn } from './making.ts'
import { removeIfOrphan } from './open-inodes.ts'

/**
 * What is in lost+found is no ordinary file: it can be read and removed. What fsck reconnected there, as `#INODE`, is one.
 */
export const isInLostAndFound = ({ parent, name }: Pick<NameIn, 'parent' | 'name'>): boolean =>
  parent === LOST_AND_FOUND_INODE && !name.startsWith('#')

/**
 * Takes a name away that is no directory's; in lost+found the file itself. Returns the inode after it; undefined: it was of
 * lost+found. ENOENT, EISDIR, and by policy EBUSY, ETIMEDOUT with holders.
 */
export async function removeName(fs: FileSystem, at: NameIn, call: BusyCall): Promise<NameLoss> {
  const { parent, name } = at
  const { syscall, path } = call
  if (isInLostAndFound({ parent, name })) return removeLost(fs, name, call)
  const request = { parent, name, nowNs: nowNs(fs) }
  const before = fs.marks.current(parent)
  const loss = await takeName(fs, call, path, (decide, patience) =>
    named(syscall, path, () => fs.metadata.unlink(request, decide, patience)),
  )
  fs.known.entryChanged(at, before, null, { links: 0, nowNs: request.nowNs })
  return loss
}

/**
 * The same at once for a file that was made so lately that nobody else can know it, and nobody has open: no block goes with it,
 * so nothing is to be asked of pins. Returns the inode as it was last; undefined: ask {@link removeName}.
 */
export function removeNameNow(fs: FileSystem, at: NameIn): Inode | undefined {
  const { metadata } = fs
  if (metadata.unlinkNow === undefined || breaks.hasSubscribers || isInLostAndFound(at)) return undefined
  const { parent, name } = at
  const request = { parent, name, nowNs: nowNs(fs) }
  const before = fs.marks.current(parent)
  // What nobody else knows nobody else has open.
  const inode = metadata.unlinkNow(request, (ino) => fs.openInodes.isOpen(ino))
  if (inode === undefined) return undefined
  fs.known.entryChanged(at, before, null, { links: 0, nowNs: request.nowNs })
  forget(fs, inode.ino)
  return inode
}

async function removeLost(fs: FileSystem, name: string, { syscall, path }: Call): Promise<NameLoss> {
  mustBeWritable(fs, syscall, path)
  const file = await fs.known.lookUp(LOST_AND_FOUND_INODE, name)
  const inode = file === null ? undefined : await fs.known.lookUpInode(file.ino)
  if (inode === undefined) throw systemError('ENOENT', 'no such file or directory', { syscall, path })
  await reclaimLostFile(fs, { ino: inode.ino, name }, syscall)
  fs.freed()
  return { committed: true, inode, isGone: true, lostAndFound: [] }
}

/** Removes an empty directory; returns it as it was last. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (lost+found). */
export async function removeDirectory(fs: FileSystem, at: NameIn, { syscall, path, limits }: Call): Promise<Inode> {
  const { parent, name } = at
  const request = { parent, name, nowNs: nowNs(fs) }
  const before = fs.marks.current(parent)
  const inode = await named(syscall, path, () => fs.metadata.removeDirectory(request, patienceOf(fs.table, limits)))
  fs.known.entryChanged(at, before, null, { links: -1, nowNs: request.nowNs })
  forget(fs, inode.ino)
  return inode
}

/** Moves a name, whole or not at all. The result is about the inode that was replaced: as in `removeName`. */
export async function moveName(
  fs: FileSystem,
  from: NameIn,
  to: NameIn,
  mode: RenameMode,
  call: BusyCall & { readonly dest: string },
): Promise<NameLoss> {
  const { syscall, path, dest } = call
  const request = {
    fromParent: from.parent,
    fromName: from.name,
    toParent: to.parent,
    toName: to.name,
    mode,
    nowNs: nowNs(fs),
  }
  return takeName(fs, call, dest, (decide, patience) =>
    named(syscall, path, () => fs.metadata.rename(request, decide, patience), dest),
  )
}

function forget({ known, openInodes }: FileSystem, ino: InodeNumber): void {
  known.gone(ino)
  openInodes.gone(ino)
}

/** Takes a name away, by `take`, when the policy lets the blocks go of the file whose last it is: `path` in errors. */
async function takeName(
  fs: FileSystem,
  { busy, limits, syscall }: BusyCall,
  path: string,
  take: TakeName,
): Promise<NameLoss> {
  const policyOf = (inode: Inode): BusyPolicy => busyPolicyOf(fs, inode, { busy })
  const loss = await breakLastName(fs, { policyOf, limits, syscall, path }, take)
  if (!loss.isGone) {
    if (loss.inode?.nlink === 0) await removeIfOrphan(fs, loss.inode.ino)
    return loss
  }
  if (loss.inode !== undefined) forget(fs, loss.inode.ino)
  fs.freed()
  return loss
}
