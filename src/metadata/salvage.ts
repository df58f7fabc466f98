/**
 * Salvage: a store that SQLite itself finds damaged, or whose rows its constraints would refuse, is not mended in place. What
 * can be read of it is copied into a new one, value by value: what is possible stays, what is not becomes the safe answer
 * (an owner: root; permissions: the owner's; a count: what repair.ts then counts). Blocks that are called free or busy are
 * not copied: what no file has is made zero before it is used. The caller then repairs the new store.
 */
import { isUtf8 } from 'node:buffer'
import type { DatabaseSync } from 'node:sqlite'
import { MAX_DEVICE_BLOCKS } from '../units.ts'
import { MAX_FILE_BLOCKS } from './allocation.ts'
import {
  BUSY_POLICIES,
  DAX_MODES,
  LOST_AND_FOUND_INODE,
  SYMLINK_MAX,
  XATTR_NAME_MAX,
  XATTR_SIZE_MAX,
} from './metadata.ts'
import { reserveOf } from './reserve.ts'
import type { RawRow, RawTable } from './salvage-rows.ts'
import { readableRows } from './salvage-rows.ts'
import { KINDS } from './schema.ts'

/** What the device says, for what the store does not. */
export interface DeviceFacts {
  readonly uuid: string
  readonly blockCount: number
}

type Value = string | bigint | number | Uint8Array | null

const INODES =
  'ino, kind, mode, uid, gid, nlink, size, atime_ns, mtime_ns, ctime_ns, birthtime_ns, change_count, busy, dax, target, rdev, last_name'

const SIZE_AT = 6

/** Copies what there is of `from` into `to`, a new store with empty tables. Returns what could not be read. */
export function salvage(from: DatabaseSync, to: DatabaseSync, device: DeviceFacts): string[] {
  const lost: string[] = []
  const rows = (table: RawTable): Iterable<RawRow> => readableRows(from, table, (message) => void lost.push(message))
  const unsized: bigint[] = []
  const copy = (table: RawTable, insert: string, possible: (row: RawRow) => Value[] | undefined): void => {
    const statement = to.prepare(insert)
    for (const row of rows(table)) {
      const values = possible(row)
      if (values !== undefined) statement.run(...values)
    }
  }
  copyProperties(rows, to, device)
  copy(
    { table: 'inodes', columns: INODES, key: 'ino', keyAt: 0 },
    `INSERT OR IGNORE INTO inodes (${INODES.replace('size,', 'size, blocks,')}) VALUES (${Array.from({ length: 18 }, () => '?').join()})`,
    (row) => {
      if (isInode(row[0]) && !isIn(row[SIZE_AT], 0, Number.MAX_SAFE_INTEGER)) unsized.push(row[0])
      return inode(row, (ino) => kindByName(from, ino))
    },
  )
  const names = 'INSERT OR IGNORE INTO dentries (parent, name, ino, kind) VALUES (?, ?, ?, ?)'
  const columns = 'parent, ino, CAST(name AS BLOB)'
  copy({ table: 'dentries', columns, key: 'parent', keyAt: 0 }, names, name)
  copy({ table: 'dentries', columns, key: 'ino', keyAt: 1, through: 'INDEXED BY dentries_by_ino' }, names, name)
  copy(
    { table: 'xattrs', columns: 'ino, name, value', key: 'ino', keyAt: 0 },
    'INSERT OR IGNORE INTO xattrs VALUES (?, ?, ?)',
    xattr,
  )
  copy(
    { table: 'extents', columns: 'inode, file_block, device_block, count', key: 'inode', keyAt: 0 },
    'INSERT OR IGNORE INTO extents VALUES (?, ?, ?, ?)',
    extent,
  )
  // All that its blocks hold is better than nothing.
  const size = to.prepare(
    "UPDATE inodes SET size = min((SELECT coalesce(max(file_block + count), 0) * 4096 FROM extents WHERE inode = ino), 9007199254740991) WHERE ino = ? AND kind = 'file'",
  )
  for (const ino of unsized) size.run(ino)
  copy(
    {
      table: 'lost_and_found',
      columns: 'ino, origin_inode, origin_name, origin_offset, length, since_ns',
      key: 'ino',
      keyAt: 0,
    },
    'INSERT OR IGNORE INTO lost_and_found VALUES (?, ?, ?, ?, ?, ?)',
    lostFile,
  )
  return lost
}

const isIn = (value: unknown, least: number, most: number): value is bigint =>
  typeof value === 'bigint' && value >= BigInt(least) && value <= BigInt(most)
const safe = (value: unknown, most: number, otherwise: number): Value => (isIn(value, 0, most) ? value : otherwise)
const isInode = (value: unknown): value is bigint => isIn(value, 1, Number.MAX_SAFE_INTEGER)
const isText = (value: unknown, least: number, most: number): value is string =>
  typeof value === 'string' &&
  value.isWellFormed() &&
  !value.includes('\0') &&
  Buffer.byteLength(value) >= least &&
  Buffer.byteLength(value) <= most

function copyProperties(rows: (table: RawTable) => Iterable<RawRow>, to: DatabaseSync, device: DeviceFacts): void {
  const [pool = []] = rows({ table: 'pool', columns: 'id, busy, dax, lease_break_time_ms', key: 'id', keyAt: 0 })
  const [, busy, dax, leaseBreakTimeMs] = pool
  to.prepare('INSERT INTO pool VALUES (1, ?, ?, ?, ?)').run(
    device.uuid,
    BUSY_POLICIES.find((policy) => policy === busy) ?? 'sequester',
    DAX_MODES.find((mode) => mode === dax) ?? 'always',
    safe(leaseBreakTimeMs, Number.MAX_SAFE_INTEGER, 30_000),
  )
  const [space = []] = rows({ table: 'space', columns: 'id, block_count, reserve, last_inode', key: 'id', keyAt: 0 })
  const [, blockCount, reserve, lastInode] = space
  // The device may be longer: somebody was about to grow it.
  const blocks = isIn(blockCount, 1, device.blockCount) ? Number(blockCount) : device.blockCount
  to.prepare('INSERT INTO space VALUES (1, ?1, 0, 0, ?1, 0, 0, ?2, ?3)').run(
    blocks,
    isIn(reserve, 0, reserveOf(blocks)) ? reserve : reserveOf(blocks),
    isIn(lastInode, LOST_AND_FOUND_INODE, Number.MAX_SAFE_INTEGER - 1) ? lastInode : LOST_AND_FOUND_INODE,
  )
}

/** What its names say that it is. */
function kindByName(from: DatabaseSync, ino: bigint): string {
  try {
    const kind = from.prepare('SELECT kind FROM dentries WHERE ino = ? LIMIT 1').get(ino)?.['kind']
    return KINDS.find((one) => one === kind && one !== 'symlink') ?? 'file'
  } catch {
    return 'file'
  }
}

const WORD_MAX = 0xffff_ffff

function inode(row: RawRow, kindOf: (ino: bigint) => string): Value[] | undefined {
  const [
    ino,
    said,
    mode,
    uid,
    gid,
    nlink,
    size,
    atime,
    mtime,
    ctime,
    birthtime,
    changes,
    busy,
    dax,
    target,
    rdev,
    last,
  ] = row
  if (!isInode(ino)) return undefined
  const hasTarget = isText(target, 1, SYMLINK_MAX)
  const isKnown = KINDS.some((one) => one === said) && (said !== 'symlink' || hasTarget)
  // A symlink that leads nowhere is worth nothing, but its names stay what they are: it becomes an empty file.
  const kind = isKnown ? (said as string) : hasTarget ? 'symlink' : kindOf(ino)
  const isOrphan = kind === 'file' && nlink === 0n
  const time = (value: unknown): Value => (typeof value === 'bigint' ? value : 0)
  const word = (value: unknown, words: readonly string[]): Value => words.find((one) => one === value) ?? null
  return [
    ino,
    kind,
    safe(mode, 0o7777, 0o600),
    safe(uid, WORD_MAX, 0),
    safe(gid, WORD_MAX, 0),
    isOrphan ? 0 : kind === 'directory' ? 2 : 1,
    kind === 'symlink'
      ? Buffer.byteLength(target as string)
      : kind === 'file'
        ? safe(size, Number.MAX_SAFE_INTEGER, 0)
        : 0,
    0,
    time(atime),
    time(mtime),
    time(ctime),
    time(birthtime),
    safe(changes, Number.MAX_SAFE_INTEGER, 0),
    word(busy, BUSY_POLICIES),
    word(dax, DAX_MODES),
    kind === 'symlink' ? (target as string) : null,
    kind === 'character' || kind === 'block' ? safe(rdev, WORD_MAX, 0) : 0,
    isOrphan && isText(last, 0, 255) ? last : null,
  ]
}

/** Its kind is that of the inode, which repair.ts looks up. */
function name([parent, ino, bytes]: RawRow): Value[] | undefined {
  if (!isInode(parent) || !isInode(ino) || parent === ino) return undefined
  const text = bytes instanceof Uint8Array && isUtf8(bytes) ? Buffer.from(bytes).toString() : ''
  const isName = isText(text, 1, 255) && text !== '.' && text !== '..' && !text.includes('/')
  return [parent, isName ? text : `#${ino}`, ino, 'file']
}

const xattr = ([ino, attribute, value]: RawRow): Value[] | undefined =>
  isInode(ino) && isText(attribute, 1, XATTR_NAME_MAX) && value instanceof Uint8Array && value.length <= XATTR_SIZE_MAX
    ? [ino, attribute, value]
    : undefined

const extent = ([ino, fileBlock, deviceBlock, count]: RawRow): Value[] | undefined =>
  isInode(ino) &&
  isIn(fileBlock, 0, MAX_FILE_BLOCKS - 1) &&
  isIn(deviceBlock, 0, MAX_DEVICE_BLOCKS - 1) &&
  isIn(count, 1, MAX_DEVICE_BLOCKS)
    ? [ino, fileBlock, deviceBlock, count]
    : undefined

const lostFile = ([ino, origin, originName, offset, length, since]: RawRow): Value[] | undefined =>
  isInode(ino) &&
  isIn(origin, 0, Number.MAX_SAFE_INTEGER) &&
  isText(originName, 0, 255) &&
  isIn(offset, 0, Number.MAX_SAFE_INTEGER) &&
  isIn(length, 1, Number.MAX_SAFE_INTEGER) &&
  typeof since === 'bigint'
    ? [ino, origin, originName, offset, length, since]
    : undefined
