/** Names that are known: what a second look costs, against the system calls that have the host's cache. */
import { closeSync, existsSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { File } from '../src/index.ts'
import type { Compared } from './measure.ts'
import { compare, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeSubject, MIB } from './subject.ts'

/** Names that are visited in turn: one call of a side goes over all of them. */
const NAMES = 200

export async function benchNames(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  const { pool } = subject
  const paths = Array.from({ length: NAMES }, (_, i) => `/directory/name-${i}`)
  const hostPaths = paths.map((path) => join(subject.directory, 'host', path))
  mkdirSync(dirname(hostPaths[0]), { recursive: true })
  await pool.mkdir('/directory')
  for (const path of paths) await pool.writeFile(path, 'x')
  for (const path of hostPaths) writeFileSync(path, 'x')
  const opened: File[] = []
  const times = await compare(
    {
      statSync: () => {
        for (const path of hostPaths) statSync(path)
      },
      existsSync: () => {
        for (const path of hostPaths) existsSync(path)
      },
      openSync: () => {
        for (const path of hostPaths) closeSync(openSync(path, 'r'))
      },
      stat: async () => {
        for (const path of paths) await pool.stat(path)
      },
      exists: async () => {
        for (const path of paths) await pool.exists(path)
      },
      open: {
        run: async () => {
          for (const path of paths) opened.push(await pool.open(path))
        },
        after: async () => {
          for (const file of opened.splice(0)) await file.close()
        },
      },
      openAndClose: async () => {
        for (const path of paths) await (await pool.open(path)).close()
      },
    },
    'statSync',
    { rounds: 501, roundNs: 1e6 },
  )
  const time = (side: string): string => showTime(times[side].ns / NAMES)
  const against = `fs.statSync ${time('statSync')}`
  const row = (measure: string, side: string, most?: number): Row => {
    const { ratio } = times[side]
    const held = most === undefined ? { mustBe: '', isMet: undefined } : { mustBe: `<= ${most}`, isMet: ratio <= most }
    return { measure, result: time(side), against, ratio, ...held }
  }
  const other = (measure: string, side: string, call: string, baseline: Compared): Row => ({
    measure,
    result: time(side),
    against: `${call} ${showTime(baseline.ns / NAMES)}`,
    ratio: times[side].ratio / baseline.ratio,
    mustBe: '',
    isMet: undefined,
  })
  return [
    row('stat of a known name', 'stat', 0.5),
    row('exists of a known name', 'exists', 0.5),
    row('open of a known name', 'open', 0.5),
    row('open + close of a known name', 'openAndClose'),
    other('the same', 'openAndClose', 'fs.openSync + closeSync', times['openSync']),
  ]
}
