/** Whole files and listings through `holdfast/fs`, against node:fs/promises on the same disk. */
import { mkdirSync } from 'node:fs'
import * as nodePromises from 'node:fs/promises'
import { join } from 'node:path'
import { createFs } from '../src/fs/index.ts'
import { compare, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeSubject, MIB } from './subject.ts'

const ENTRIES = 1000

export async function benchFsApi(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  const { promises } = createFs(subject.pool)
  const content = Buffer.alloc(4096, 'content')
  const host = join(subject.directory, 'host')
  mkdirSync(host)
  await promises.mkdir('/host')
  for (let nth = 0; nth < ENTRIES; nth++) {
    await promises.writeFile(`/host/${nth}`, nth === 0 ? content : '')
    await nodePromises.writeFile(join(host, String(nth)), nth === 0 ? content : '')
  }
  const [there, here] = [join(host, '0'), '/host/0']
  const rows: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
    ['readFile, 4 KiB', () => promises.readFile(here), () => nodePromises.readFile(there)],
    ['writeFile, 4 KiB', () => promises.writeFile(here, content), () => nodePromises.writeFile(there, content)],
    [`readdir, ${ENTRIES} entries`, () => promises.readdir('/host'), () => nodePromises.readdir(host)],
    ['stat', () => promises.stat(here), () => nodePromises.stat(there)],
  ]
  const table: Row[] = []
  for (const [what, ours, theirs] of rows) {
    const { pool, node } = await compare({ pool: ours, node: theirs }, 'node')
    table.push({
      measure: `fs: ${what}`,
      result: showTime(pool.ns),
      against: `node:fs/promises ${showTime(node.ns)}`,
      ratio: pool.ratio,
      mustBe: '',
      isMet: undefined,
    })
  }
  return table
}
