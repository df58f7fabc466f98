/**
 * Why a file's layout or blocks stay as they are: everything that a layout change of it would meet, in one object.
 *
 * Each part is read at its own moment, and others go on meanwhile: it is a look, not a snapshot.
 */
import { posix } from 'node:path'
import type { Holder } from '../errors.ts'
import { codeOf, systemError } from '../errors.ts'
import type { FileSystem } from '../files/file-system.ts'
import { inodeAt } from '../files/paths.ts'
import { changeHolders } from '../layout/changes-under-way.ts'
import { bytesThatLeft, heldBackBy } from '../layout/held-back.ts'
import { allClaims, openHolders, transactionHolders } from '../layout/holders.ts'
import { leaseHolderOf, leasesOf } from '../layout/leases.ts'
import { deviceBytesOf, overlappingClaims, wholeBlocks } from '../layout/overlaps.ts'
import type { ClaimView, DeviceBytes } from '../layout/overlaps.ts'
import type { BusyPolicy, Layout } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import type { LostFile } from './lost-and-found.ts'
import { describePins, withPaths } from './pool-stats.ts'

/** Plain JSON. Sizes in bytes, times in milliseconds. */
export interface FileHold {
  readonly path: string
  /** The file; of a name that is gone: the files that had it, as lost+found knows them. */
  readonly inodes: readonly number[]
  /** False: the name is gone. */
  readonly exists: boolean
  readonly sizeBytes: number
  /** What a layout change does about pins unless it is told otherwise. */
  readonly busy: BusyPolicy
  /** Pins and copies under way, of the file or of blocks that came from it. */
  readonly pins: readonly Holder[]
  readonly leases: readonly Holder[]
  /** Layout changes that wait or are being done. */
  readonly changes: readonly Holder[]
  /** Who has the file open: the content of a file without a name stays as long. */
  readonly opens: readonly Holder[]
  /** Who is in a metadata transaction, if that has lasted: changes wait for it, whatever they change. */
  readonly transactions: readonly Holder[]
  /** Files of lost+found that came from it. */
  readonly lostAndFound: readonly LostFile[]
  /** Bytes that have left the file and wait for these pins, lost+found included; a block of several pins counts once. */
  readonly heldBackBytes: number
}

/** Transactions last for a millisecond or so. */
const LONG_TRANSACTION_MS = 1000

/** ENOENT: neither a file nor anything of it in lost+found. EISDIR. */
export async function holdOf(fs: FileSystem, path: string, lost: readonly LostFile[]): Promise<FileHold> {
  const { table, witness, metadata, properties } = fs
  const { inodes, layout } = await filesOf(fs, path, lost)
  const claims = claimsOn(fs, inodes, deviceBytesOf(layout?.extents ?? []))
  const left = await bytesThatLeft(metadata)
  const ofInodes = (holdersOf: (ino: InodeNumber) => Holder[]): Promise<Holder[]> =>
    withPaths(fs, inodes.flatMap(holdersOf))
  const name = posix.basename(path)
  return {
    path,
    inodes,
    exists: layout !== undefined,
    sizeBytes: layout?.inode.size ?? 0,
    busy: layout?.inode.busy ?? properties.busy,
    pins: await withPaths(fs, describePins(fs, claims, left)),
    leases: await ofInodes((ino) => leasesOf(table, ino).map((lease) => leaseHolderOf(fs, lease))),
    changes: await ofInodes((ino) => changeHolders(fs, ino)),
    opens: await ofInodes((ino) => openHolders(table, witness, ino)),
    transactions: transactionHolders(table, witness).filter(({ ageMs = 0 }) => ageMs >= LONG_TRANSACTION_MS),
    lostAndFound: lost.filter(
      (file) => inodes.includes(file.originInode as InodeNumber) || (isInLostAndFound(path) && file.name === name),
    ),
    heldBackBytes: heldBackBy({ bytes: blocksOf(claims) }, left),
  }
}

const isInLostAndFound = (path: string): boolean => posix.dirname(posix.normalize(path)) === '/lost+found'

async function filesOf(
  fs: FileSystem,
  path: string,
  lost: readonly LostFile[],
): Promise<{ inodes: InodeNumber[]; layout: Layout | undefined }> {
  try {
    const { ino, kind } = await inodeAt(fs, path, 'why')
    if (kind === 'directory') {
      throw systemError('EISDIR', 'a directory has no blocks; name a file', { syscall: 'why', path })
    }
    return { inodes: [ino], layout: await fs.metadata.layout(ino) }
  } catch (error) {
    const found = lost.filter(({ originName }) => originName === posix.basename(path))
    if (codeOf(error) !== 'ENOENT' || found.length === 0) throw error
    return { inodes: [...new Set(found.map(({ originInode }) => originInode as InodeNumber))], layout: undefined }
  }
}

/** Claims that were taken on one of the inodes, wherever their blocks are now, and claims on the blocks. */
function claimsOn({ table }: FileSystem, inodes: readonly InodeNumber[], blocks: readonly DeviceBytes[]): ClaimView[] {
  const claims = new Map<string, ClaimView>()
  for (const claim of [
    ...allClaims(table).filter(({ ino }) => inodes.includes(ino)),
    ...overlappingClaims(table, blocks),
  ])
    claims.set(`${claim.slot}:${claim.record}`, claim)
  return [...claims.values()]
}

/** Their blocks, each once; ascending. */
function blocksOf(claims: readonly ClaimView[]): DeviceBytes[] {
  const merged: { start: number; end: number }[] = []
  const blocks = claims.flatMap(({ bytes }) => bytes).map(wholeBlocks)
  for (const { start, end } of blocks.sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}
