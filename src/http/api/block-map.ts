/**
 * The map of a pool's blocks: for each cell, a run of blocks, how many are used for what.
 *
 * free + file + sequestered + busy is the number of blocks of the cell, exactly, whatever happens meanwhile: the metadata
 * are read in portions, each of one state and each for other blocks. pinned counts those of them that somebody has pinned,
 * stable those pinned stably; both are read from the pin table a moment later.
 *
 * Price: a row for each extent and each run of free or busy blocks in the range, a number for each cell and each pin. A TiB in
 * one extent costs as much as a block.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { FileSystem } from '../../files/file-system.ts'
import { Slot } from '../../layout/format.ts'
import { allClaims } from '../../layout/holders.ts'
import type { ClaimView } from '../../layout/overlaps.ts'
import type { Tenancy } from '../../metadata/metadata.ts'
import type { InodeNumber } from '../../units.ts'
import { BLOCK_SIZE, bytesOf } from '../../units.ts'

/** Blocks [from, to) of the device. */
export interface BlockRange {
  readonly from: number
  readonly to: number
}

export const USES = ['free', 'file', 'sequestered', 'busy', 'pinned', 'stable'] as const
export type Use = (typeof USES)[number]

/** Plain JSON. */
export interface BlockMap extends BlockRange {
  /** Blocks of each cell but the last, which may have fewer. */
  readonly cellBlocks: number
  /** For each use the blocks of each cell. */
  readonly counts: Readonly<Record<Use, readonly number[]>>
  /** What lies where, when the range is looked at closely: at most {@link CLOSE_EXTENTS}; else missing. */
  readonly extents?: readonly MapExtent[]
  /** Blocks that are pinned, likewise. */
  readonly pins?: readonly MapPin[]
}

export interface MapExtent {
  readonly block: number
  /** Blocks. */
  readonly length: number
  readonly state: 'free' | 'busy' | 'file' | 'sequestered'
  /** Of a file: which one, and the byte of it that the first block begins with. No path: it has lost its name. */
  readonly inode?: number
  readonly path?: string
  readonly offset?: number
}

export interface MapPin {
  readonly block: number
  /** Blocks. */
  readonly length: number
  readonly pid: number
  readonly mode: 'read' | 'write'
  readonly isStable: boolean
  /** The file it was taken of. */
  readonly inode: number
}

export const MOST_CELLS = 8192
const CLOSE_EXTENTS = 1024
/** Rows of one portion: a millisecond or so. */
const PORTION = 2048

export async function blockMap(fs: FileSystem, range: BlockRange, cells: number): Promise<BlockMap> {
  const { from, to } = range
  const cellBlocks = Math.max(1, Math.ceil((to - from) / cells))
  const cellCount = Math.ceil((to - from) / cellBlocks)
  const counts = Object.fromEntries(USES.map((use) => [use, new Array<number>(cellCount).fill(0)])) as Record<
    Use,
    number[]
  >
  const close: Tenancy[] = []
  for await (const portion of tenanciesIn(fs, range)) {
    for (const tenancy of portion) addRun(counts[stateOf(tenancy)], cellBlocks, tenancy.start - from, tenancy.count)
    if (close.length <= CLOSE_EXTENTS) close.push(...portion)
  }
  const claims = allClaims(fs.table).filter(({ kind }) => kind === 'pin')
  const add = (use: 'pinned' | 'stable', these: readonly ClaimView[]): void => {
    for (const run of blocksOf(these, range)) addRun(counts[use], cellBlocks, run.from - from, run.to - run.from)
  }
  add('pinned', claims)
  add(
    'stable',
    claims.filter(({ isStable }) => isStable),
  )
  const map = { from, to, cellBlocks, counts }
  if (close.length > CLOSE_EXTENTS) return map
  return { ...map, extents: await namedExtents(fs, close), pins: pinsIn(fs, claims, range) }
}

async function* tenanciesIn({ metadata }: FileSystem, { from, to }: BlockRange): AsyncGenerator<Tenancy[]> {
  for (let start = from; start < to;) {
    const portion = await metadata.tenancies({ start, end: to, limit: PORTION })
    const last = portion.at(-1)
    if (last === undefined) return
    yield portion
    start = last.start + last.count
    // Others of this thread may go ahead between two portions.
    await turn()
  }
}

/** Adds a run of blocks, counted from the first cell's first block, to the cells it touches. */
function addRun(cells: number[], cellBlocks: number, start: number, count: number): void {
  for (let at = start; at < start + count;) {
    const cell = Math.floor(at / cellBlocks)
    const end = Math.min(start + count, (cell + 1) * cellBlocks)
    cells[cell] += end - at
    at = end
  }
}

const stateOf = (tenancy: Tenancy): MapExtent['state'] =>
  tenancy.use !== 'file' ? tenancy.use : tenancy.isLost ? 'sequestered' : 'file'

/** Whole blocks of the claims within the range, each once; ascending. */
function blocksOf(claims: readonly ClaimView[], range: BlockRange): BlockRange[] {
  const merged: { from: number; to: number }[] = []
  const blocks = claims.flatMap((claim) => runsOf(claim, range)).sort((a, b) => a.from - b.from)
  for (const { from, to } of blocks) {
    const last = merged.at(-1)
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

const runsOf = ({ bytes }: ClaimView, { from, to }: BlockRange): BlockRange[] =>
  bytes
    .map(({ start, end }) => ({
      from: Math.max(from, Math.floor(start / BLOCK_SIZE)),
      to: Math.min(to, Math.ceil(end / BLOCK_SIZE)),
    }))
    .filter((run) => run.from < run.to)

async function namedExtents({ metadata }: FileSystem, tenancies: readonly Tenancy[]): Promise<MapExtent[]> {
  const paths = new Map<InodeNumber, string | undefined>()
  const extents: MapExtent[] = []
  for (const tenancy of tenancies) {
    const { start: block, count: length } = tenancy
    const plain = { block, length, state: stateOf(tenancy) }
    if (tenancy.use !== 'file') {
      extents.push(plain)
      continue
    }
    const { ino, fileBlock } = tenancy
    if (!paths.has(ino)) paths.set(ino, await metadata.pathOf(ino))
    const path = paths.get(ino)
    extents.push({ ...plain, inode: ino, offset: bytesOf(fileBlock), ...(path === undefined ? {} : { path }) })
  }
  return extents
}

function pinsIn({ table }: FileSystem, claims: readonly ClaimView[], range: BlockRange): MapPin[] {
  return claims
    .flatMap((claim) =>
      runsOf(claim, range).map(({ from, to }) => ({
        block: from,
        length: to - from,
        pid: table.slot(claim.slot).load(Slot.pid),
        mode: claim.isWrite ? ('write' as const) : ('read' as const),
        isStable: claim.isStable,
        inode: claim.ino,
      })),
    )
    .slice(0, CLOSE_EXTENTS)
}
