/**
 * Mapped reads: bytes of a file where they lie, claimed as a copy until whoever sends them is done. For who hands them to
 * the kernel, so that nothing is copied here.
 *
 * The claim keeps the blocks what they are. A change of the layout that meets it waits for its end, or, when that takes
 * longer than copies do (this process was stopped), takes the blocks out of the file: then the bytes are those that the
 * file had when the read began, which is an answer as good as any for a read that the change overtook.
 */
import { codeOf } from '../errors.ts'
import { releaseClaim, tryClaim } from '../layout/claims.ts'
import { RecordKind } from '../layout/format.ts'
import type { Limits } from '../layout/waiting.ts'
import { mustRefresh, PREFETCH_BYTES, readInto } from './data.ts'
import type { FileSystem } from './file-system.ts'
import { untilUnbroken } from './file-system.ts'
import type { OpenInode } from './open-inode.ts'
import { bytesOfSegment, edgesOfSegments, hasHole, runsOf, segmentsOf } from './segments.ts'

export interface MappedRead {
  /** In order. Not to be written to, nor touched after `release`. */
  readonly parts: readonly Uint8Array[]
  /** Ends the claim; undefined: there is none. */
  readonly release: (() => void) | undefined
}

const NOTHING: MappedRead = { parts: [], release: undefined }

/** What holes read as; grows to the longest hole of a read. */
let zeros = new Uint8Array(4096)

function zerosOf(length: number): Uint8Array {
  if (zeros.length < length) zeros = new Uint8Array(length)
  return zeros.length === length ? zeros : zeros.subarray(0, length)
}

/**
 * Bytes [position, position + length) as far as the file goes, at once; no parts at EOF. What has to be waited for is said
 * instead. At most 1 MiB, so that the bytes are few pieces. Price: 1 µs, and a statement when what is known is not so now.
 */
export function readMappedNow(
  fs: FileSystem,
  open: OpenInode,
  position: number,
  length: number,
): MappedRead | 'stale' | 'break' {
  if (fs.isReadOnly) return 'stale'
  for (let tries = 0; tries < 3; tries++) {
    // What is not there, and what is no longer: only a layout that is so now tells.
    const mustBeCurrent = tries > 0 || !open.isCached || position + length > open.size
    if (mustBeCurrent && !open.isCurrent(fs) && !refreshedNow(fs, open)) return 'stale'
    const bytes = Math.min(length, open.size - position)
    if (bytes <= 0) return NOTHING
    const segments = segmentsOf(open, position, bytes)
    if (!mustBeCurrent && hasHole(segments)) continue
    const runs = runsOf(open, segments)
    if (bytes >= PREFETCH_BYTES) for (const run of runs) fs.device.prefetch(run)
    const claim = {
      kind: RecordKind.copy,
      flags: 0,
      ino: open.ino,
      offset: position,
      length: bytes,
      edges: edgesOfSegments(segments),
    }
    const record = tryClaim(fs.table, claim, runs, open)
    if (record === 'break') return 'break'
    if (typeof record === 'string') continue
    const parts = segments.map((segment) =>
      segment.extent < 0 ? zerosOf(segment.length) : bytesOfSegment(fs.copyMemory, open, segment),
    )
    return { parts, release: () => releaseClaim(fs.table, record, open.ino) }
  }
  return 'stale'
}

/** False: it has to be waited for. The inode is gone, the store cannot answer at once, or is being recovered. */
function refreshedNow(fs: FileSystem, open: OpenInode): boolean {
  try {
    return open.refreshNow(fs) === true
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return false
    throw error
  }
}

/** The same, waiting for what has to be waited for. Who only reads claims nothing: it gets a copy. */
export async function readMapped(
  fs: FileSystem,
  open: OpenInode,
  position: number,
  length: number,
  limits: Limits,
  path: string,
): Promise<MappedRead> {
  if (fs.isReadOnly) {
    const copy = new Uint8Array(length)
    const bytes = await readInto(fs, open, copy, position, limits, path)
    return { parts: bytes === 0 ? [] : [copy.subarray(0, bytes)], release: undefined }
  }
  for (;;) {
    await mustRefresh(fs, open, 'read', path)
    const outcome = readMappedNow(fs, open, position, length)
    if (typeof outcome !== 'string') return outcome
    if (outcome === 'break')
      await untilUnbroken(fs, { kind: RecordKind.copy, ino: open.ino, offset: position, length }, limits, 'read', path)
  }
}
