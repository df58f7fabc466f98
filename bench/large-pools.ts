/** Large pools: fsck of a million files, and the first opening after everybody was killed. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openPool } from '../src/index.ts'
import { fsck } from '../src/pool/fsck.ts'
import { createFilledPool } from './filled-tree.ts'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { MIB } from './subject.ts'

const GIB = 1024 * MIB
const CHECKED_FILES = 1_000_000
const OPENED_FILES = 100_000
const ROUNDS = 11

export async function benchLargePools(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  try {
    return [...(await openingAfterKill(join(directory, 'opened'))), ...(await checking(join(directory, 'checked')))]
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function openingAfterKill(path: string): Promise<Row[]> {
  await createFilledPool(path, 10 * GIB, OPENED_FILES)
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const { signal } = spawnSync(process.execPath, [join(import.meta.dirname, 'killed-writer.ts'), path])
    if (signal !== 'SIGKILL') throw new Error('the writer was to be killed')
    const start = process.hrtime.bigint()
    const pool = await openPool(path)
    times.push(Number(process.hrtime.bigint() - start))
    await pool.close()
  }
  const row = (measure: string, ns: number): Row => ({
    measure,
    result: showTime(ns),
    against: '',
    ratio: undefined,
    mustBe: '<= 200 ms',
    isMet: ns <= 200e6,
  })
  const what = `open after kill -9, 10 GiB, ${OPENED_FILES.toLocaleString('en')} files`
  return [row(what, median(times)), row('the same, the slowest', Math.max(...times))]
}

async function checking(path: string): Promise<Row[]> {
  await createFilledPool(path, 8 * GIB, CHECKED_FILES)
  const timed = async (measure: string, repairs: number, mustBeS?: number): Promise<Row> => {
    const start = process.hrtime.bigint()
    const report = await fsck(path, { approve: () => Promise.resolve(true) })
    const ns = Number(process.hrtime.bigint() - start)
    if (report.repairs.length !== repairs || report.left.length > 0) throw new Error(JSON.stringify(report))
    return {
      measure,
      result: showTime(ns),
      against: '',
      ratio: undefined,
      mustBe: mustBeS === undefined ? '' : `<= ${mustBeS} s`,
      isMet: mustBeS === undefined ? undefined : ns <= mustBeS * 1e9,
    }
  }
  const sound = await timed(`fsck of ${CHECKED_FILES.toLocaleString('en')} files`, 0, 60)
  const db = new DatabaseSync(join(path, 'meta.db'))
  db.exec('UPDATE space SET files = files + 1')
  db.close()
  return [sound, await timed('the same, and a repair: checked twice', 1)]
}
