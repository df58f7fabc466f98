/**
 * A tree of as many files as asked, of one block each, written straight into the tables of a pool that nobody has open:
 * through the library a million would take minutes. `fsck` has nothing to say about it.
 */
import { DatabaseSync } from 'node:sqlite'
import { createPool, openPool } from '../src/index.ts'
import { poolDirectory } from '../src/pool/pool-directory.ts'
import { demandRepair } from '../src/pool/recovery.ts'

const FILES_OF_DIRECTORY = 1000
/** Behind each so many blocks of files one is free, so that neither files nor free blocks are one run. */
const BLOCKS_OF_RUN = 9

/** Makes the pool, and fills it. */
export async function createFilledPool(path: string, sizeBytes: number, files: number): Promise<void> {
  const directories = files / FILES_OF_DIRECTORY
  {
    await using pool = await createPool(path, { sizeBytes })
    for (let i = 0; i < directories; i++) await pool.mkdir(`/${i}`)
    await pool.writeFile('/template', 'x')
  }
  const db = new DatabaseSync(poolDirectory(path).metadata)
  const numberOf = (sql: string): number => Number(db.prepare(`SELECT ${sql}`).get()?.['n'])
  const inodeOf = (name: string): number => numberOf(`ino AS n FROM dentries WHERE parent = 1 AND name = '${name}'`)
  const firstInode = numberOf('last_inode + 1 AS n FROM space')
  const firstBlock = numberOf('max(start) AS n FROM free')
  const runs = Math.floor((files - 1) / BLOCKS_OF_RUN)
  const names = db.prepare("SELECT name FROM pragma_table_info('inodes') WHERE name <> 'ino'").all()
  const columns = names.map(({ name }) => String(name)).join()
  const numbers = (count: number): string =>
    `WITH RECURSIVE numbers (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ${count})`
  db.exec(`
    PRAGMA cache_size = -262144;
    BEGIN IMMEDIATE;
    ${numbers(files)} INSERT INTO inodes (ino, ${columns})
      SELECT ${firstInode} + i, ${columns} FROM numbers, inodes WHERE ino = ${inodeOf('template')};
    ${numbers(files)} INSERT INTO dentries
      SELECT ${inodeOf('0')} + i / ${FILES_OF_DIRECTORY}, printf('file-%07d', i), ${firstInode} + i, 'file' FROM numbers;
    ${numbers(files)} INSERT INTO extents
      SELECT ${firstInode} + i, 0, ${firstBlock} + i + i / ${BLOCKS_OF_RUN}, 1 FROM numbers;
    UPDATE free SET start = start + ${files + runs}, count = count - ${files + runs} WHERE start = ${firstBlock};
    ${numbers(runs)} INSERT INTO free
      SELECT ${firstBlock} + i * ${BLOCKS_OF_RUN + 1} + ${BLOCKS_OF_RUN}, 1 FROM numbers;
    UPDATE space SET files = files + ${files}, last_inode = last_inode + ${files},
      free = free - ${files}, mapped = mapped + ${files};
    COMMIT`)
  db.close()
  // The host has no space for these blocks yet: this opening sees to it, as after a power failure.
  demandRepair(poolDirectory(path))
  await (await openPool(path)).close()
}
