import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import type { Check, Place } from '../posix/subject.ts'
import { lacks, run } from './run.ts'

const WRITERS = 3
const ROWS = 40

/** Rows of `writers` processes at once, each row a transaction of its own. */
async function insertAtOnce(at: Place, mode: 'wal' | 'delete'): Promise<void> {
  const sqlite = (...statements: string[]): Promise<string> =>
    run(at.directory, 'sqlite3', '-bail', '-cmd', '.timeout 30000', 'database', statements.join(' '))
  assert.equal((await sqlite(`PRAGMA journal_mode=${mode};`)).trim(), mode)
  await sqlite('CREATE TABLE t (writer, n, filling);')
  const rows = (writer: number): string[] =>
    Array.from({ length: ROWS }, (_, n) => `INSERT INTO t VALUES (${writer}, ${n}, zeroblob(1000));`)
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => sqlite(...rows(writer))))
  assert.equal((await sqlite('SELECT count(*), count(DISTINCT n) FROM t;')).trim(), `${WRITERS * ROWS}|${ROWS}`)
  assert.equal((await sqlite('PRAGMA integrity_check;')).trim(), 'ok')
  await sqlite('DELETE FROM t WHERE n % 2 = 0;', 'VACUUM;', 'PRAGMA wal_checkpoint(TRUNCATE);')
  assert.equal(
    (await sqlite('SELECT count(*) FROM t;', 'PRAGMA integrity_check;')).trim(),
    `${(WRITERS * ROWS) / 2}\nok`,
  )
}

export function databaseCases(check: Check): void {
  for (const mode of ['wal', 'delete'] as const) {
    check(`sqlite3 in ${mode.toUpperCase()} mode takes rows of three processes at once`, async (at, t) => {
      if (lacks(t, 'sqlite3')) return
      await insertAtOnce(at, mode)
    })
  }

  check('two connections of SQLite with a shared index see what the other commits', (at) => {
    const first = new DatabaseSync(at.path('database'))
    first.exec('PRAGMA journal_mode=wal; PRAGMA mmap_size=1048576; CREATE TABLE t (n)')
    const second = new DatabaseSync(at.path('database'))
    const count = (database: DatabaseSync): unknown =>
      database.prepare('SELECT count(*) AS rows FROM t').get()?.['rows']
    for (let n = 1; n <= 50; n++) {
      const [writer, reader] = n % 2 === 0 ? [first, second] : [second, first]
      writer.prepare('INSERT INTO t VALUES (?)').run(n)
      assert.equal(count(reader), n)
    }
    second.close()
    assert.deepEqual({ ...first.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
    first.close()
  })
}
