/** What is used, held and pinned in a pool (promise 11: visible). */
import type { Holder } from '../errors.ts'
import type { FileSystem } from '../files/file-system.ts'
import { inodeAt } from '../files/paths.ts'
import { bytesThatLeft, heldBackBy } from '../layout/held-back.ts'
import { allClaims, holderOf, listHolders } from '../layout/holders.ts'
import { allLeases, leaseHolderOf, leasesOf, leaseStateOf } from '../layout/leases.ts'
import type { ClaimView, DeviceBytes } from '../layout/overlaps.ts'
import type { InodeNumber } from '../units.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { LostFile } from './lost-and-found.ts'

/** A pool in numbers. Bytes unless the name says otherwise. */
export interface PoolStats {
  readonly sizeBytes: number
  readonly freeBytes: number
  /** Free, plus what becomes free when space is wanted: busy and idle lost+found. */
  readonly availableBytes: number
  /** In files, lost+found not counted. */
  readonly usedBytes: number
  readonly busyBytes: number
  readonly sequesteredBytes: number
  /** Of the sequestered: still held. */
  readonly sequesteredHeldBytes: number
  readonly reserveBytes: number
  readonly pinnedBytes: number
  readonly pins: number
  readonly files: number
  readonly participants: number
  /** Operations of this participant that waited longer than `stuckAfterMs`, since it opened the pool. */
  readonly stuckWaits: number
}

/** Every pin in the pool, with the path of its file when it has one; of one file when `path` is given. */
export async function listPins(fs: FileSystem, path?: string): Promise<Holder[]> {
  const only = await inodeOf(fs, path, 'pins')
  const pins = allClaims(fs.table).filter((claim) => claim.kind === 'pin' && (only === undefined || claim.ino === only))
  return withPaths(fs, describePins(fs, pins, await bytesThatLeft(fs.metadata)))
}

/** Claims with what they hold back, given what has left its file, and with the state of leases. */
export function describePins(fs: FileSystem, claims: readonly ClaimView[], left: readonly DeviceBytes[]): Holder[] {
  const { table, witness } = fs
  const nowMs = table.clock.nowMs()
  return claims.map((claim) => {
    const holder = holderOf(table, witness, claim, nowMs)
    const heldBackBytes = heldBackBy(claim, left)
    if (heldBackBytes > 0) holder.heldBackBytes = heldBackBytes
    const { ino, offset, length, slot } = claim
    const lease = claim.isLongTerm
      ? leasesOf(table, ino, offset, offset + length).find((each) => each.slot === slot)
      : undefined
    if (lease !== undefined) holder.lease = leaseStateOf(table, lease)
    return holder
  })
}

/** The same for layout leases. */
export async function listLeases(fs: FileSystem, path?: string): Promise<Holder[]> {
  const only = await inodeOf(fs, path, 'leases')
  const leases = allLeases(fs.table).filter((lease) => only === undefined || lease.ino === only)
  const nowMs = fs.table.clock.nowMs()
  return withPaths(
    fs,
    leases.map((lease) => leaseHolderOf(fs, lease, nowMs)),
  )
}

const inodeOf = async (fs: FileSystem, path: string | undefined, syscall: string): Promise<InodeNumber | undefined> =>
  path === undefined ? undefined : (await inodeAt(fs, path, syscall)).ino

export async function withPaths({ metadata }: FileSystem, holders: Holder[]): Promise<Holder[]> {
  const paths = new Map<number, string | undefined>()
  for (const holder of holders) {
    if (holder.inode === undefined) continue
    if (!paths.has(holder.inode)) paths.set(holder.inode, await metadata.pathOf(holder.inode as InodeNumber))
    const found = paths.get(holder.inode)
    if (found !== undefined) holder.path = found
  }
  return holders
}

export async function statsOf(
  { metadata, table, witness, waiting }: FileSystem,
  lost: readonly LostFile[],
): Promise<PoolStats> {
  const space = await metadata.space()
  const held = lost.reduce((sum, file) => sum + (file.holders.length > 0 ? file.length : 0), 0)
  const pins = listHolders(table, witness).filter((holder) => holder.kind === 'pin')
  const sequestered = space.sequestered * BLOCK_SIZE
  return {
    sizeBytes: space.blockCount * BLOCK_SIZE,
    freeBytes: space.free * BLOCK_SIZE,
    availableBytes: Math.max(0, space.free + space.busy - space.reserve) * BLOCK_SIZE + sequestered - held,
    usedBytes: (space.mapped - space.sequestered) * BLOCK_SIZE,
    busyBytes: space.busy * BLOCK_SIZE,
    sequesteredBytes: sequestered,
    sequesteredHeldBytes: held,
    reserveBytes: space.reserve * BLOCK_SIZE,
    pinnedBytes: pins.reduce((sum, pin) => sum + (pin.length ?? 0), 0),
    pins: pins.length,
    files: space.files,
    participants: [...table.attached()].length,
    stuckWaits: waiting.stuck,
  }
}
