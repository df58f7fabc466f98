/**
 * First and last words of a dump, each a comment for the whole archive (as git archive has one), which tar(1) passes over:
 * what kind of archive this is and what the pool was; how many nodes there were, and the CRC-32 of every byte before.
 */
import { systemError } from '../errors.ts'
import { BUSY_POLICIES, DAX_MODES } from '../metadata/metadata.ts'
import type { PoolProperties } from '../metadata/metadata.ts'
import { bytesOf } from '../units.ts'
import { parsed } from './node.ts'
import { badArchive, encodeRecords } from './tar.ts'
import type { Records } from './tar.ts'

/** Goes up when older versions could not load what is written. */
const ARCHIVE_VERSION = 1

const FIRST = 'holdfast-dump '
const LAST = 'holdfast-end '

/** What the pool was made with, and when it was dumped. */
export interface DumpedPool {
  readonly uuid: string
  readonly sizeBytes: number
  readonly busy: PoolProperties['busy']
  readonly dax: PoolProperties['dax']
  readonly leaseBreakTimeMs: number
}

export interface Ending {
  readonly nodes: number
  readonly crc32: number
}

const comment = (text: string, what: object): Buffer =>
  encodeRecords('g', new Map([['comment', Buffer.from(text + JSON.stringify(what))]]))

export function encodeFirst({ uuid, blockCount, busy, dax, leaseBreakTimeMs }: PoolProperties, now: Date): Buffer {
  const pool: DumpedPool = { uuid, sizeBytes: bytesOf(blockCount), busy, dax, leaseBreakTimeMs }
  return comment(FIRST, { version: ARCHIVE_VERSION, time: now, ...pool })
}

export const encodeLast = (ending: Ending): Buffer => comment(LAST, ending)

/** EBADMSG, EPROTONOSUPPORT. */
export function decodeFirst(records: Records): DumpedPool {
  const first = after(FIRST, records)
  if (first === undefined) throw notADump()
  const { version } = first
  if (version !== ARCHIVE_VERSION) {
    const what = `the archive has version ${String(version)}, this Holdfast knows version ${ARCHIVE_VERSION} only; use a newer Holdfast`
    throw systemError('EPROTONOSUPPORT', what, { syscall: 'load' })
  }
  const { uuid, sizeBytes, busy, dax, leaseBreakTimeMs } = first as unknown as DumpedPool
  const isSane =
    [sizeBytes, leaseBreakTimeMs].every((number) => Number.isSafeInteger(number)) &&
    BUSY_POLICIES.includes(busy) &&
    DAX_MODES.includes(dax)
  if (!isSane) throw badArchive('it does not say what the pool was')
  return { uuid, sizeBytes, busy, dax, leaseBreakTimeMs }
}

/** Undefined: it is not the end. */
export const decodeLast = (records: Records): Ending | undefined => after(LAST, records) as Ending | undefined

function after(text: string, records: Records): Record<string, never> | undefined {
  const found = records.get('comment')?.toString()
  if (found === undefined || !found.startsWith(text)) return undefined
  const what = parsed(found.slice(text.length))
  if (what === undefined) throw badArchive('a comment is no JSON')
  return what
}

export const notADump = (): Error =>
  systemError('EBADMSG', 'this is no dump of a pool; when it is compressed, decompress it on the way', {
    syscall: 'load',
  })
