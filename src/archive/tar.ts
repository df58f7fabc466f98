/**
 * The tar format as far as dumps use it (POSIX.1-2001, "pax"): a header block, records of attributes that a header block has
 * no room for, content filled up to whole blocks. Bytes in, bytes out; nothing here knows of pools.
 */
import { systemError } from '../errors.ts'

export const TAR_BLOCK = 512

/** Type flags of headers: of what they are about, and of the records before it or for all that follows. */
export type TypeFlag = '0' | '1' | '2' | '3' | '4' | '5' | '6' | 'x' | 'g'

export interface TarHeader {
  /** As far as it fits; records have it whole. */
  readonly name: string
  readonly type: TypeFlag
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes of content that follow. */
  readonly size: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly linkName: string
  readonly major: number
  readonly minor: number
}

/** `keyword=value` pairs; values may be any bytes. */
export type Records = ReadonlyMap<string, Buffer>

/** Bytes of the largest records that are written and read. */
const MOST_RECORD_BYTES = 64 << 20

/** Fields of a header: where they are, and how many bytes. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
} as const

const MAGIC = 'ustar\u000000'

/** The largest number that a field of so many bytes holds: octal, a NUL behind it. */
const mostOf = (bytes: number): number => 8 ** (bytes - 1) - 1

/** What a field cannot hold, and a record has to. */
export const fitsField = (field: 'uid' | 'gid' | 'size', value: number): boolean => value <= mostOf(FIELDS[field][1])

/** Whether a name can stand in a header block. */
export const fitsName = (name: string): boolean => name.length <= FIELDS.name[1] && !/[^ -~]/.test(name)

export function encodeHeader(header: TarHeader): Buffer {
  const block = Buffer.alloc(TAR_BLOCK)
  const text = (field: keyof typeof FIELDS, value: string): void => {
    const [at, bytes] = FIELDS[field]
    block.write(value, at, bytes, 'latin1')
  }
  const number = (field: keyof typeof FIELDS, value: number): void => {
    const [, bytes] = FIELDS[field]
    text(
      field,
      Math.min(Math.max(0, value), mostOf(bytes))
        .toString(8)
        .padStart(bytes - 1, '0'),
    )
  }
  text('name', header.name)
  number('mode', header.mode)
  number('uid', header.uid)
  number('gid', header.gid)
  number('size', header.size)
  number('mtime', header.mtime)
  text('type', header.type)
  text('linkName', header.linkName)
  text('magic', MAGIC)
  number('major', header.major)
  number('minor', header.minor)
  text('checksum', `${checksumOf(block).toString(8).padStart(6, '0')}\0 `)
  return block
}

/** Undefined: a block of zeros, which ends an archive. EBADMSG. */
export function decodeHeader(block: Buffer): TarHeader | undefined {
  if (!block.some((byte) => byte !== 0)) return undefined
  const text = (field: keyof typeof FIELDS): string => {
    const [at, bytes] = FIELDS[field]
    const end = block.indexOf(0, at)
    return block.toString('utf8', at, end < 0 ? at + bytes : Math.min(end, at + bytes))
  }
  const number = (field: keyof typeof FIELDS): number => {
    const digits = text(field).trim()
    if (!/^[0-7]+$/.test(digits)) throw badArchive(`a header has no number in its field '${field}'`)
    return Number.parseInt(digits, 8)
  }
  if (number('checksum') !== checksumOf(block)) throw badArchive('a header does not have its checksum')
  return {
    name: text('name'),
    type: text('type') as TypeFlag,
    mode: number('mode'),
    uid: number('uid'),
    gid: number('gid'),
    size: number('size'),
    mtime: number('mtime'),
    linkName: text('linkName'),
    major: number('major'),
    minor: number('minor'),
  }
}

/** The sum of all bytes, its own counted as spaces. */
function checksumOf(block: Buffer): number {
  const [at, bytes] = FIELDS.checksum
  let sum = 0
  for (let i = 0; i < TAR_BLOCK; i++) sum += i >= at && i < at + bytes ? 0x20 : block[i]
  return sum
}

const RECORDS_HEADER = { mode: 0o644, uid: 0, gid: 0, mtime: 0, linkName: '', major: 0, minor: 0 } as const

/** Header and content of records, for the next header ('x') or for all of the archive ('g'). E2BIG. */
export function encodeRecords(type: 'x' | 'g', records: Records): Buffer {
  const parts: Buffer[] = []
  for (const [keyword, value] of records) {
    // The length in front counts itself.
    const rest = Buffer.byteLength(keyword) + value.length + 3
    let length = rest
    while (length < rest + String(length).length) length = rest + String(length).length
    parts.push(Buffer.from(`${length} ${keyword}=`), value, Buffer.from('\n'))
  }
  const content = Buffer.concat(parts)
  const { length: size } = content
  if (size > MOST_RECORD_BYTES) {
    const what = `its extended attributes have ${size} bytes, an archive takes ${MOST_RECORD_BYTES}`
    throw systemError('E2BIG', what, { syscall: 'dump' })
  }
  return Buffer.concat([encodeHeader({ ...RECORDS_HEADER, name: 'records', type, size }), content, paddingOf(size)])
}

/** EBADMSG. */
export function decodeRecords(content: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(' ', at)
    const equals = content.indexOf('=', space)
    const end = at + Number(content.toString('latin1', at, Math.max(at, space)))
    if (space < 0 || equals < 0 || !(end > equals) || content[end - 1] !== 0x0a)
      throw badArchive('attributes do not have the length they say')
    records.set(content.toString('utf8', space + 1, equals), content.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

/** How many bytes of records may follow a header. EBADMSG. */
export function mustFit(size: number): number {
  if (size > MOST_RECORD_BYTES) throw badArchive(`attributes of ${size} bytes`)
  return size
}

export const paddingBytes = (size: number): number => (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK

export const paddingOf = (size: number): Buffer => Buffer.alloc(paddingBytes(size))

/** What ends an archive. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * TAR_BLOCK)

export const badArchive = (what: string, path?: string): Error =>
  systemError('EBADMSG', `the archive is damaged: ${what}`, { syscall: 'load', path })
