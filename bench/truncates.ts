/** Layout changes beside pins: that they do not wait, and how soon they go on when they do. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { File, Pool } from '../src/index.ts'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeFile, makeSubject, MIB } from './subject.ts'

const ROUNDS = 60
const PER_ROUND = 5
const WAITS = 200
const VICTIM_BYTES = 64 * 1024

/** How long `truncate(0)` takes of a file that nobody has pinned, with pins elsewhere. */
export async function benchTruncates(): Promise<Row[]> {
  await using subject = await makeSubject(512 * MIB)
  const { pool } = subject
  const none = await makeCase(pool, 'none', 0)
  const cases = [
    await makeCase(pool, '1 pin', 1),
    await makeCase(pool, '1,000 pins', 1000),
    await makeCase(pool, '10,000 pins', 10_000),
  ]
  const base: number[] = []
  const times = cases.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    base.push(await none.time())
    for (const [i, other] of cases.entries()) {
      other.pin()
      times[i].push(await other.time())
      other.release()
    }
  }
  const rows = cases.map((other, i): Row => {
    const ratio = median(times[i].map((time, round) => time / base[round]))
    return {
      measure: `truncate, sequester, ${other.name} elsewhere`,
      result: showTime(median(times[i])),
      against: `with none ${showTime(median(base))}`,
      ratio,
      mustBe: '<= 2',
      isMet: ratio <= 2,
    }
  })
  for (const each of [none, ...cases]) await each.close()
  return rows
}

interface Case {
  readonly name: string
  pin(): void
  release(): void
  /** Median ns of a few truncates. */
  time(): Promise<number>
  close(): Promise<void>
}

async function makeCase(pool: Pool, name: string, count: number): Promise<Case> {
  const pinned: File = await makeFile(pool, `/pinned-${count}`, Math.max(1, count) * 4096)
  const victim = await pool.open(`/victim-${count}`, 'w+')
  const data = Buffer.alloc(VICTIM_BYTES)
  let pins: { release(): void }[] = []
  return {
    name,
    pin: () => {
      for (let i = 0; i < count; i++)
        pins.push(pinned.pinSync({ offset: i * 4096, length: 4096, mode: 'read', revocable: false }))
    },
    release: () => {
      for (const pin of pins) pin.release()
      pins = []
    },
    time: async () => {
      const times: number[] = []
      for (let i = 0; i < PER_ROUND; i++) {
        await victim.write(data, { position: 0 })
        const start = process.hrtime.bigint()
        await victim.truncate(0, { busy: 'sequester' })
        times.push(Number(process.hrtime.bigint() - start))
      }
      return median(times)
    },
    close: async () => {
      await pinned.close()
      await victim.close()
    },
  }
}

/** From the last release in another process to the return of the truncate that waited for it. */
export async function benchWait(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  await using file = await makeFile(subject.pool, '/waited', VICTIM_BYTES)
  const holder = fork(new URL('holder.ts', import.meta.url), [subject.path, '/waited'], { stdio: 'inherit' })
  try {
    const times: number[] = []
    await once(holder, 'message')
    for (let i = 0; i < WAITS; i++) {
      await file.write(Buffer.alloc(VICTIM_BYTES), { position: 0 })
      const held = once(holder, 'message')
      holder.send('pin')
      await held
      const released = once(holder, 'message')
      const truncated = file.truncate(0, { busy: 'wait' }).then(() => process.hrtime.bigint())
      // Time enough for the truncate to begin its wait.
      setTimeout(() => holder.send('release'), 3)
      const [at] = await released
      times.push(Number((await truncated) - BigInt(at as string)))
    }
    const ns = median(times)
    return [
      {
        measure: 'wait: last release in another process → truncate returns',
        result: showTime(ns),
        against: "1 s, the thread's polling",
        ratio: ns / 1e9,
        mustBe: '<= 1 ms',
        isMet: ns <= 1e6,
      },
    ]
  } finally {
    const gone = once(holder, 'exit')
    holder.disconnect()
    await gone
  }
}
