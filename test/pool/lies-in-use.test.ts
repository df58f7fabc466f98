/**
 * Pools whose metadata lie, in use: each answers with correct service or with an error of the system's, and never with a crash, a
 * hang, a signal, a mistake of our own, or an access outside of the device. fsck afterwards makes them sound.
 */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createPool, openPool } from '../../src/index.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { fsck } from '../../src/pool/fsck.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import { demandRepair } from '../../src/pool/recovery.ts'
import { lie, LIES, populate } from '../metadata/lies.ts'
import { startProcess } from '../support/participant.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { usedBy } from '../support/use-everything.ts'

const TIMEOUT_MS = 60_000

/** Past the types of the columns as well, which nothing but another schema for the time of the lie gets by. */
const untyped = (table: string, sql: string): string =>
  `PRAGMA writable_schema = ON;
   CREATE TEMP TABLE kept AS SELECT sql FROM sqlite_schema WHERE name = '${table}';
   UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = '${table}';
   PRAGMA writable_schema = RESET; ${sql}; PRAGMA writable_schema = ON;
   UPDATE sqlite_schema SET sql = (SELECT sql FROM kept) WHERE name = '${table}'; DROP TABLE kept`

const HUGE = '9223372036854775807'
const MORE_LIES: readonly string[] = [
  // Blocks that no device, or not this one, has.
  'UPDATE extents SET device_block = 4294967290 WHERE inode = 5 AND file_block = 0',
  'UPDATE extents SET device_block = 250 WHERE inode = 5 AND file_block = 0',
  'UPDATE extents SET device_block = -1 WHERE inode = 5 AND file_block = 0',
  `UPDATE extents SET count = ${HUGE} WHERE inode = 5`,
  'UPDATE extents SET count = 4294967295 WHERE inode = 5',
  'UPDATE extents SET count = 0 WHERE inode = 5',
  'UPDATE extents SET count = -4 WHERE inode = 5',
  'UPDATE extents SET file_block = -4 WHERE inode = 5 AND file_block = 0',
  `UPDATE extents SET file_block = ${HUGE} WHERE inode = 5 AND file_block = 6`,
  'INSERT INTO free VALUES (0, 4)',
  'UPDATE free SET start = -10',
  `UPDATE free SET count = ${HUGE}`,
  'UPDATE free SET count = -count',
  'INSERT INTO free VALUES (1000, 4294966295)',
  `INSERT INTO busy VALUES (99, 1000, ${HUGE})`,
  'UPDATE busy SET count = 100',
  `UPDATE busy SET id = ${HUGE}`,
  // Sizes, counts, numbers.
  `UPDATE inodes SET size = ${HUGE} WHERE ino = 5`,
  'UPDATE inodes SET size = 9007199254740991 WHERE ino = 5',
  'UPDATE inodes SET size = -4096 WHERE ino = 6',
  `UPDATE inodes SET nlink = ${HUGE} WHERE ino = 5`,
  'UPDATE inodes SET nlink = -1 WHERE ino IN (4, 5)',
  `UPDATE inodes SET blocks = ${HUGE} WHERE ino = 5`,
  `UPDATE inodes SET mode = ${HUGE}, uid = -1, gid = 1099511627776 WHERE ino IN (3, 5)`,
  `UPDATE inodes SET atime_ns = ${HUGE}, mtime_ns = -${HUGE}, change_count = ${HUGE} WHERE ino IN (1, 3, 5)`,
  'UPDATE inodes SET ino = -5 WHERE ino = 5; UPDATE dentries SET ino = -5 WHERE ino = 5',
  `UPDATE inodes SET ino = ${HUGE} WHERE ino = 6; UPDATE dentries SET ino = ${HUGE} WHERE ino = 6`,
  ...[HUGE, '-1', '0', '4294967295'].map((value) => `UPDATE space SET block_count = ${value}`),
  ...[HUGE, '-1', '0'].map((value) => `UPDATE space SET free = ${value}`),
  ...[HUGE, '-1'].map((value) => `UPDATE space SET mapped = ${value}, busy = ${value}, sequestered = ${value}`),
  ...[HUGE, '-1', '1'].map((value) => `UPDATE space SET last_inode = ${value}`),
  ...[HUGE, '-1'].map((value) => `UPDATE space SET reserve = ${value}, files = ${value}`),
  `UPDATE pool SET lease_break_time_ms = ${HUGE}`,
  `UPDATE lost_and_found SET origin_offset = -1, length = ${HUGE}, since_ns = -${HUGE}`,
  // Trees that are none.
  "INSERT INTO dentries VALUES (4, 'up', 3, 'directory')",
  "INSERT INTO dentries VALUES (3, 'self', 3, 'directory')",
  "INSERT INTO dentries VALUES (1, 'a/b', 5, 'file')",
  "INSERT INTO dentries VALUES (1, '..', 3, 'directory')",
  "INSERT INTO dentries VALUES (1, '', 5, 'file')",
  "UPDATE dentries SET kind = 'directory' WHERE ino = 5",
  "UPDATE dentries SET kind = 'file' WHERE ino = 3",
  "UPDATE inodes SET kind = 'directory', nlink = 2 WHERE ino = 5",
  "UPDATE inodes SET kind = 'symlink', target = '/f' WHERE ino = 5",
  "UPDATE inodes SET target = 's' WHERE ino = 8; UPDATE dentries SET name = 's' WHERE ino = 8",
  'DELETE FROM inodes WHERE ino = 1',
  'DELETE FROM dentries',
  // Values of other types.
  untyped('inodes', "UPDATE inodes SET size = 'many', mode = 1.5 WHERE ino = 5"),
  untyped('inodes', "UPDATE inodes SET nlink = x'00', mtime_ns = 'now' WHERE ino IN (3, 5)"),
  untyped('inodes', "UPDATE inodes SET kind = x'66696c65', busy = 7 WHERE ino = 5"),
  untyped('extents', "UPDATE extents SET device_block = 'first', count = 2.5 WHERE inode = 5 AND file_block = 0"),
  untyped('extents', "UPDATE extents SET count = '1],[2' WHERE inode = 5"),
  untyped('free', "UPDATE free SET count = 'all'"),
  untyped('space', "UPDATE space SET block_count = 'all', free = 1.5"),
  untyped('pool', "UPDATE pool SET uuid = x'00', busy = 3, lease_break_time_ms = 'long'"),
  untyped('dentries', "UPDATE dentries SET name = x'66' WHERE ino = 5"),
  untyped('xattrs', "INSERT INTO xattrs VALUES (5, 'user.a', 'text'), (5, 7, x'00')"),
]

async function poolThatLies(t: TestContext, sql: string): Promise<string> {
  const path = join(temporaryDirectory(t), 'pool')
  await (await createPool(path, { sizeBytes: 1 << 20 })).close()
  const metadata = await openSqliteMetadata(join(path, 'meta.db'))
  await populate(metadata)
  await metadata.close()
  lie(join(path, 'meta.db'), sql)
  return path
}

const FAMILIES = { 'the lies of fsck': LIES.map(([, sql]) => sql), 'lies of all sorts': MORE_LIES }

for (const [name, lies] of Object.entries(FAMILIES)) {
  test(`${name}: a pool that tells them gives correct service or an error`, async (t) => {
    const user = await startProcess(t)
    const codes = new Set<string>()
    const problems: string[] = []
    let done = 0
    for (const sql of lies) {
      const path = await poolThatLies(t, sql)
      for (const readOnly of [true, false]) {
        const use = await usedBy(user, path, { readOnly, timeoutMs: TIMEOUT_MS })
        problems.push(...use.wrong.map((wrong) => `${sql}: ${wrong}`))
        for (const code of use.codes) codes.add(code)
        done += use.done
      }
      const { left } = await fsck(path, { approve: () => Promise.resolve(true) })
      const { findings } = await fsck(path)
      assert.ok(statSync(join(path, 'device')).size < 100 << 20, sql)
      problems.push(...[...left, ...findings].map(({ message }) => `${sql}: fsck leaves: ${message}`))
    }
    assert.deepEqual(problems, [])
    assert.ok(codes.has('EUCLEAN'))
    t.diagnostic(`${lies.length} lies, ${done} calls succeeded, the others ended with ${[...codes].join()}`)
  })
}

test('what is free and a file’s at once is not punched after a power failure: the pool is refused until fsck has been there', async (t) => {
  const path = join(temporaryDirectory(t), 'pool')
  const content = Buffer.alloc(8 << 12, 7)
  {
    await using pool = await createPool(path, { sizeBytes: 1 << 20 })
    await pool.writeFile('/file', content)
  }
  lie(join(path, 'meta.db'), 'INSERT INTO free SELECT device_block, count FROM extents')
  demandRepair(poolDirectory(path))
  await assert.rejects(openPool(path), { code: 'EUCLEAN', message: /is free, and a file has it; run fsck/ })
  await fsck(path, { approve: () => Promise.resolve(true) })
  await using pool = await openPool(path)
  assert.deepEqual(await pool.readFile('/file'), content)
})
