/** Several processes: pins that do not disturb each other, recalls, truncates beside many pins, the space of snapshots. */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import type { File } from '../src/index.ts'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import type { Subject } from './subject.ts'
import { makeFile, makeSubject, MIB } from './subject.ts'

const SPIN_MS = 300
const SPINS = 7
const RECALLS = 100
const HOLDERS = 4
const VICTIM_BYTES = 64 * 1024
const TRUNCATES = 41
const OVERWRITES = 200
const SNAPSHOT_BYTES = 200 * 1024

/** A process that takes orders, each answered by one message. */
class Worker implements AsyncDisposable {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(subject: Subject, path: string): Promise<Worker> {
    const child = fork(new URL('holders-worker.ts', import.meta.url), [subject.path, path], { stdio: 'inherit' })
    await once(child, 'message')
    return new Worker(child)
  }

  async ask(order: object): Promise<unknown> {
    const answered = this.answer()
    this.#child.send(order)
    return answered
  }

  async answer(): Promise<unknown> {
    const [answer] = (await once(this.#child, 'message')) as [unknown]
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}

export async function benchLeases(): Promise<Row[]> {
  return [...(await throughput()), ...(await recalls()), ...(await truncates()), ...(await snapshots())]
}

/** Pins and releases a second of 1, 2 and 4 processes at once, each on a file of its own. */
async function throughput(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  await using stack = new AsyncDisposableStack()
  const workers: Worker[] = []
  for (let i = 0; i < HOLDERS; i++) {
    await (await makeFile(subject.pool, `/file-${i}`, MIB)).close()
    workers.push(stack.use(await Worker.start(subject, `/file-${i}`)))
  }
  const rates: Record<number, number[]> = { 1: [], 2: [], 4: [] }
  for (let round = 0; round <= SPINS; round++) {
    for (const count of [1, 2, 4]) {
      const spins = await Promise.all(workers.slice(0, count).map((worker) => worker.ask({ spin: SPIN_MS })))
      // The first round warms up.
      if (round > 0) rates[count].push((spins as number[]).reduce((sum, each) => sum + each, 0))
    }
  }
  return [2, 4].map((count): Row => {
    const cores = Math.min(count, cpus().length)
    const ratio = median(rates[count].map((rate, round) => rate / cores / rates[1][round]))
    return {
      measure: `pin + release, ${count} processes, each on its own file`,
      result: `${showTime((SPIN_MS * 1e6 * cores) / median(rates[count]))} a core`,
      against: `one process ${showTime((SPIN_MS * 1e6) / median(rates[1]))}`,
      ratio,
      mustBe: '>= 0.9 a core',
      isMet: ratio >= 0.9,
    }
  })
}

/** From the call of a layout change to `onRecall` in another process. */
async function recalls(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  await using file = await makeFile(subject.pool, '/leased', VICTIM_BYTES)
  await using holder = await Worker.start(subject, '/leased')
  const times: number[] = []
  for (let i = 0; i < RECALLS; i++) {
    await holder.ask({ lease: true })
    const recalled = holder.answer()
    const start = process.hrtime.bigint()
    await file.punchHole(0, 4096)
    times.push(Number(BigInt((await recalled) as string) - start))
    await file.write(Buffer.alloc(4096), { position: 0 })
  }
  const ns = median(times)
  return [
    {
      measure: 'recall: a punch is called → onRecall in another process',
      result: showTime(ns),
      against: '1 ms',
      ratio: ns / 1e6,
      mustBe: '<= 1',
      isMet: ns <= 1e6,
    },
  ]
}

/** `truncate` under `sequester` beside live pins of four processes. */
async function truncates(): Promise<Row[]> {
  const most = 100_000
  await using subject = await makeSubject((most / HOLDERS) * HOLDERS * 4096 + 128 * MIB)
  await using stack = new AsyncDisposableStack()
  await using victim = await subject.pool.open('/victim', 'w+')
  const workers: Worker[] = []
  for (let i = 0; i < HOLDERS; i++) {
    await (await makeFile(subject.pool, `/kept-${i}`, (most / HOLDERS) * 4096)).close()
    workers.push(stack.use(await Worker.start(subject, `/kept-${i}`)))
  }
  const base = await truncateTime(victim)
  const rows: Row[] = []
  for (const [count, more] of [
    [1000, 1000],
    [10_000, 9000],
    [most, most - 10_000],
  ]) {
    for (const worker of workers) await worker.ask({ keep: more / HOLDERS })
    const ns = await truncateTime(victim)
    const limit = count <= 10_000 ? { mustBe: '<= 2', isMet: ns / base <= 2 } : { mustBe: '', isMet: undefined }
    rows.push({
      measure: `truncate, sequester, ${count.toLocaleString('en-US')} pins of 4 processes`,
      result: showTime(ns),
      against: `with none ${showTime(base)}`,
      ratio: ns / base,
      ...limit,
    })
  }
  return rows
}

async function truncateTime(victim: File): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < TRUNCATES; i++) {
    await victim.write(Buffer.alloc(VICTIM_BYTES), { position: 0 })
    const start = process.hrtime.bigint()
    await victim.truncate(0, { busy: 'sequester' })
    times.push(Number(process.hrtime.bigint() - start))
  }
  return median(times)
}

/** What a pool takes while a stable pin is held and its range overwritten again and again. */
async function snapshots(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  await using file = await makeFile(subject.pool, '/live', SNAPSHOT_BYTES)
  const pin = await file.pin({ offset: 0, length: SNAPSHOT_BYTES, mode: 'read', stable: true })
  for (let i = 0; i < OVERWRITES; i++) await file.write(Buffer.alloc(SNAPSHOT_BYTES, i), { position: 0 })
  const { usedBytes, busyBytes, sequesteredBytes } = await subject.pool.stats()
  pin.release()
  const ratio = (usedBytes + busyBytes + sequesteredBytes) / (2 * SNAPSHOT_BYTES)
  return [
    {
      measure: `stable pin of 200 KiB held, ${OVERWRITES} overwrites: space`,
      result: `${(usedBytes + busyBytes + sequesteredBytes) / 1024} KiB`,
      against: 'live + pinned 400 KiB',
      ratio,
      mustBe: '<= 1',
      isMet: ratio <= 1,
    },
  ]
}
