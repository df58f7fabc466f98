/**
 * The device against sound metadata: free blocks are zero (promise 6), and mapped ones have space of the host (promise 7). Only
 * where the host has a map of the file (not tmpfs). Nobody has the pool open. Only fsck.ts calls.
 */
import { closeSync, constants, fdatasyncSync, openSync, readSync } from 'node:fs'
import { DATA_START } from '../device/label.ts'
import type { Finding } from '../metadata/metadata.ts'
import { unallocatedSpace } from '../platform/file-space.ts'
import type { ByteRange } from '../platform/file-space.ts'
import { BLOCK_SIZE, bytesOf } from '../units.ts'
import type { Run } from '../units.ts'

const PIECE_BYTES = 1 << 20
/** Free runs with something in them, and mapped ones without space, that are told one by one. */
const MAX_FINDINGS = 100

export function spaceFindings(
  path: string,
  { free, mapped }: { free: readonly Run[]; mapped: readonly Run[] },
): Finding[] {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    // What is only in memory so far may not be in the map.
    fdatasyncSync(fd)
    const findings: Finding[] = []
    const piece = Buffer.alloc(PIECE_BYTES)
    for (const run of free) {
      if (findings.length >= MAX_FINDINGS) break
      const gaps = gapsOf(fd, run)
      if (gaps === undefined) return []
      const at = firstByte(fd, piece, run, gaps)
      if (at !== undefined) {
        findings.push({ code: 'free-not-zero', message: `block ${Math.floor(at / BLOCK_SIZE)} is free and not zero` })
      }
    }
    for (const run of mapped) {
      if (findings.length >= MAX_FINDINGS) break
      const [gap] = gapsOf(fd, run) ?? []
      if (gap === undefined) continue
      const block = Math.floor((gap.start - DATA_START) / BLOCK_SIZE)
      findings.push({
        code: 'mapped-without-space',
        message: `the host has no space for block ${block}, which a file has`,
      })
    }
    return findings
  } finally {
    closeSync(fd)
  }
}

const gapsOf = (fd: number, { start, count }: Run): ByteRange[] | undefined =>
  unallocatedSpace(fd, DATA_START + bytesOf(start), bytesOf(count))

/** Where in the device, in bytes, there is something outside of the gaps. */
function firstByte(fd: number, piece: Buffer, { start, count }: Run, gaps: readonly ByteRange[]): number | undefined {
  let at = DATA_START + bytesOf(start)
  const end = at + bytesOf(count)
  for (const gap of [...gaps, { start: end, end }]) {
    while (at < gap.start) {
      const length = readSync(fd, piece, 0, Math.min(piece.length, gap.start - at), at)
      if (length === 0) return undefined
      const index = piece.subarray(0, length).findIndex((byte) => byte !== 0)
      if (index >= 0) return at + index - DATA_START
      at += length
    }
    at = gap.end
  }
  return undefined
}
