/** fsck of a pool that nobody has open: each class of damage is found and repaired, and a second run is clean. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { writeLabel } from '../../src/device/label.ts'
import { createPool, openPool } from '../../src/index.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import type { FsckReport } from '../../src/pool/fsck.ts'
import { fsck } from '../../src/pool/fsck.ts'
import { lie, LIES, populate } from '../metadata/lies.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, temporaryDirectory, noDisk } from '../support/temporary-pool.ts'

const repaired = (path: string): Promise<FsckReport> => fsck(path, { approve: () => Promise.resolve(true) })

async function populatedPool(t: TestContext): Promise<string> {
  const path = join(temporaryDirectory(t), 'pool')
  await (await createPool(path, { sizeBytes: 1 << 20 })).close()
  const metadata = await openSqliteMetadata(join(path, 'meta.db'))
  await populate(metadata)
  await metadata.close()
  return path
}

/** A pool with content that can be told apart: a block of each file holds its own letter. */
async function lettered(t: TestContext, on: 'tmpfs' | 'disk' = 'tmpfs'): Promise<string> {
  const path = join(temporaryDirectory(t, on), 'pool')
  await using pool = await createPool(path, { sizeBytes: 1 << 20 })
  await pool.mkdir('/d/e', { recursive: true })
  for (const letter of 'abc') await pool.writeFile(`/d/${letter}`, letter.repeat(3 * BLOCK))
  return path
}

const codes = ({ findings }: FsckReport): string[] => findings.map(({ code }) => code)

/** Sound afterwards, for fsck, for SQLite, and for who opens it. */
async function checkClean(path: string): Promise<void> {
  assert.deepEqual(await fsck(path), { findings: [], repairs: [], left: [], keptAs: undefined })
  const db = new DatabaseSync(join(path, 'meta.db'))
  assert.deepEqual(
    [db.prepare('PRAGMA integrity_check').get()?.['integrity_check'], db.prepare('PRAGMA foreign_key_check').all()],
    ['ok', []],
  )
  db.close()
  await using pool = await openPool(path)
  await pool.lostAndFound.reclaim()
  await pool.writeFile('/made-afterwards', 'content')
  assert.deepEqual(await pool.check(), [])
}

describe('a lie in the metadata', () => {
  for (const [code, sql] of LIES) {
    test(`${code}, by ${sql}, is found and repaired`, async (t) => {
      const path = await populatedPool(t)
      lie(join(path, 'meta.db'), sql)
      const before = await fsck(path)
      assert.ok(codes(before).includes(code), JSON.stringify(before.findings))
      assert.deepEqual(before.left, before.findings, 'a check repairs nothing')
      const report = await repaired(path)
      assert.deepEqual(codes(report), codes(before))
      assert.deepEqual(report.left, [], JSON.stringify(report))
      assert.ok(report.repairs.length > 0)
      await checkClean(path)
    })
  }

  test('all lies at once that can be told together are repaired together', async (t) => {
    const path = await populatedPool(t)
    const tellable = LIES.filter(([code]) => !['schema', 'properties'].includes(code))
    for (const [, sql] of tellable) {
      try {
        lie(join(path, 'meta.db'), sql)
      } catch {
        // What one lie took away another cannot be told about.
      }
    }
    const report = await repaired(path)
    assert.deepEqual(report.left, [], JSON.stringify(report.left))
    await checkClean(path)
  })
})

describe('what files hold', () => {
  test('a file and a directory that no name leads to are in /lost+found, whole, and can be taken out', async (t) => {
    const path = await lettered(t)
    lie(join(path, 'meta.db'), "DELETE FROM dentries WHERE name IN ('a', 'd')")
    const report = await repaired(path)
    assert.ok(codes(report).includes('file-links') && codes(report).includes('directory-names'))
    await checkClean(path)
    await using pool = await openPool(path)
    const found = await pool.readdir('/lost+found')
    assert.deepEqual(found, ['#3', '#5'])
    assert.equal(await pool.readFile('/lost+found/#3/b', 'utf8'), 'b'.repeat(3 * BLOCK))
    assert.equal(await pool.readFile('/lost+found/#5', 'utf8'), 'a'.repeat(3 * BLOCK))
    assert.equal((await pool.lostAndFound.list()).length, 0, 'these do not go by themselves')
    await pool.rename('/lost+found/#5', '/a')
    await pool.rename('/lost+found/#3', '/d')
    assert.deepEqual(await pool.readdir('/lost+found'), [])
    await assert.rejects(pool.rename('/a', '/lost+found/a'), { code: 'EPERM' })
    assert.deepEqual(await pool.check(), [])
  })

  test('a block that two files have is copied: both read as before, and neither writes into the other', async (t) => {
    const path = await lettered(t)
    const db = join(path, 'meta.db')
    lie(
      db,
      "UPDATE extents SET device_block = device_block - 1 WHERE inode = (SELECT ino FROM dentries WHERE name = 'b')",
    )
    const report = await repaired(path)
    assert.ok(codes(report).includes('block-twice') && codes(report).includes('block-lost'))
    await checkClean(path)
    await using pool = await openPool(path)
    const b = 'a'.repeat(BLOCK) + 'b'.repeat(2 * BLOCK)
    assert.equal(await pool.readFile('/d/b', 'utf8'), b)
    await using file = await pool.open('/d/b', 'r+')
    await file.write('x'.repeat(BLOCK), { position: 0 })
    assert.equal(await pool.readFile('/d/a', 'utf8'), 'a'.repeat(3 * BLOCK))
  })

  test('a lost inode keeps the names and the content that lead to it', async (t) => {
    const path = await lettered(t)
    lie(join(path, 'meta.db'), "DELETE FROM inodes WHERE ino IN (SELECT ino FROM dentries WHERE name IN ('a', 'd'))")
    await repaired(path)
    await checkClean(path)
    await using pool = await openPool(path)
    for (const letter of 'abc') assert.equal(await pool.readFile(`/d/${letter}`, 'utf8'), letter.repeat(3 * BLOCK))
  })

  test('pages that SQLite cannot read cost what was on them and no more; the damaged store is kept', async (t) => {
    const path = join(temporaryDirectory(t), 'pool')
    {
      await using pool = await createPool(path, { sizeBytes: 4 << 20 })
      for (let i = 0; i < 300; i++) await pool.writeFile(`/file-${i}`, `content of ${i}`)
    }
    const meta = join(path, 'meta.db')
    const db = new DatabaseSync(meta)
    const { rootpage } = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'dentries'").get() as {
      rootpage: number
    }
    db.close()
    const bytes = readFileSync(meta)
    // The table's root: all of its rows are out of reach; the index has the names, too.
    bytes.fill(0xff, (rootpage - 1) * 2048, rootpage * 2048)
    writeFileSync(meta, bytes)
    const report = await repaired(path)
    assert.ok(codes(report).some((code) => ['unreadable', 'sqlite-integrity'].includes(code)))
    assert.deepEqual(report.left, [], JSON.stringify(report))
    assert.ok(existsSync(report.keptAs!) && bytes.equals(readFileSync(report.keptAs!)))
    await checkClean(path)
    await using pool = await openPool(path)
    for (let i = 0; i < 300; i++) assert.equal(await pool.readFile(`/file-${i}`, 'utf8'), `content of ${i}`)
  })
})

describe('the device', () => {
  test('one without its label gets it again; one of another pool stops every repair', async (t) => {
    const path = await lettered(t)
    const device = join(path, 'device')
    const uuid = readFileSync(device).toString('latin1', 16, 52)
    writeLabel(device, '0'.repeat(36))
    lie(join(path, 'meta.db'), 'UPDATE space SET files = files + 1')
    const other = await repaired(path)
    assert.deepEqual([codes(other), other.left], [['device-other', 'counter-files'], other.findings])
    writeLabel(device, uuid)
    assert.deepEqual(codes(await repaired(path)), ['counter-files'])
    truncateSync(device, 10)
    const cut = await repaired(path)
    assert.deepEqual(codes(cut), ['device-label', 'device-size'])
    assert.deepEqual(cut.left, [])
    await checkClean(path)
    await using pool = await openPool(path)
    assert.equal(await pool.readFile('/d/a', 'utf8'), '\0'.repeat(3 * BLOCK), 'what was cut off reads as zeros')
  })

  test(
    'a free block that is not zero, and a mapped one without space, are found and put right',
    { skip: noDisk() },
    async (t) => {
      const path = await lettered(t, 'disk')
      const device = join(path, 'device')
      const bytes = readFileSync(device)
      assert.deepEqual(codes(await fsck(path)), [])
      // Behind all that is mapped, and a file of zeros in place of the device: a copy that lost its holes.
      bytes[200 * BLOCK] = 1
      writeFileSync(device, bytes)
      const found = await repaired(path)
      assert.deepEqual([codes(found), found.left], [['free-not-zero'], []])
      await checkClean(path)
      const size = bytes.length
      truncateSync(device, BLOCK)
      truncateSync(device, size)
      const holes = await repaired(path)
      assert.ok(codes(holes).includes('mapped-without-space'))
      await checkClean(path)
    },
  )
})

test('a pool in use is not touched, and one that is being checked is not opened meanwhile', async (t) => {
  const path = await lettered(t)
  {
    await using _ = await openPool(path)
    await assert.rejects(repaired(path), { code: 'EBUSY' })
  }
  lie(join(path, 'meta.db'), 'UPDATE space SET files = files + 1')
  let opened: Promise<unknown> | undefined
  let isOpen = false
  await fsck(path, {
    approve: async () => {
      opened = openPool(path).then(async (pool) => {
        isOpen = true
        await pool.close()
      })
      await new Promise((resolve) => setTimeout(resolve, 50))
      assert.equal(isOpen, false)
      return true
    },
  })
  await opened
  assert.equal(isOpen, true)
})

test('what is not approved, or interrupted, is not changed', async (t) => {
  const path = await lettered(t)
  for (const sql of ['UPDATE space SET files = files + 1', 'CREATE VIEW v AS SELECT 1']) {
    lie(join(path, 'meta.db'), sql)
    const findings = codes(await fsck(path))
    const { left, repairs } = await fsck(path, { approve: () => Promise.resolve(false) })
    assert.deepEqual([left.map(({ code }) => code), repairs], [findings, []])
    const controller = new AbortController()
    const approve = (): Promise<boolean> => {
      controller.abort(new Error('enough'))
      return Promise.resolve(true)
    }
    await assert.rejects(fsck(path, { approve, signal: controller.signal }), /enough/)
    assert.deepEqual(codes(await fsck(path)), findings)
    assert.equal(existsSync(join(path, 'meta.db.new')), false)
  }
  await repaired(path)
  await checkClean(path)
})

const MOMENTS = ['in the check', 'at the question', 'after it'] as const

for (const [what, sql] of [
  [
    'in place, with copies',
    "UPDATE extents SET device_block = device_block - 1 WHERE inode = (SELECT ino FROM dentries WHERE name = 'c')",
  ],
  ['by a new store', "CREATE VIEW v AS SELECT 1; DELETE FROM dentries WHERE name = 'c'"],
] as const) {
  for (const moment of MOMENTS) {
    test(`a kill -9 ${moment} leaves a repair ${what} done or not begun, and the next run repairs`, async (t) => {
      const path = await lettered(t)
      lie(join(path, 'meta.db'), sql)
      const before = codes(await fsck(path))
      const user = await startProcess(t)
      const run = user.run(
        async (here, url, at, when) => {
          const module = await here.load<typeof import('../../src/pool/fsck.ts')>(url)
          const die = (): void => void process.kill(process.pid, 'SIGKILL')
          let steps = 0
          await module.fsck(at, {
            onStep: () => {
              if (when === 'in the check' && steps++ === 30) die()
            },
            approve: () => {
              if (when === 'at the question') die()
              if (when === 'after it') setImmediate(die)
              return Promise.resolve(true)
            },
          })
        },
        new URL('../../src/pool/fsck.ts', import.meta.url).href,
        path,
        moment,
      )
      // After the question it may have been quicker than its death.
      if (moment === 'after it') await run.catch(() => undefined)
      else await assert.rejects(run)
      const found = codes(await fsck(path))
      if (moment !== 'after it' || found.length > 0) assert.deepEqual(found, before)
      assert.deepEqual((await repaired(path)).left, [])
      await checkClean(path)
      await using pool = await openPool(path)
      for (const letter of 'ab') assert.equal(await pool.readFile(`/d/${letter}`, 'utf8'), letter.repeat(3 * BLOCK))
      assert.equal(existsSync(join(path, 'meta.db.new')), false)
    })
  }
}
