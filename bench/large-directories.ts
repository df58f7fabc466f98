/** Directories of many entries: reading one whole, and looking up and making one name more in it. */
import { closeSync, mkdirSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Pool } from '../src/index.ts'
import { openPool } from '../src/index.ts'
import { entryName, fillDirectory } from './filled-directory.ts'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeSubject, MIB } from './subject.ts'

const LISTED = 100_000
const LISTINGS = 21
const SMALL = 1000
const LARGE = 1_000_000
const ROUNDS = 2000
/** Names looked up to see what is kept of them. */
const REMEMBERED = 300_000

export async function benchLargeDirectories(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  const { path } = subject
  for (const name of ['listed', 'small', 'large']) await subject.pool.mkdir(`/${name}`)
  await subject.pool.writeFile('/template', '')
  await subject.pool.close()
  for (const [name, entries] of Object.entries({ listed: LISTED, small: SMALL, large: LARGE }))
    fillDirectory(path, name, 'template', entries)
  await using pool = await openPool(path)
  return [await listing(pool, join(subject.directory, 'host')), ...(await namesOfLarge(pool)), await remembered(pool)]
}

async function listing(pool: Pool, host: string): Promise<Row> {
  mkdirSync(host)
  for (let i = 0; i < LISTED; i++) closeSync(openSync(join(host, entryName(i)), 'w'))
  const here: number[] = []
  const there: number[] = []
  for (let round = 0; round < LISTINGS; round++) {
    const start = process.hrtime.bigint()
    const names = await pool.readdir('/listed')
    const middle = process.hrtime.bigint()
    if (readdirSync(host).length !== names.length) throw new Error('the directories are not the same')
    here.push(Number(middle - start))
    there.push(Number(process.hrtime.bigint() - middle))
  }
  const ratio = median(here.map((ns, round) => ns / there[round]))
  return {
    measure: `readdir of ${LISTED.toLocaleString('en')} entries`,
    result: showTime(median(here)),
    against: `fs.readdirSync ${showTime(median(there))}`,
    ratio,
    mustBe: '<= 2',
    isMet: ratio <= 2,
  }
}

/** A name made in a directory makes what was known of its names void, so the lookup that follows asks the metadata. */
async function namesOfLarge(pool: Pool): Promise<Row[]> {
  const makes: Record<string, number[]> = { small: [], large: [] }
  const looks: Record<string, number[]> = { small: [], large: [] }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, entries] of [
      ['small', SMALL],
      ['large', LARGE],
    ] as const) {
      const wanted = `/${name}/${entryName((round * 99_991) % entries)}`
      const made = `/${name}/${entryName((round * 99_989) % entries)}-more`
      const start = process.hrtime.bigint()
      await (await pool.open(made, 'wx')).close()
      const middle = process.hrtime.bigint()
      if (!(await pool.exists(wanted))) throw new Error(`${wanted} is not there`)
      makes[name].push(Number(middle - start))
      looks[name].push(Number(process.hrtime.bigint() - middle))
      await pool.unlink(made)
    }
  }
  const row = (measure: string, times: Record<string, number[]>): Row => {
    const ratio = median(times['large'].map((ns, round) => ns / times['small'][round]))
    return {
      measure: `${measure}, directory of ${LARGE.toLocaleString('en')}`,
      result: showTime(median(times['large'])),
      against: `of ${SMALL.toLocaleString('en')} ${showTime(median(times['small']))}`,
      ratio,
      mustBe: '<= 2',
      isMet: ratio <= 2,
    }
  }
  return [row('look up a name that is not known', looks), row('create one more', makes)]
}

async function remembered(pool: Pool): Promise<Row> {
  const before = await usedBytes()
  for (let i = 0; i < REMEMBERED; i++) await pool.stat(`/large/${entryName(i)}`)
  const mib = ((await usedBytes()) - before) / MIB
  return {
    measure: `memory kept after stat of ${REMEMBERED.toLocaleString('en')} names`,
    result: `${mib.toFixed(0)} MiB`,
    against: '',
    ratio: undefined,
    mustBe: '<= 64 MiB',
    isMet: mib <= 64,
  }
}

/** Of the heap, after garbage was collected; 0 without --expose-gc. */
async function usedBytes(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
