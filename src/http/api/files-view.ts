/** Directories and files as the API shows them. Plain JSON: sizes in bytes, times in ms since 1970. */
import { systemError } from '../../errors.ts'
import { inodeAt } from '../../files/paths.ts'
import type { BusyPolicy, DaxMode, Inode, InodeKind } from '../../metadata/metadata.ts'
import type { Pool } from '../../pool/pool.ts'
import type { FileHold } from '../../pool/why.ts'
import { bytesOf } from '../../units.ts'

export interface FileStat {
  readonly inode: number
  readonly kind: InodeKind
  readonly sizeBytes: number
  /** What it has of the device: holes are not in it. */
  readonly mappedBytes: number
  readonly mode: number
  readonly links: number
  readonly modifiedMs: number
  readonly changeCount: number
  /** The file's own policies; null: those of the pool. */
  readonly busy: BusyPolicy | null
  readonly dax: DaxMode | null
}

export interface FileEntry extends FileStat {
  readonly name: string
}

export interface FileListing {
  readonly path: string
  readonly entries: readonly FileEntry[]
  /** Where the next portion begins: `?after=`; missing: there is none. */
  readonly next?: string
}

export interface FileView {
  readonly path: string
  readonly stat: FileStat
  /** The policies in force. */
  readonly policy: { readonly busy: BusyPolicy; readonly dax: DaxMode }
  /** A portion, in the order of the file: bytes of the file, block of the device, blocks. */
  readonly extents: readonly { readonly offset: number; readonly block: number; readonly length: number }[]
  /** Where the next portion begins: `?from=`; missing: there is none. */
  readonly nextExtent?: number
  readonly extentCount: number
  readonly pins: FileHold['pins']
  readonly leases: FileHold['leases']
  readonly changes: FileHold['changes']
  readonly opens: FileHold['opens']
  readonly lostAndFound: FileHold['lostAndFound']
  readonly heldBackBytes: number
}

/** Of one portion. */
export const MOST_EXTENTS = 1000

/** `limit` entries behind the name `after`, in byte order. ENOENT, ENOTDIR. */
export async function listingOf(
  { fileSystem }: Pool,
  path: string,
  { after, limit }: { after: string; limit: number },
): Promise<FileListing> {
  const { metadata } = fileSystem
  const directory = await inodeAt(fileSystem, path, 'scandir')
  if (directory.kind !== 'directory')
    throw systemError('ENOTDIR', 'this is not a directory', { syscall: 'scandir', path })
  const found = await metadata.entries(directory.ino, { after, limit })
  const entries: FileEntry[] = []
  for (const { name, ino } of found) {
    const inode = await metadata.inode(ino)
    // Gone meanwhile.
    if (inode !== undefined) entries.push({ name, ...statOf(inode) })
  }
  return { path, entries, ...(found.length < limit ? {} : { next: found.at(-1)!.name }) }
}

/** With `limit` extents from that on which holds byte `from`, or begins behind it. ENOENT, EISDIR. */
export async function fileView(
  pool: Pool,
  path: string,
  { from, limit }: { readonly from: number; readonly limit: number } = { from: 0, limit: MOST_EXTENTS },
): Promise<FileView> {
  const { metadata, properties } = pool.fileSystem
  const { ino } = await inodeAt(pool.fileSystem, path, 'stat')
  const { pins, leases, changes, opens, lostAndFound, heldBackBytes } = await pool.why(path)
  const layout = await metadata.layout(ino)
  if (layout === undefined) throw systemError('ENOENT', 'the file was removed meanwhile', { syscall: 'stat', path })
  const { inode, extents } = layout
  const behind = extents.findIndex(({ fileBlock, count }) => bytesOf(fileBlock) + bytesOf(count) > from)
  const first = behind < 0 ? extents.length : behind
  const next = extents.at(first + limit)
  return {
    path,
    stat: statOf(inode),
    policy: { busy: inode.busy ?? properties.busy, dax: inode.dax ?? properties.dax },
    ...(first + limit < extents.length ? { nextExtent: bytesOf(next!.fileBlock) } : {}),
    extents: extents.slice(first, first + limit).map(({ fileBlock, deviceBlock, count }) => ({
      offset: bytesOf(fileBlock),
      block: deviceBlock,
      length: count,
    })),
    extentCount: extents.length,
    pins,
    leases,
    changes,
    opens,
    lostAndFound,
    heldBackBytes,
  }
}

const statOf = (inode: Inode): FileStat => ({
  inode: inode.ino,
  kind: inode.kind,
  sizeBytes: inode.size,
  mappedBytes: bytesOf(inode.blocks),
  mode: inode.mode,
  links: inode.nlink,
  modifiedMs: Number(inode.mtimeNs / 1_000_000n),
  changeCount: inode.changeCount,
  busy: inode.busy ?? null,
  dax: inode.dax ?? null,
})
