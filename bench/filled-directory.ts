/**
 * Directories of as many entries as asked, written straight into the tables of a pool that nobody has open: through the
 * library a million would take minutes. `pool.check()` has nothing to say about them.
 */
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'

/** How the `i`th entry is called. */
export const entryName = (i: number): string => `name-${String(i).padStart(7, '0')}`

/** Copies the file `template`, empty and in the root of the pool in directory `path`, into a directory beside it, so many times. */
export function fillDirectory(path: string, directory: string, template: string, entries: number): void {
  const db = new DatabaseSync(join(path, 'meta.db'))
  const inRoot = (name: string): number =>
    Number(db.prepare('SELECT ino FROM dentries WHERE parent = 1 AND name = ?').get(name)?.['ino'])
  const first = Number(db.prepare('SELECT max(ino) + 1 AS first FROM inodes').get()?.['first'])
  const names = db.prepare("SELECT name FROM pragma_table_info('inodes') WHERE name <> 'ino'").all()
  const columns = names.map(({ name }) => String(name)).join()
  const numbers = `WITH RECURSIVE numbers (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ${entries})`
  db.exec(`
    PRAGMA cache_size = -262144;
    BEGIN IMMEDIATE;
    ${numbers} INSERT INTO inodes (ino, ${columns})
      SELECT ${first} + i, ${columns} FROM numbers, inodes WHERE ino = ${inRoot(template)};
    ${numbers} INSERT INTO dentries (parent, name, ino, kind)
      SELECT ${inRoot(directory)}, printf('name-%07d', i), ${first} + i, 'file' FROM numbers;
    UPDATE space SET files = files + ${entries}, last_inode = last_inode + ${entries};
    COMMIT`)
  db.close()
}
