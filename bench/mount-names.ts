/** Names through a mount: how many stats, opens and files made and removed a second. */
import { closeSync, mkdirSync, openSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare } from './measure.ts'
import type { CacheMode, Sides } from './mount-sides.ts'
import { rowsAgainst } from './mount-rows.ts'
import type { Row } from './report.ts'

/** Names that are visited in turn. */
const NAMES = 100
const LEAST_OF_PASSTHROUGH = 0.7
/** The server is a process of its own, and V8 compiles what it runs in the first seconds, on the CPU that is measured. */
const WARM_UP_NS = 1.5e9

const MEASURES: Record<string, (path: string) => void> = {
  stat: (path) => void statSync(path),
  'open + close': (path) => closeSync(openSync(path, 'r')),
  'create + unlink': (path) => {
    const made = `${path}-made`
    closeSync(openSync(made, 'wx'))
    unlinkSync(made)
  },
}

export async function mountNames(sides: Sides, cache: CacheMode): Promise<Row[]> {
  const paths = new Map<string, string[]>()
  for (const [name, directory] of sides.directories) {
    const own = join(directory, 'names')
    mkdirSync(own)
    const all = Array.from({ length: NAMES }, (_, i) => join(own, `name-${i}`))
    for (const path of all) writeFileSync(path, 'x')
    paths.set(name, all)
  }
  const rows: Row[] = []
  for (const [measure, run] of Object.entries(MEASURES)) {
    const calls = [...paths].map(([name, all]) => [name, () => all.forEach((path) => run(path))] as const)
    const times = await compare(Object.fromEntries(calls), 'holdfast', {
      rounds: 51,
      roundNs: 30e6,
      warmUpNs: WARM_UP_NS,
    })
    const perSecond = (side: string): string => `${Math.round((NAMES * 1e9) / times[side].ns).toLocaleString('en')}/s`
    rows.push(
      ...rowsAgainst(`mount, cache=${cache}: ${measure}`, times, {
        show: perSecond,
        speed: (side) => times[side].ratio,
        least: LEAST_OF_PASSTHROUGH,
      }),
    )
  }
  return rows
}
