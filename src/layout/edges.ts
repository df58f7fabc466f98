/**
 * Edges: blocks that a cut takes bytes from but not all. For each the plan is one of
 *
 *   keep     the file ends where the cut begins and nobody holds cut bytes: growing zeroes what is past EOF (a punch up
 *            to EOF leaves the size, so its bytes stay readable and are never kept)
 *   replace  a fresh block with the live part takes its place; the old one leaves (to lost+found when held)
 *   zero     somebody holds the live part only: replacing would take their I/O out of the file, so the cut bytes, which
 *            nobody holds, are zeroed in place just before the commit (after a process's death in between they may be
 *            zero without the rest of the punch: a stated limit)
 *
 * The plan is made before the transaction and checked in it (`stillHolds`): claims and layout may have moved on. Where an
 * edge is copied or zeroed, the file must not have changed at all: another change may have let go of the block since, and
 * then it is another file's by now (zero), or came back with other content (replace). Every change of a layout raises the
 * change count.
 *
 * Durability. The fresh block is flushed before the commit, which may reach the disk at any time after it: else a power
 * failure could leave the file with a block whose synced live part was never written (promise 5).
 */
import type { Device } from '../device/device.ts'
import type { BusyExtent, Inode, Layout, Metadata } from '../metadata/metadata.ts'
import type { BlockCount, DeviceBlock, Extent, FileBlock, FileRange, InodeNumber, Run } from '../units.ts'
import { BLOCK_SIZE, MAX_FILE_SIZE } from '../units.ts'
import { allocateRuns } from './allocate-runs.ts'
import { releaseClaim } from './claims.ts'
import { RecordFlag, RecordKind } from './format.ts'
import type { DeviceBytes } from './overlaps.ts'
import { overlappingClaims } from './overlaps.ts'
import type { PinTable } from './pin-table.ts'
import type { Limits } from './waiting.ts'
import { patienceOf } from './waiting.ts'

/** A block, and which of its bytes are cut. */
export interface Edge {
  readonly fileBlock: FileBlock
  readonly deviceBlock: DeviceBlock
  /** Bytes [from, to) of the block are cut. */
  readonly from: number
  readonly to: number
}

type Treatment = 'keep' | 'replace' | 'zero'

interface EdgesOf {
  readonly table: PinTable
  readonly metadata: Metadata
  readonly device: Device
}

export interface EdgePlan {
  /** Blocks that leave the file, replaced edges included. */
  readonly remove: readonly FileRange[]
  readonly replace: readonly Edge[]
  /** Whether, inside the transaction, every edge still asks for the treatment planned and is still where it was. */
  stillHolds(removed: readonly Extent[], inode: Inode): boolean
  zeroInPlace(): void
}

/** Bytes [start, end) of the file, and with `reachesEnd` all blocks behind; `shortens`: it ends at `start` afterwards. */
export interface Cut {
  readonly start: number
  readonly end: number
  readonly reachesEnd: boolean
  readonly shortens: boolean
}

export function planEdges(work: EdgesOf, layout: Layout, cut: Cut): EdgePlan {
  const edges = edgesOf(layout, cut)
  const treatments = edges.map((edge) => treatmentOf(work, edge, cut.shortens))
  const replace = edges.filter((_, i) => treatments[i] === 'replace')
  const whole = wholeBlocks(cut)
  const ranges = [...(whole.start < whole.end ? [whole] : []), ...replace.map(blockRange)]
  return {
    remove: ranges.sort((a, b) => a.start - b.start),
    replace,
    stillHolds: (removed, inode) =>
      (treatments.every((treatment) => treatment === 'keep') || inode.changeCount === layout.inode.changeCount) &&
      edges.every((edge, i) => treatmentOf(work, edge, cut.shortens) === treatments[i]) &&
      replace.every((edge) => isAt(removed, edge)),
    zeroInPlace: () => {
      edges.forEach((edge, i) => {
        if (treatments[i] === 'zero') bytesOfBlock(work.device, edge.deviceBlock).fill(0, edge.from, edge.to)
      })
    },
  }
}

/** Blocks of which every byte is cut; to the end of all blocks when the cut reaches EOF. */
function wholeBlocks(cut: Cut): FileRange {
  const start = Math.ceil(cut.start / BLOCK_SIZE) as FileBlock
  const end = cut.reachesEnd ? Math.ceil(MAX_FILE_SIZE / BLOCK_SIZE) : Math.floor(cut.end / BLOCK_SIZE)
  return { start, end: end as FileBlock }
}

const blockRange = ({ fileBlock }: Edge): FileRange => ({ start: fileBlock, end: (fileBlock + 1) as FileBlock })

function edgesOf(layout: Layout, cut: Cut): Edge[] {
  const first = Math.floor(cut.start / BLOCK_SIZE)
  const last = Math.floor(cut.end / BLOCK_SIZE)
  const from = cut.start % BLOCK_SIZE
  const to = cut.reachesEnd ? 0 : cut.end % BLOCK_SIZE
  const edges: Edge[] = []
  const add = (fileBlock: number, start: number, end: number): void => {
    const extent = layout.extents.find((e) => e.fileBlock <= fileBlock && fileBlock < e.fileBlock + e.count)
    if (extent === undefined) return
    const deviceBlock = (extent.deviceBlock + fileBlock - extent.fileBlock) as DeviceBlock
    edges.push({ fileBlock: fileBlock as FileBlock, deviceBlock, from: start, to: end })
  }
  if (from !== 0) add(first, from, first === last && to !== 0 ? to : BLOCK_SIZE)
  if (to !== 0 && (first !== last || from === 0)) add(last, 0, to)
  return edges
}

function treatmentOf({ table }: EdgesOf, edge: Edge, mayKeep: boolean): Treatment {
  const base = edge.deviceBlock * BLOCK_SIZE
  const isHeld = (start: number, end: number): boolean =>
    start < end && overlappingClaims(table, [{ start: base + start, end: base + end } satisfies DeviceBytes]).length > 0
  if (isHeld(edge.from, edge.to)) return 'replace'
  if (mayKeep) return 'keep'
  return isHeld(0, edge.from) || isHeld(edge.to, BLOCK_SIZE) ? 'zero' : 'replace'
}

/** Whether the block is among extents, at its place. */
export const isAt = (removed: readonly Extent[], edge: Edge): boolean =>
  removed.some(
    (e) =>
      e.fileBlock <= edge.fileBlock &&
      edge.fileBlock < e.fileBlock + e.count &&
      e.deviceBlock - e.fileBlock === edge.deviceBlock - edge.fileBlock,
  )

const bytesOfBlock = (device: Device, block: DeviceBlock): Uint8Array =>
  new Uint8Array(device.map({ start: block, count: 1 as BlockCount }))

/** More copies than this are made durable together. */
const FLUSHED_SINGLY = 2

/**
 * Fresh blocks with the live parts of edges. Each is claimed like a copy from before its reservation is committed until
 * the change is over, so that no reclaim takes it for an abandoned busy extent; our death voids the claim, and then it is.
 */
export class EdgeCopies {
  readonly inserts: readonly { readonly fileBlock: FileBlock; readonly deviceBlock: DeviceBlock }[]
  readonly #release: () => void
  readonly #areTrue: () => boolean

  private constructor(inserts: EdgeCopies['inserts'], release: () => void, areTrue: () => boolean) {
    this.inserts = inserts
    this.#release = release
    this.#areTrue = areTrue
  }

  static async make(
    { table, metadata, device }: EdgesOf,
    ino: InodeNumber,
    edges: readonly Edge[],
    limits: Limits,
  ): Promise<EdgeCopies> {
    if (edges.length === 0)
      return new EdgeCopies(
        [],
        () => {},
        () => true,
      )
    let record: number | undefined
    const release = (): void => {
      // Rings: by now the blocks may be the file's, and another change waits for this claim.
      if (record !== undefined) releaseClaim(table, record, ino)
      record = undefined
    }
    const claimAndAllocate = (runs: readonly Run[]): void => {
      release()
      const claim = { kind: RecordKind.copy, flags: RecordFlag.write, ino, offset: 0, length: 0, edges: 0 }
      record = table.own.publish(claim, runs)
      table.own.grant(record)
      allocateRuns(device, runs)
    }
    try {
      const fresh = await metadata.reserve(edges.length, claimAndAllocate, patienceOf(table, limits))
      const blocks = fresh.map((extent: BusyExtent) => extent.start)
      edges.forEach((edge, i) => {
        const copy = bytesOfBlock(device, blocks[i])
        copy.set(bytesOfBlock(device, edge.deviceBlock))
        copy.fill(0, edge.from, edge.to)
        if (edges.length <= FLUSHED_SINGLY) device.flushRun({ start: blocks[i], count: 1 as BlockCount })
      })
      if (edges.length > FLUSHED_SINGLY) await device.flush()
      return new EdgeCopies(
        edges.map((edge, i) => ({ fileBlock: edge.fileBlock, deviceBlock: blocks[i] })),
        release,
        () => edges.every((edge, i) => isTrueCopy(device, edge, blocks[i])),
      )
    } catch (error) {
      release()
      throw error
    }
  }

  release(): void {
    this.#release()
  }

  /** Whether the live parts are still what was copied. */
  areTrue(): boolean {
    return this.#areTrue()
  }
}

function isTrueCopy(device: Device, { deviceBlock, from, to }: Edge, copy: DeviceBlock): boolean {
  const [before, now] = [bytesOfBlock(device, copy), bytesOfBlock(device, deviceBlock)]
  const isSame = (start: number, end: number): boolean =>
    Buffer.compare(before.subarray(start, end), now.subarray(start, end)) === 0
  return isSame(0, from) && isSame(to, BLOCK_SIZE)
}
