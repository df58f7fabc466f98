/** Every finding of the check, each made by writing a lie into meta.db. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { lie, LIES, populate } from './lies.ts'
import { properties } from './subject.ts'

async function damaged(sql: string) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  try {
    const path = join(directory, 'meta.db')
    await createSqliteMetadata(path, properties(64))
    const metadata = await openSqliteMetadata(path)
    await populate(metadata)
    lie(path, sql)
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
  const sources = ['check.ts', 'check-constraints.ts', 'check-space.ts', 'check-inodes.ts', 'check-directories.ts']
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
