/** Every finding of the check, each made by writing a lie into meta.db. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'

import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import type { Extent } from '../../src/units.ts'
import { create, everythingBusy, fileOf, NOW, properties, range } from './subject.ts'

/**
 * The pool: /d/e, /f (inode 5: file blocks 0 to 3 and 6 to 9), /g (inode 6, two blocks), one file in /lost+found
 * (inode 7), the symlink /s (inode 8) to 'f', one busy extent, the rest free.
 */
const LIES: readonly [code: string, sql: string][] = [
  ['block-twice', 'UPDATE free SET start = start - 1, count = count + 1'],
  ['block-twice', 'UPDATE extents SET count = count + 2 WHERE inode = 5 AND file_block = 0'],
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
  ['lost-and-found-entry', 'DELETE FROM lost_and_found'],
  ['lost-and-found-entry', 'UPDATE dentries SET parent = 1 WHERE ino = 7'],
  ['lost-and-found-entry', "INSERT INTO lost_and_found VALUES (6, 9, '', 0, 4096, 0)"],
  ['reference', 'DELETE FROM inodes WHERE ino = 6'],
  ['reference', "INSERT INTO xattrs VALUES (999, 'user.ghost', x'')"],
  ['reference', "INSERT INTO dentries VALUES (1, 'ghost', 999, 'file')"],
  ['sqlite-integrity', "INSERT INTO dentries VALUES (3, '.', 5, 'file')"],
  ['sqlite-integrity', 'UPDATE inodes SET mode = 4096 WHERE ino = 5'],
]

async function damaged(sql: string) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  try {
    const path = join(directory, 'meta.db')
    await createSqliteMetadata(path, properties(64))
    const metadata = await openSqliteMetadata(path)
    const d = await create(metadata, 'd', 'directory')
    await create(metadata, 'e', 'directory', d.ino)
    const f = await fileOf(metadata, 'f', 10)
    await fileOf(metadata, 'g', 2)
    const sequester = [{ fileBlock: 4, deviceBlock: 4, count: 1 }] as unknown as Extent[]
    const change = { ino: f, remove: [range(4, 6)], nowNs: NOW }
    await metadata.changeLayout(change, () => ({ ...everythingBusy(), sequester }))
    await create(metadata, 's', 'symlink')
    const raw = new DatabaseSync(path, { enableForeignKeyConstraints: false })
    raw.exec('PRAGMA ignore_check_constraints = ON')
    raw.exec(sql)
    raw.close()
    const findings = await metadata.check()
    await metadata.close()
    return findings
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('a sound store has no findings', async () => {
  assert.deepEqual(await damaged('SELECT 1'), [])
})

for (const [code, sql] of LIES) {
  test(`the check finds ${code} after ${sql}`, async () => {
    const findings = await damaged(sql)
    assert.ok(
      findings.some((finding) => finding.code === code),
      JSON.stringify(findings),
    )
    for (const { message } of findings) assert.notEqual(message, 'null')
  })
}

test('the check of a hopeless store ends', async () => {
  const sql = `WITH RECURSIVE n (i) AS (VALUES (100) UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
               INSERT INTO dentries SELECT 1, 'ghost' || i, i, 'file' FROM n`
  const findings = await damaged(sql)
  assert.equal(findings.length, 1001)
  assert.equal(findings.at(-1)?.code, 'too-many')
})

test('a store that SQLite cannot read to the end is told as such', async () => {
  const findings = await damaged('DROP TABLE lost_and_found')
  assert.ok(
    findings.some(({ code }) => code === 'unreadable'),
    JSON.stringify(findings),
  )
})

test('every code of the check is tested here and told in the documentation', () => {
  const sources = ['check.ts', 'check-space.ts', 'check-inodes.ts', 'check-directories.ts']
  const source = sources
    .map((name) => readFileSync(new URL(`../../src/metadata/${name}`, import.meta.url), 'utf8'))
    .join()
  const codes = [...source.matchAll(/code: '([a-z-]+)'/g)].map((match) => match[1])
  const counters = [...source.matchAll(/counter\('([a-z]+)'/g)].map((match) => `counter-${match[1]}`)
  const all = new Set([...codes, ...counters])
  const tested = new Set([...LIES.map(([code]) => code), 'too-many', 'unreadable'])
  assert.deepEqual([...all].toSorted(undefined), [...tested].toSorted(undefined))
  const text = readFileSync(new URL('../../docs/internals/format.md', import.meta.url), 'utf8')
  for (const code of all) assert.ok(text.includes(`\`${code}\``), code)
})
