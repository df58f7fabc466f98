/** What has become of the blocks that a file had: in the order of the file. */
import type { FileSystem } from '../../files/file-system.ts'
import { overlappingClaims } from '../../layout/overlaps.ts'
import type { Tenancy } from '../../metadata/metadata.ts'
import type { Extent, InodeNumber } from '../../units.ts'
import { BLOCK_SIZE } from '../../units.ts'
import type { BlockRun } from './lab-events.ts'

/** `extents`: what `ino` had. Price: a few rows, and a scan of the pin table. */
export async function blockView(fs: FileSystem, ino: InodeNumber, extents: readonly Extent[]): Promise<BlockRun[]> {
  const runs: BlockRun[] = []
  const add = (run: BlockRun): void => {
    const last = runs.at(-1)
    if (last?.state === run.state && last.isPinned === run.isPinned)
      runs[runs.length - 1] = { ...last, count: last.count + run.count }
    else runs.push(run)
  }
  for (const { deviceBlock, count } of extents) {
    const pinned = pinnedBlocks(fs, deviceBlock, count)
    const found = await fs.metadata.tenancies({ start: deviceBlock, end: deviceBlock + count })
    for (const tenancy of found) {
      for (let block: number = tenancy.start; block < tenancy.start + tenancy.count; block++)
        add({ count: 1, state: stateOf(tenancy, ino), isPinned: pinned.has(block) })
    }
  }
  return runs
}

const stateOf = (tenancy: Tenancy, ino: InodeNumber): BlockRun['state'] => {
  if (tenancy.use !== 'file') return tenancy.use
  if (tenancy.isLost) return 'sequestered'
  return tenancy.ino === ino ? 'file' : 'other'
}

function pinnedBlocks({ table }: FileSystem, start: number, count: number): Set<number> {
  const whole = { start: start * BLOCK_SIZE, end: (start + count) * BLOCK_SIZE }
  const blocks = new Set<number>()
  for (const claim of overlappingClaims(table, [whole])) {
    if (claim.kind !== 'pin') continue
    for (const bytes of claim.bytes) {
      const end = Math.min(start + count, Math.ceil(bytes.end / BLOCK_SIZE))
      for (let block = Math.max(start, Math.floor(bytes.start / BLOCK_SIZE)); block < end; block++) blocks.add(block)
    }
  }
  return blocks
}
