/**
 * Blocks that a tampered store has in two places, in use: whatever is reclaimed, allocated, grown, recovered or dumped, the bytes
 * of the files stay what they were, and who comes across the contradiction is told EUCLEAN.
 */
import assert from 'node:assert/strict'
import { readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { dumpPool, loadPool } from '../../src/archive/index.ts'
import { codeOf } from '../../src/errors.ts'
import type { Pool } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { fsck } from '../../src/pool/fsck.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import { demandRepair } from '../../src/pool/recovery.ts'
import { lie } from '../metadata/lies.ts'
import { everythingBusy, NOW, range } from '../metadata/subject.ts'
import { mountTemporarily, whyNoMount } from '../support/mounted-pool.ts'
import { atEnd, BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

const BLOCKS = 256
const inodeOf = (name: string): string => `(SELECT ino FROM dentries WHERE name = '${name}')`
const blockOf = (name: string): string => `(SELECT min(device_block) FROM extents WHERE inode = ${inodeOf(name)})`
const [KEPT, OTHER, BUSY, FREE] = [
  blockOf('kept'),
  blockOf('other'),
  '(SELECT min(start) FROM busy)',
  '(SELECT max(start) FROM free)',
]
const LOST = '(SELECT ino FROM lost_and_found)'
const busy = (start: string, count: number): string => `INSERT INTO busy (start, count) VALUES (${start}, ${count})`
const free = (start: string, count: number): string => `INSERT INTO free VALUES (${start}, ${count})`
const extent = (name: string, start: string, count: number): string =>
  `INSERT INTO extents VALUES (${inodeOf(name)}, 100, ${start}, ${count})`

/** What is said, and what who meets it must be told: the last one of an error's message. */
const LIES: readonly [what: string, sql: string, told: RegExp][] = [
  ['a busy extent over a file', busy(KEPT, 6), /is busy, and a file has it/],
  ['a busy extent within a file', busy(`${KEPT} + 2`, 1), /is busy, and a file has it/],
  ['a busy extent that reaches into a file', 'UPDATE busy SET count = count + 2', /is busy, and a file has it/],
  ['a busy extent from one file into the next', busy(`${KEPT} + 4`, 4), /is busy, and a file has it/],
  [
    'a busy extent over free blocks',
    busy(`${FREE} + 3`, 2),
    /is (?:busy|free), and (?:it is free|it is in another busy)/,
  ],
  ['a busy extent within another', busy(`${BUSY} + 2`, 3), /is busy, and it is in another busy extent/],
  ['a busy extent that reaches into another', busy(`${BUSY} + 7`, 1), /is busy, and it is in another busy extent/],
  ['a busy extent before the first block', 'UPDATE busy SET start = -1', /a run of 8 blocks at -1/],
  ['a busy extent beyond the device', busy(`${BLOCKS + 10}`, 4), /the device has 256/],
  ['a free run over a file', free(KEPT, 6), /is free, and a file has it/],
  ['a free run within a file', free(`${KEPT} + 2`, 2), /is free, and a file has it/],
  ['a free run that reaches into a file', free(`${OTHER} - 1`, 3), /is free, and a file has it/],
  [
    'a free run over a busy extent',
    free(`${BUSY} + 1`, 2),
    /is (?:busy|free), and (?:it is free|it is in another busy)/,
  ],
  ['a free run within another', free(`${FREE} + 4`, 4), /is free, and it is free/],
  ['a free run before the first block', free('-1', 4), /a run of 4 blocks at -1/],
  ['two extents of one file', extent('other', `${OTHER} + 2`, 2), /is busy, and it is in another busy extent/],
  ['extents of two files', extent('other', `${KEPT} + 2`, 2), /is busy, and a file has it/],
  ['an extent over free blocks', extent('kept', `${FREE} + 1`, 3), /is free, and a file has it/],
  ['an extent over a busy extent', extent('kept', `${BUSY} + 2`, 2), /is busy, and a file has it/],
  ['an extent before the first block', extent('other', '-1', 2), /an impossible extent/],
  ['an extent beyond the device', extent('kept', `${BLOCKS + 4}`, 2), /is to be free, and a file has it/],
  [
    'a file of lost+found over a file',
    `UPDATE extents SET device_block = ${KEPT} + 2 WHERE inode = ${LOST}`,
    /is busy, and a file has it/,
  ],
]

const KEPT_FILES = { '/kept': Buffer.alloc(6 * BLOCK, 'k'), '/last': Buffer.alloc(3 * BLOCK, 'l') }

/** Behind each other: 8 busy blocks, a file of lost+found of one, /kept, /other, /last; what is left is free. */
async function tampered(t: TestContext, sql: string): Promise<string> {
  const path = join(temporaryDirectory(t), 'pool')
  {
    await using pool = await createPool(path, { sizeBytes: BLOCKS * BLOCK })
    const files = { '/gone': Buffer.alloc(8 * BLOCK, 'g'), '/lost': Buffer.alloc(BLOCK, 'f'), ...KEPT_FILES }
    for (const [name, content] of Object.entries(files)) {
      if (name === '/last') await pool.writeFile('/other', Buffer.alloc(6 * BLOCK, 'o'))
      await pool.writeFile(name, content)
    }
  }
  const metadata = await openSqliteMetadata(join(path, 'meta.db'))
  const [gone, lost] = [await metadata.lookup(1 as never, 'gone'), await metadata.lookup(1 as never, 'lost')]
  await metadata.changeLayout({ ino: gone!.ino, remove: [range(0, 8)], nowNs: NOW, size: 0 }, everythingBusy)
  const toLost = (removed: Parameters<Parameters<typeof metadata.changeLayout>[1]>[0]) =>
    ({ commit: true, sequester: removed }) as const
  await metadata.changeLayout({ ino: lost!.ino, remove: [range(0, 1)], nowNs: NOW, size: 0 }, toLost)
  await metadata.close()
  // A liar who knows of the counts.
  const counts = `UPDATE space SET busy = (SELECT sum(count) FROM busy), mapped = (SELECT sum(count) FROM extents);
    UPDATE space SET free = block_count - mapped - busy`
  lie(join(path, 'meta.db'), `${sql}; ${counts}`)
  return path
}

async function unchanged(pool: Pool, after: string): Promise<void> {
  for (const [name, content] of Object.entries(KEPT_FILES)) {
    assert.ok(content.equals(await pool.readFile(name)), `${name} after ${after}`)
  }
}

const fsckOf = (path: string): ReturnType<typeof fsck> => fsck(path, { approve: () => Promise.resolve(true) })

for (const [what, sql, told] of LIES) {
  test(`promises 1 and 6: ${what}: no file loses a byte, and it is told`, async (t) => {
    const path = await tampered(t, sql)
    const messages: string[] = []
    const attempt = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await call()
      } catch (error) {
        const code = codeOf(error) ?? 'none'
        if (code === 'EUCLEAN') messages.push((error as Error).message)
        // What could not be written cannot be pinned.
        else assert.ok(['ENOSPC', 'ENOENT', 'ERANGE'].includes(code), `${code}: ${(error as Error).stack}`)
        return undefined
      }
    }
    {
      await using pool = await openPool(path)
      await unchanged(pool, 'opening')
      const archive = new PassThrough()
      const copyPath = `${path}-copy`
      const copy = loadPool(archive, copyPath).catch(() => undefined)
      if ((await attempt(() => dumpPool(pool, archive))) === undefined) archive.destroy()
      if ((await copy) !== undefined) {
        await using loaded = await openPool(copyPath)
        await unchanged(loaded, 'a dump that was loaded')
      }
      const uses: Readonly<Record<string, () => Promise<unknown>>> = {
        'an unlink': () => pool.unlink('/other'),
        reaping: () => pool.reap(),
        reclaiming: () => pool.lostAndFound.reclaim(),
        'one block': () => pool.writeFile('/one', Buffer.alloc(BLOCK, 1)),
        'two blocks': () => pool.writeFile('/two', Buffer.alloc(2 * BLOCK, 2)),
        'four blocks': () => pool.writeFile('/four', Buffer.alloc(4 * BLOCK, 4)),
        'six blocks': () => pool.writeFile('/six', Buffer.alloc(6 * BLOCK, 6)),
        'an edge copy': async () => {
          await using file = await pool.open('/six', 'r+')
          using _ = await file.pin({ offset: 0, length: 2 * BLOCK, mode: 'write' })
          await file.punchHole(100, BLOCK)
        },
        'a full pool': () => pool.writeFile('/fill', Buffer.alloc(2 * BLOCKS * BLOCK, 8)),
        growth: () => pool.grow(2 * BLOCKS * BLOCK),
        'reclaiming again': () => pool.reap(),
        'a sync': () => pool.sync(),
      }
      for (const [name, use] of Object.entries(uses)) {
        await attempt(use)
        await unchanged(pool, name)
      }
    }
    assert.ok(
      messages.some((message) => told.test(message)),
      messages.join('\n'),
    )
    demandRepair(poolDirectory(path))
    const again = await attempt(() => openPool(path))
    if (again !== undefined) {
      await using pool = again
      await unchanged(pool, 'recovery')
    }
    const { findings, left } = await fsckOf(path)
    assert.ok(findings.length > 0, 'fsck finds it')
    assert.deepEqual(left, [])
    await using pool = await openPool(path)
    await unchanged(pool, 'fsck')
    assert.deepEqual(await pool.check(), [])
  })
}

const EUCLEAN = -117
const MOUNTED = ['a busy extent within a file', 'a free run within a file', 'extents of two files']

for (const [what, sql] of LIES.filter((told) => MOUNTED.includes(told[0]))) {
  test(
    `promises 1 and 6, mounted: ${what}: no file loses a byte, and it is told`,
    { skip: whyNoMount() },
    async (t) => {
      const pool = await openPool(await tampered(t, sql))
      atEnd(t, () => pool.close({ force: true }))
      const { dir } = await mountTemporarily(t, pool)
      const errnos: unknown[] = []
      const note = (error: NodeJS.ErrnoException): void => void errnos.push(error.errno)
      await unlink(join(dir, 'other'))
      for (const count of [1, 2, 4, 2 * BLOCKS]) {
        await writeFile(join(dir, `new-${count}`), Buffer.alloc(count * BLOCK, 'n')).catch(note)
        for (const [name, content] of Object.entries(KEPT_FILES)) {
          assert.ok(content.equals(await readFile(join(dir, name))), `${name} after ${count} blocks`)
        }
      }
      assert.ok(errnos.includes(EUCLEAN), String(errnos))
    },
  )
}
