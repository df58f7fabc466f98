/** Copies from file to file of a pool, by way of a buffer. Holes stay holes where the target ends before them. */
import { systemError } from '../errors.ts'
import type { Limits } from '../layout/waiting.ts'
import { mustRefresh, readInto, writeFrom } from './data.ts'
import type { FileSystem } from './file-system.ts'
import { checkSize, growTo } from './growth.ts'
import type { OpenInode } from './open-inode.ts'
import { segmentsOf } from './segments.ts'

const PIECE_BYTES = 1 << 20

export interface CopyRequest {
  readonly from: OpenInode
  /** Bytes. */
  readonly start: number
  readonly length: number
  readonly to: OpenInode
  readonly position: number
  readonly limits: Limits
  /** For errors. */
  readonly path: string
  readonly dest: string
}

/** Copies bytes; returns how many there were: fewer when the source ends. EINVAL: the ranges overlap in one file. ENOSPC, EFBIG. */
export async function copyRange(fs: FileSystem, request: CopyRequest): Promise<number> {
  const { from, to, start, position, limits, path, dest } = request
  const syscall = 'copy_file_range'
  await mustRefresh(fs, from, syscall, path)
  const length = Math.max(0, Math.min(request.length, from.size - start))
  checkSize(position + length, syscall, dest)
  if (from === to && start < position + length && position < start + length)
    throw systemError('EINVAL', 'the ranges overlap', { syscall, path, dest })
  const piece = new Uint8Array(Math.min(PIECE_BYTES, length))
  let done = 0
  while (done < length) {
    const here = start + done
    const there = position + done
    await mustRefresh(fs, from, syscall, path)
    await mustRefresh(fs, to, syscall, dest)
    const [segment] = segmentsOf(from, here, Math.min(length - done, Math.max(0, from.size - here)))
    if (segment === undefined) return done
    if (segment.extent < 0 && there >= to.size) {
      await growTo(fs, to, there + segment.length, limits, dest)
      done += segment.length
      continue
    }
    const read = await readInto(fs, from, piece.subarray(0, Math.min(piece.length, segment.length)), here, limits, path)
    if (read === 0) return done
    const { bytesWritten } = await writeFrom(fs, to, piece.subarray(0, read), there, limits, dest)
    done += bytesWritten
  }
  return done
}
