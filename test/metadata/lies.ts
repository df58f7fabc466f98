/** Lies: what somebody may have written into meta.db, with constraints off, and the code of the finding that tells of it. */
import { DatabaseSync } from 'node:sqlite'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { Extent } from '../../src/units.ts'
import { create, everythingBusy, fileOf, NOW, range } from './subject.ts'

/**
 * The pool: /d/e, /f (inode 5: file blocks 0 to 3 and 6 to 9), /g (inode 6, two blocks), one file in /lost+found
 * (inode 7), the symlink /s (inode 8) to 'f', one busy extent, the rest free.
 */
export const LIES: readonly [code: string, sql: string][] = [
  ['block-twice', 'UPDATE free SET start = start - 1, count = count + 1'],
  ['block-twice', 'UPDATE extents SET count = count + 2 WHERE inode = 5 AND file_block = 0'],
  ['block-twice', 'INSERT INTO busy (start, count) VALUES (7, 2)'],
  ['block-twice', 'INSERT INTO busy (start, count) VALUES (4, 1)'],
  ['block-twice', 'INSERT INTO busy (start, count) VALUES (20, 2)'],
  ['block-twice', 'UPDATE busy SET start = 3, count = 4'],
  [
    'block-twice',
    'INSERT INTO busy (start, count) VALUES (6, 4); UPDATE busy SET start = 2, count = 8 WHERE start = 5',
  ],
  ['block-twice', 'INSERT INTO free VALUES (7, 2)'],
  ['block-twice', 'INSERT INTO free VALUES (5, 1)'],
  ['block-twice', 'INSERT INTO free VALUES (20, 4)'],
  ['block-twice', 'UPDATE extents SET device_block = 7 WHERE inode = 6'],
  ['block-twice', 'UPDATE extents SET device_block = 2 WHERE inode = 5 AND file_block = 6'],
  ['block-twice', 'UPDATE extents SET device_block = 1 WHERE inode = 7'],
  ['constraint', 'UPDATE extents SET device_block = -1 WHERE inode = 6'],
  ['constraint', 'UPDATE free SET start = -1'],
  ['constraint', 'UPDATE busy SET start = -1'],
  ['block-lost', 'DELETE FROM busy'],
  ['block-lost', 'UPDATE free SET count = count - 1'],
  ['block-outside', 'UPDATE free SET count = count + 1'],
  ['block-outside', 'UPDATE space SET block_count = block_count - 1'],
  [
    'free-not-merged',
    'INSERT INTO free SELECT start + 3, count - 3 FROM free; UPDATE free SET count = 3 WHERE start = (SELECT min(start) FROM free)',
  ],
  ['extent-overlap', 'UPDATE extents SET file_block = 2 WHERE inode = 5 AND file_block = 6'],
  [
    'extent-not-merged',
    'INSERT INTO extents SELECT inode, 1, device_block + 1, 1 FROM extents WHERE inode = 6; UPDATE extents SET count = 1 WHERE inode = 6',
  ],
  ['inode-blocks', 'UPDATE inodes SET blocks = blocks + 1 WHERE ino = 5'],
  ['last-inode', 'UPDATE space SET last_inode = 7'],
  ['inode-size', 'UPDATE inodes SET size = -1 WHERE ino = 5'],
  ['content', 'UPDATE inodes SET size = 1 WHERE ino = 3'],
  ['content', 'UPDATE extents SET inode = 3 WHERE inode = 6'],
  ['content', 'UPDATE extents SET inode = 8 WHERE inode = 6'],
  ['symlink-target', 'UPDATE inodes SET target = NULL WHERE ino = 8'],
  ['symlink-target', "UPDATE inodes SET target = 'longer' WHERE ino = 8"],
  ['symlink-target', "UPDATE inodes SET target = '', size = 0 WHERE ino = 8"],
  ['symlink-target', "UPDATE inodes SET target = 'f' WHERE ino = 6"],
  ['device-number', 'UPDATE inodes SET rdev = 1 WHERE ino = 8'],
  ['last-name', "UPDATE inodes SET last_name = 'f' WHERE ino = 5"],
  [
    'xattr-list',
    `WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300)
     INSERT INTO xattrs SELECT 5, 'user.' || printf('%0240d', i), x'' FROM n`,
  ],
  ['counter-free', 'UPDATE space SET free = free + 1'],
  ['counter-mapped', 'UPDATE space SET mapped = mapped + 1'],
  ['counter-busy', 'UPDATE space SET busy = busy + 1'],
  ['counter-sequestered', 'UPDATE space SET sequestered = 0'],
  ['counter-files', 'UPDATE space SET files = files - 1'],
  ['root', "UPDATE inodes SET kind = 'file' WHERE ino = 1"],
  ['root', "INSERT INTO dentries VALUES (3, 'loop', 1, 'directory')"],
  ['lost-and-found-directory', "UPDATE dentries SET name = 'found' WHERE ino = 2"],
  ['parent-not-directory', "INSERT INTO dentries VALUES (6, 'x', 5, 'file')"],
  ['directory-names', "INSERT INTO dentries VALUES (1, 'd2', 3, 'directory')"],
  ['directory-names', 'DELETE FROM dentries WHERE ino = 4'],
  ['directory-unreachable', 'UPDATE dentries SET parent = 4 WHERE ino = 3'],
  ['file-links', 'UPDATE inodes SET nlink = 2 WHERE ino = 5'],
  ['file-links', 'DELETE FROM dentries WHERE ino = 5'],
  ['file-links', 'DELETE FROM dentries WHERE ino = 8; UPDATE inodes SET nlink = 0 WHERE ino = 8'],
  ['dentry-kind', "UPDATE dentries SET kind = 'fifo' WHERE ino = 5"],
  ['directory-links', 'UPDATE inodes SET nlink = 3 WHERE ino = 4'],
  ['lost-and-found-entry', 'UPDATE dentries SET parent = 1 WHERE ino = 7'],
  ['lost-and-found-entry', "INSERT INTO lost_and_found VALUES (6, 9, '', 0, 4096, 0)"],
  ['reference', 'DELETE FROM inodes WHERE ino = 6'],
  ['reference', "INSERT INTO xattrs VALUES (999, 'user.ghost', x'')"],
  ['reference', "INSERT INTO dentries VALUES (1, 'ghost', 999, 'file')"],
  ['constraint', "INSERT INTO dentries VALUES (3, '.', 5, 'file')"],
  ['constraint', 'UPDATE inodes SET mode = 4096 WHERE ino = 5'],
  ['constraint', "UPDATE inodes SET kind = 'fime' WHERE ino = 5"],
  ['constraint', 'UPDATE inodes SET uid = -5, gid = 4294967296, mtime_ns = 0 WHERE ino = 5'],
  [
    'sqlite-integrity',
    `DROP INDEX free_by_count; CREATE INDEX free_by_count ON free (count) WHERE 0; PRAGMA writable_schema = ON;
     UPDATE sqlite_schema SET sql = 'CREATE INDEX free_by_count ON free (count)' WHERE name = 'free_by_count'`,
  ],
  [
    'sqlite-integrity',
    `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'since_ns      INTEGER NOT NULL', 'since_ns      INTEGER') WHERE name = 'lost_and_found';
     PRAGMA writable_schema = RESET; UPDATE lost_and_found SET since_ns = NULL; PRAGMA writable_schema = ON;
     UPDATE sqlite_schema SET sql = replace(sql, 'since_ns      INTEGER', 'since_ns      INTEGER NOT NULL') WHERE name = 'lost_and_found'`,
  ],
  ['properties', 'DELETE FROM pool'],
  ['properties', 'DELETE FROM space'],
  ['properties', "UPDATE pool SET uuid = 'ZZa7b810-9dad-41d1-80b4-00c04fd430c8'"],
  ['name-bytes', "UPDATE dentries SET name = CAST(x'66ff66' AS TEXT) WHERE ino = 5"],
  ['name-bytes', "UPDATE dentries SET name = CAST(x'660066' AS TEXT) WHERE ino = 5"],
  ['xattr-name', "INSERT INTO xattrs VALUES (5, 'name', x'')"],
  ['xattr-name', "INSERT INTO xattrs VALUES (5, 'user.', x'')"],
  ['xattr-name', "INSERT INTO xattrs VALUES (5, CAST(x'757365722eff' AS TEXT), x'')"],
  ['schema', 'CREATE TRIGGER t AFTER INSERT ON dentries BEGIN DELETE FROM inodes; END'],
  ['schema', 'CREATE VIEW v AS SELECT * FROM inodes'],
  ['schema', 'CREATE TABLE mine (x)'],
  ['schema', 'DROP INDEX free_by_count'],
  ['schema', 'ALTER TABLE inodes ADD COLUMN colour TEXT'],
  ['directory-unreachable', 'UPDATE dentries SET parent = 4 WHERE ino = 3; UPDATE inodes SET nlink = 3 WHERE ino = 4'],
  ['block-twice', 'UPDATE extents SET device_block = device_block + 1 WHERE inode = 6'],
]

/** Makes what the lies are about. */
export async function populate(metadata: Metadata): Promise<void> {
  const d = await create(metadata, 'd', 'directory')
  await create(metadata, 'e', 'directory', d.ino)
  const f = await fileOf(metadata, 'f', 10)
  await fileOf(metadata, 'g', 2)
  const sequester = [{ fileBlock: 4, deviceBlock: 4, count: 1 }] as unknown as Extent[]
  const change = { ino: f, remove: [range(4, 6)], nowNs: NOW }
  await metadata.changeLayout(change, () => ({ ...everythingBusy(), sequester }))
  await create(metadata, 's', 'symlink')
}

/** Writes a lie into the store at `path`, past all constraints. */
export function lie(path: string, sql: string): void {
  const raw = new DatabaseSync(path, { enableForeignKeyConstraints: false, defensive: false })
  raw.exec('PRAGMA ignore_check_constraints = ON')
  raw.exec(sql)
  raw.close()
}
