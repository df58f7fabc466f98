/** What is opened as the metadata of a pool and what is refused; the schema against its documentation. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

import { systemError } from '../../src/errors.ts'
import { APPLICATION_ID, FORMAT_VERSION, PAGE_SIZE } from '../../src/metadata/schema.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { mountTemporary } from '../device/mounted.ts'
import { create, fileOf, properties } from './subject.ts'

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

async function sound(t: TestContext, name = 'meta.db'): Promise<string> {
  const path = join(temporary(t), name)
  await createSqliteMetadata(path, properties(64))
  return path
}

function withRaw(path: string, sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

/** Opens and checks a store; findings are thrown as what an operation that meets them throws. */
async function checked(path: string): Promise<void> {
  const metadata = await openSqliteMetadata(path)
  try {
    const findings = await metadata.check()
    if (findings.length > 0) throw systemError('EUCLEAN', 'found', { syscall: 'fsck' })
  } finally {
    await metadata.close()
  }
}

test('the properties of a pool are those it was made with', async (t) => {
  const metadata = await openSqliteMetadata(await sound(t))
  assert.deepEqual(metadata.properties, properties(64))
  await metadata.close()
})

test('a newer format is refused, both versions named', async (t) => {
  const path = await sound(t)
  withRaw(path, `PRAGMA user_version = ${FORMAT_VERSION + 1}`)
  await assert.rejects(openSqliteMetadata(path), {
    code: 'EPROTONOSUPPORT',
    message: /format version 4, this Holdfast knows version 3 only; use a newer/,
  })
  withRaw(path, 'PRAGMA user_version = 0')
  await assert.rejects(openSqliteMetadata(path), { code: 'EPROTONOSUPPORT' })
})

test('what is not the metadata of a pool is EUCLEAN and stays as it is', async (t) => {
  const directory = temporary(t)
  const path = join(directory, 'meta.db')
  const contents = [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(9000, 0xa5), Buffer.from('SQLite format 3\0')]
  for (const content of contents) {
    writeFileSync(path, content)
    await assert.rejects(openSqliteMetadata(path), { code: 'EUCLEAN', path }, String(content.length))
    assert.deepEqual(readFileSync(path), content)
  }
  rmSync(path)
  withRaw(path, 'CREATE TABLE foreigners (x)')
  await assert.rejects(openSqliteMetadata(path), { code: 'EUCLEAN' })
  await assert.rejects(openSqliteMetadata(directory), { code: 'EUCLEAN' })
})

test('a file cut short is refused or found damaged, never a raw SQLite error', async (t) => {
  const path = await sound(t)
  const metadata = await openSqliteMetadata(path)
  for (let nth = 0; nth < 300; nth++) await create(metadata, `file ${nth}`)
  await metadata.close()
  const size = readFileSync(path).length
  for (const part of [0.2, 0.5, 0.9]) {
    truncateSync(path, Math.floor((size * part) / PAGE_SIZE) * PAGE_SIZE)
    await assert.rejects(checked(path), { code: 'EUCLEAN' }, `${part}`)
    truncateSync(path, size)
  }
})

test('a page overwritten while the store is open is EUCLEAN', async (t) => {
  const path = await sound(t)
  const first = await openSqliteMetadata(path)
  await fileOf(first, 'a', 3)
  await first.close()
  const content = readFileSync(path)
  content.fill(0xff, PAGE_SIZE)
  writeFileSync(path, content)
  await assert.rejects(checked(path), { code: 'EUCLEAN' })
})

test('a path that is not there is ENOENT, one that is taken EEXIST', async (t) => {
  const path = await sound(t)
  await assert.rejects(createSqliteMetadata(path, properties(8)), { code: 'EEXIST' })
  await assert.rejects(openSqliteMetadata(`${path}.no`), { code: 'ENOENT' })
  await assert.rejects(openSqliteMetadata(join(path, 'x')), { code: 'ENOTDIR' })
  await assert.rejects(createSqliteMetadata(join(path, '..', 'no', 'meta.db'), properties(8)), { code: 'ENOENT' })
})

test('a path may have any characters', async (t) => {
  const path = await sound(t, 'a%20b?c#d e\u{1f600}&mode=memory.db')
  const metadata = await openSqliteMetadata(path)
  await create(metadata, 'a')
  await metadata.close()
})

test('a pool on a file system that is mounted for reading is EROFS', async (t) => {
  const mounted = mountTemporary('tmpfs')
  if (typeof mounted === 'string') return t.skip(mounted)
  try {
    const path = join(mounted.directory, 'meta.db')
    await createSqliteMetadata(path, properties(8))
    execFileSync('mount', ['-o', 'remount,ro', mounted.directory])
    await assert.rejects(openSqliteMetadata(path), { code: 'EROFS' })
  } finally {
    mounted.release()
  }
})

test('two processes that make the same pool: one is told', async (t) => {
  const directory = temporary(t)
  mkdirSync(join(directory, 'pool'))
  const path = join(directory, 'pool', 'meta.db')
  const results = await Promise.allSettled([
    createSqliteMetadata(path, properties(8)),
    createSqliteMetadata(path, properties(8)),
  ])
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('docs/internals/format.md tells the tables, columns and numbers of the schema', async (t) => {
  const text = readFileSync(new URL('../../docs/internals/format.md', import.meta.url), 'utf8')
  const db = new DatabaseSync(await sound(t), { readOnly: true })
  t.after(() => db.close())
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").all()
  for (const { name } of tables) {
    const section = text.split(/^#+ /m).find((part) => part.startsWith(`\`${String(name)}\``))
    assert.ok(section !== undefined, `no section \`${String(name)}\``)
    for (const column of db.prepare('SELECT name FROM pragma_table_info(?)').all(String(name))) {
      assert.ok(section.includes(`\`${String(column['name'])}\``), `${String(name)}.${String(column['name'])}`)
    }
  }
  assert.ok(text.includes(`0x${APPLICATION_ID.toString(16)}`))
  assert.match(text, new RegExp(`user_version\`[^\n]*${FORMAT_VERSION}`))
  assert.match(text, new RegExp(`${PAGE_SIZE} bytes`))
  assert.deepEqual(db.prepare('PRAGMA page_size').get(), Object.assign(Object.create(null), { page_size: PAGE_SIZE }))
})
