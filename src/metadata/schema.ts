/**
 * The tables of meta.db. This text is the documentation of the format (docs/internals/format.md explains it): each
 * constraint states an invariant, and `sqlite3 meta.db .schema` shows it together with its comments.
 *
 * A block of the device is in exactly one row of `free`, `extents` or `busy`. No CHECK can say that: the code of
 * space.ts and layout-change.ts keeps it, the CHECK of `space` catches a miscount, and check.ts looks at every block.
 */
import type { DatabaseSync } from 'node:sqlite'
import { LOST_AND_FOUND_INODE, ROOT_INODE, SYMLINK_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from './metadata.ts'
import type { InodeKind, PoolProperties } from './metadata.ts'

/** Stands in the header of meta.db: "Hold" in ASCII. */
export const APPLICATION_ID = 0x48_6f_6c_64

/** Stands in the header of meta.db as `user_version`. A store opens this version and no other. */
export const FORMAT_VERSION = 3

/**
 * Bytes of a page of meta.db. Half of SQLite's usual: a transaction writes every page it touches to the log, so that
 * commits cost a sixth less and checkpoints half; a name of 255 bytes still has room in its page.
 */
export const PAGE_SIZE = 2048

export const KINDS = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character', 'block'] satisfies InodeKind[]

/** As `column IN (values)`, for which SQLite builds an index each time: a third of the price of making a file. */
const isOneOf = (column: string, values: readonly string[]): string =>
  values.map((value) => `${column} = '${value}'`).join(' OR ')

export const SCHEMA = `
CREATE TABLE pool (
  -- What the pool is; one row.
  id                  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  uuid                TEXT    NOT NULL CHECK (length(uuid) = 36),
  busy                TEXT    NOT NULL CHECK (busy IN ('fail', 'wait', 'sequester')),
  dax                 TEXT    NOT NULL CHECK (dax IN ('always', 'never')),
  lease_break_time_ms INTEGER NOT NULL CHECK (lease_break_time_ms >= 0)
) STRICT;

CREATE TABLE space (
  -- Counts of blocks, kept in every transaction that moves one; one row.
  id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  block_count INTEGER NOT NULL CHECK (block_count BETWEEN 0 AND 4294967295),
  free        INTEGER NOT NULL CHECK (free >= 0),
  mapped      INTEGER NOT NULL CHECK (mapped >= 0),
  busy        INTEGER NOT NULL CHECK (busy >= 0),
  -- Mapped by files of /lost+found.
  sequestered INTEGER NOT NULL CHECK (sequestered BETWEEN 0 AND mapped),
  -- Inodes of kind 'file', orphans and those of /lost+found included.
  files       INTEGER NOT NULL CHECK (files >= 0),
  -- Free blocks that ordinary allocation leaves alone.
  reserve     INTEGER NOT NULL CHECK (reserve >= 0),
  -- The highest number that an inode has or had. Here, since the row is written anyway when a file is made.
  last_inode  INTEGER NOT NULL CHECK (last_inode >= 2),
  CHECK (free + mapped + busy = block_count)
) STRICT;

CREATE TABLE inodes (
  -- The number of a removed inode is never given again: space.last_inode.
  ino          INTEGER NOT NULL PRIMARY KEY CHECK (ino > 0),
  kind         TEXT    NOT NULL CHECK (${isOneOf('kind', KINDS)}),
  mode         INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 4095),
  uid          INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295),
  gid          INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295),
  -- Its names. 0: a file without one that is still open somewhere. A directory: 2 + its subdirectories.
  nlink        INTEGER NOT NULL CHECK (nlink >= CASE kind WHEN 'file' THEN 0 WHEN 'directory' THEN 2 ELSE 1 END),
  -- Bytes; of a symlink those of its target.
  size         INTEGER NOT NULL CHECK (size BETWEEN 0 AND 9007199254740991),
  -- Mapped blocks: the sum of its extents.
  blocks       INTEGER NOT NULL CHECK (blocks >= 0 AND (kind = 'file' OR blocks = 0)),
  -- Nanoseconds since 1970.
  atime_ns     INTEGER NOT NULL,
  mtime_ns     INTEGER NOT NULL,
  ctime_ns     INTEGER NOT NULL,
  birthtime_ns INTEGER NOT NULL,
  change_count INTEGER NOT NULL CHECK (change_count >= 0),
  -- Policies of this file; NULL: those of the pool.
  busy         TEXT CHECK (${isOneOf('busy', ['fail', 'wait', 'sequester'])}),
  dax          TEXT CHECK (${isOneOf('dax', ['always', 'never'])}),
  -- Where a symlink points.
  target       TEXT CHECK (octet_length(target) BETWEEN 1 AND ${SYMLINK_MAX}),
  -- Device number of kinds 'character' and 'block'.
  rdev         INTEGER NOT NULL CHECK (rdev BETWEEN 0 AND 4294967295 AND (rdev = 0 OR ${isOneOf('kind', ['character', 'block'])})),
  -- The name that an orphan lost last, for /lost+found. NULL of an orphan: it never had one, and may get one.
  last_name    TEXT CHECK (nlink = 0 OR last_name IS NULL),
  CHECK (kind = 'file' OR size = coalesce(octet_length(target), 0)),
  CHECK ((kind = 'symlink') = (target IS NOT NULL))
) STRICT;
CREATE INDEX orphans ON inodes (ino) WHERE nlink = 0;

CREATE TABLE dentries (
  -- Names compare by their bytes (UTF-8). kind is that of the inode, so that listing a directory needs no other table.
  parent INTEGER NOT NULL REFERENCES inodes (ino),
  name   TEXT    NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255 AND name <> '.' AND name <> '..' AND instr(name, '/') = 0),
  ino    INTEGER NOT NULL REFERENCES inodes (ino) CHECK (ino <> parent),
  kind   TEXT    NOT NULL CHECK (${isOneOf('kind', KINDS)}),
  PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX dentries_by_ino ON dentries (ino);

CREATE TABLE xattrs (
  -- Extended attributes. Names compare by their bytes (UTF-8), the namespace (user., trusted.) is part of them.
  ino   INTEGER NOT NULL REFERENCES inodes (ino),
  name  TEXT    NOT NULL CHECK (octet_length(name) BETWEEN 1 AND ${XATTR_NAME_MAX}),
  value BLOB    NOT NULL CHECK (octet_length(value) <= ${XATTR_SIZE_MAX}),
  PRIMARY KEY (ino, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE extents (
  -- Blocks [file_block, file_block + count) of a file are blocks [device_block, device_block + count) of the device.
  -- Extents of a file do not overlap, and are one where they touch in the file and in the device.
  inode        INTEGER NOT NULL REFERENCES inodes (ino),
  file_block   INTEGER NOT NULL CHECK (file_block BETWEEN 0 AND 2199023255551),
  device_block INTEGER NOT NULL CHECK (device_block BETWEEN 0 AND 4294967294),
  count        INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (inode, file_block)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX extents_by_device ON extents (device_block);

CREATE TABLE free (
  -- Zero on the host, fit for a file at once. Neighbours are always merged into one row.
  start INTEGER NOT NULL PRIMARY KEY CHECK (start BETWEEN 0 AND 4294967294),
  count INTEGER NOT NULL CHECK (count > 0)
) STRICT;
CREATE INDEX free_by_count ON free (count);

CREATE TABLE busy (
  -- Freed by their file, or reserved, and not yet fit for reuse. AUTOINCREMENT: a late release cannot hit another row.
  id    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  start INTEGER NOT NULL UNIQUE CHECK (start BETWEEN 0 AND 4294967294),
  count INTEGER NOT NULL CHECK (count > 0)
) STRICT;

CREATE TABLE lost_and_found (
  -- Where a file of /lost+found comes from. Bytes [origin_offset, origin_offset + length) of inode origin_inode, which
  -- may be gone (hence no reference).
  ino           INTEGER NOT NULL PRIMARY KEY REFERENCES inodes (ino),
  origin_inode  INTEGER NOT NULL,
  origin_name   TEXT    NOT NULL,
  origin_offset INTEGER NOT NULL CHECK (origin_offset >= 0),
  length        INTEGER NOT NULL CHECK (length > 0),
  since_ns      INTEGER NOT NULL
) STRICT;
`

export const LOST_AND_FOUND_NAME = 'lost+found'

const INSERT_DIRECTORY =
  'INSERT INTO inodes (ino, kind, mode, uid, gid, nlink, size, blocks, atime_ns, mtime_ns, ctime_ns, birthtime_ns, ' +
  "change_count, rdev) VALUES (?, 'directory', ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, 0, 0)"

/** Fills the tables of a new pool: its properties, the two directories that every pool has, one run of free blocks. */
export function insertFirstRows(db: DatabaseSync, properties: PoolProperties): void {
  const { uuid, busy, dax, leaseBreakTimeMs, reserveBlocks, blockCount } = properties
  db.prepare('INSERT INTO pool VALUES (1, ?, ?, ?, ?)').run(uuid, busy, dax, leaseBreakTimeMs)
  db.prepare('INSERT INTO space VALUES (1, ?1, ?1, 0, 0, 0, 0, ?2, ?3)').run(
    blockCount,
    reserveBlocks,
    LOST_AND_FOUND_INODE,
  )
  if (blockCount > 0) db.prepare('INSERT INTO free (start, count) VALUES (0, ?)').run(blockCount)
  const now = BigInt(Date.now()) * 1_000_000n
  const uid = process.getuid?.() ?? 0
  const gid = process.getgid?.() ?? 0
  const directory = db.prepare(INSERT_DIRECTORY)
  directory.run(ROOT_INODE, 0o755, uid, gid, 3, now, now, now, now)
  directory.run(LOST_AND_FOUND_INODE, 0o700, uid, gid, 2, now, now, now, now)
  db.prepare("INSERT INTO dentries (parent, name, ino, kind) VALUES (?, ?, ?, 'directory')").run(
    ROOT_INODE,
    LOST_AND_FOUND_NAME,
    LOST_AND_FOUND_INODE,
  )
}
