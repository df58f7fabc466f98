/**
 * A node of a dump: what stands in the archive for one name of the pool, and how it is written into tar headers.
 *
 *   standard            path, kind, mode, owner, mtime, target of links; `atime`; `uid`, `gid`, `size` where a field is too small
 *   SCHILY.xattr.NAME   an extended attribute, access control lists included; in NAME `%25` is `%` and `%3D` is `=`
 *   GNU.sparse.…        a file with holes, version 1.0: its content begins with a map of where the data is
 *   comment             `holdfast {…}`, JSON of what tar has no word for: `busy`, `dax`, `rdev`, `kind` 'socket'
 *
 * So that tar(1) unpacks a dump, without a word about what it does not know.
 */
import type { BusyPolicy, DaxMode, InodeKind } from '../metadata/metadata.ts'
import { encodeHeader, encodeRecords, badArchive, fitsField, fitsName, paddingBytes } from './tar.ts'
import type { Records, TarHeader, TypeFlag } from './tar.ts'

/** Bytes [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface ArchiveNode {
  /** Without a leading slash; '' is the root. */
  readonly path: string
  readonly kind: InodeKind
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly busy: BusyPolicy | undefined
  readonly dax: DaxMode | undefined
  readonly rdev: number
  readonly xattrs: ReadonlyMap<string, Uint8Array>
  /** Where a symlink points. */
  readonly target: string | undefined
  /** The path of a node before, of which this is one more name; attributes are that one's. */
  readonly linkTo: string | undefined
  /** Bytes of a file. */
  readonly size: number
  /** Where a file has data, ascending; the rest are holes. */
  readonly data: readonly ByteRange[]
}

const TYPES: Readonly<Record<InodeKind, TypeFlag>> = {
  file: '0',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  // tar has no sockets.
  socket: '0',
}
const KINDS: Readonly<Record<string, InodeKind>> = {
  '0': 'file',
  '1': 'file',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
}

const COMMENT = 'holdfast '
const XATTR = 'SCHILY.xattr.'

interface Extras {
  readonly busy?: BusyPolicy | undefined
  readonly dax?: DaxMode | undefined
  readonly rdev?: number | undefined
  readonly kind?: 'socket' | undefined
}

const isDense = ({ size, data }: ArchiveNode): boolean =>
  size === 0 || (data.length === 1 && data[0].start === 0 && data[0].end === size)

/** Bytes of content behind the headers of a node, its map included; filled up to whole blocks in the archive. */
export const contentSize = (node: ArchiveNode, map: Buffer): number =>
  map.length + node.data.reduce((sum, { start, end }) => sum + end - start, 0)

/** The map of a file with holes, filled up to whole blocks; of one without, nothing. */
export function encodeMap(node: ArchiveNode): Buffer {
  if (isDense(node)) return Buffer.alloc(0)
  const ranges = [...node.data]
  // A hole at the end is told of by an empty range.
  if ((ranges.at(-1)?.end ?? 0) < node.size) ranges.push({ start: node.size, end: node.size })
  const text = [ranges.length, ...ranges.flatMap(({ start, end }) => [start, end - start])].map((n) => `${n}\n`)
  const map = Buffer.from(text.join(''))
  return Buffer.concat([map, Buffer.alloc(paddingBytes(map.length))])
}

/** Headers of a node; its content has `size` bytes in the archive. E2BIG. */
export function encodeNode(node: ArchiveNode, size: number): Buffer {
  const { path, kind, uid, gid, linkTo } = node
  const name = kind !== 'directory' ? path : path === '' ? './' : `${path}/`
  const link = linkTo ?? node.target ?? ''
  const records = new Map<string, Buffer>()
  const record = (keyword: string, value: string): void => void records.set(keyword, Buffer.from(value))
  if (!fitsName(name)) record('path', name)
  if (!fitsName(link)) record('linkpath', link)
  if (!fitsField('uid', uid)) record('uid', String(uid))
  if (!fitsField('gid', gid)) record('gid', String(gid))
  if (!fitsField('size', size)) record('size', String(size))
  record('mtime', secondsOf(node.mtimeNs))
  record('atime', secondsOf(node.atimeNs))
  if (linkTo === undefined) {
    const extras: Extras = {
      busy: node.busy,
      dax: node.dax,
      rdev: node.rdev === 0 ? undefined : node.rdev,
      kind: kind === 'socket' ? kind : undefined,
    }
    const comment = JSON.stringify(extras)
    if (comment !== '{}') record('comment', COMMENT + comment)
    for (const [attribute, value] of node.xattrs)
      records.set(XATTR + attribute.replaceAll('%', '%25').replaceAll('=', '%3D'), Buffer.from(value))
    if (!isDense(node)) {
      record('GNU.sparse.major', '1')
      record('GNU.sparse.minor', '0')
      record('GNU.sparse.name', name)
      record('GNU.sparse.realsize', String(node.size))
    }
  }
  const header: TarHeader = {
    name: fitsName(name) ? name : 'long-name',
    type: linkTo === undefined ? TYPES[kind] : '1',
    mode: node.mode,
    uid,
    gid,
    size,
    mtime: Number(node.mtimeNs / 1_000_000_000n),
    linkName: fitsName(link) ? link : 'long-name',
    major: (node.rdev >>> 8) & 0xfff,
    minor: (node.rdev & 0xff) | ((node.rdev >>> 12) & 0xf_ff00),
  }
  return Buffer.concat([encodeRecords('x', records), encodeHeader(header)])
}

/** What headers say, but for the data of a file: `data` is all of it, or undefined when a map follows. EBADMSG. */
export function decodeNode(
  header: TarHeader,
  records: Records,
): Omit<ArchiveNode, 'data'> & { readonly contentSize: number; readonly isSparse: boolean } {
  const text = (keyword: string): string | undefined => records.get(keyword)?.toString()
  const number = (keyword: string, otherwise: number): number => {
    const value = Number(text(keyword) ?? otherwise)
    if (!Number.isSafeInteger(value) || value < 0) throw badArchive(`'${keyword}' is no number`)
    return value
  }
  const name = text('GNU.sparse.name') ?? text('path') ?? header.name
  const path = name.replace(/^\.\//, '').replace(/\/$/, '')
  const kind = KINDS[header.type]
  if (kind === undefined) throw badArchive(`an entry of type '${header.type}'`, path)
  const isLink = header.type === '1'
  const { busy, dax, rdev = 0, kind: special } = extrasOf(text('comment'), path)
  const size = number('size', header.size)
  const link = text('linkpath') ?? header.linkName
  const xattrs = [...records].flatMap(([keyword, value]): [string, Buffer][] => {
    if (!keyword.startsWith(XATTR)) return []
    return [[keyword.slice(XATTR.length).replaceAll('%3D', '=').replaceAll('%25', '%'), value]]
  })
  return {
    path,
    kind: special ?? kind,
    mode: header.mode & 0o7777,
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    atimeNs: nanosecondsOf(text('atime'), path) ?? BigInt(header.mtime) * NS_PER_S,
    mtimeNs: nanosecondsOf(text('mtime'), path) ?? BigInt(header.mtime) * NS_PER_S,
    busy,
    dax,
    rdev,
    xattrs: new Map(xattrs),
    target: kind === 'symlink' ? link : undefined,
    linkTo: isLink ? link : undefined,
    size: number('GNU.sparse.realsize', size),
    contentSize: size,
    isSparse: text('GNU.sparse.major') === '1',
  }
}

function extrasOf(comment: string | undefined, path: string): Extras {
  if (comment === undefined || !comment.startsWith(COMMENT)) return {}
  const extras = parsed(comment.slice(COMMENT.length))
  if (extras === undefined) throw badArchive('a comment is no JSON', path)
  return extras
}

/** Undefined: it is no object in JSON. */
export function parsed(json: string): Record<string, never> | undefined {
  try {
    const value = JSON.parse(json) as unknown
    return typeof value === 'object' && value !== null ? (value as Record<string, never>) : undefined
  } catch {
    return undefined
  }
}

const NS_PER_S = 1_000_000_000n

function secondsOf(ns: bigint): string {
  const size = ns < 0n ? -ns : ns
  return `${ns < 0n ? '-' : ''}${size / NS_PER_S}.${String(size % NS_PER_S).padStart(9, '0')}`
}

function nanosecondsOf(seconds: string | undefined, path: string): bigint | undefined {
  if (seconds === undefined) return undefined
  const match = /^(?<sign>-?)(?<whole>\d{1,12})(?:\.(?<fraction>\d{1,9}))?$/.exec(seconds)
  if (match?.groups === undefined) throw badArchive('a time is no number', path)
  const { sign, whole, fraction = '' } = match.groups
  const ns = BigInt(whole) * NS_PER_S + BigInt(fraction.padEnd(9, '0'))
  return sign === '-' ? -ns : ns
}
