/** Create, write 4 KiB, unlink: one process and three, against node:fs on the same host file system. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeSubject, MIB } from './subject.ts'

const FILES = 300
const ROUNDS = 5

/** Nanoseconds a file, `processes` at once, each FILES files. */
async function time(kind: 'pool' | 'host', directory: string, processes: number): Promise<number> {
  const workers = Array.from({ length: processes }, (_, i) =>
    fork(new URL('small-files-worker.ts', import.meta.url), [kind, directory, String(i), String(FILES)], {
      stdio: 'inherit',
    }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const start = process.hrtime.bigint()
  const done = workers.map((worker) => once(worker, 'message'))
  for (const worker of workers) worker.send('go')
  await Promise.all(done)
  const ns = Number(process.hrtime.bigint() - start) / (FILES * processes)
  const gone = workers.map((worker) => once(worker, 'exit'))
  for (const worker of workers) worker.disconnect()
  await Promise.all(gone)
  return ns
}

export async function benchSmallFiles(): Promise<Row[]> {
  await using subject = await makeSubject(256 * MIB)
  const host = join(subject.directory, 'host')
  mkdirSync(host)
  const rows: Row[] = []
  for (const processes of [1, 3]) {
    const pool: number[] = []
    const plain: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      pool.push(await time('pool', subject.path, processes))
      plain.push(await time('host', host, processes))
    }
    rows.push({
      measure: `create + write 4 KiB + unlink, ${processes === 1 ? 'one process' : `${processes} processes`}`,
      result: `${showTime(median(pool))} a file`,
      against: `node:fs/promises on the host ${showTime(median(plain))}`,
      ratio: median(pool.map((ns, round) => ns / plain[round])),
      mustBe: '',
      isMet: undefined,
    })
  }
  return rows
}
